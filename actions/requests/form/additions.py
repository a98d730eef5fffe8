"""A photo sent just after filing: it is offered to the request just filed before it begins a new one."""

from __future__ import annotations

import re
from datetime import timedelta

from actions.requests import cues
from actions.requests.draft import Draft
from actions.requests.form.exchange import Turn
from actions.requests.numbers import find_number
from actions.requests.records import Request
from actions.requests.service import RequestService

ADD = "add_photo"
# Later than this a photo alone is more likely about something new.
JUST_FILED = timedelta(hours=2)
_TO_IT = re.compile(
    r"加(?:到|上|进|给)|补充?(?:到|进|上)|放到|就是(?:它|这个|那个)|\badd\b|\battach\b|that one",
    re.IGNORECASE,
)
_NEW = re.compile(
    r"新(?:的|问题|上报|工单|建)|另(?:外|报|一)|单独|别的|不是这"
    r"|something (?:new|else)|\bnew\b|separate|another|different",
    re.IGNORECASE,
)


class Additions:
    """Asks where a photo belongs, and takes the answer.

    Args:
        service: the requests of the conversation.
    """

    def __init__(self, service: RequestService) -> None:
        self.service = service

    def offer(self, draft: Draft, turn: Turn) -> None:
        """Put the question where a bare photo comes right after a request that has room for it."""
        if not (turn.has_photos and draft.photos and cues.is_attachment(turn.text)):
            return
        request = self._just_filed(turn.conversation_id)
        if request is not None:
            draft.offer = {"what": ADD, "number": request.number}

    def answered(self, draft: Draft, turn: Turn) -> bool:
        """Take the answer; words that describe something else leave the photo to a new report."""
        if (draft.offer or {}).get("what") != ADD:
            return False
        text, number = turn.text.strip(), str((draft.offer or {})["number"])
        detail = cues.detail_in(text)
        named = find_number(text) == number
        if detail and not named:
            draft.description, draft.decision = detail, f"add:{number}"
            return True
        if _NEW.search(text) or cues.is_no(text, turn.intent):
            draft.offer = None
            return True
        if len(text) <= 40 and (named or cues.is_yes(text, turn.intent) or _TO_IT.search(text)):
            draft.decision = f"add:{number}"
            return True
        return False

    def _just_filed(self, conversation_id: str) -> Request | None:
        since, most = self.service.now() - JUST_FILED, self.service.section.photos.per_request
        for request in self.service.mine(conversation_id):
            if request.conversation_id != conversation_id or request.created_at < since:
                continue
            if request.is_open and len(self.service.store.photos(request_id=request.id)) < most:
                return request
        return None
