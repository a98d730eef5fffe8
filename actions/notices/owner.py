"""Wishes about notices, and alerts above the next answer; stands in the dispatcher beside the desk."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from actions.notices.dialogue import START, district_alone, wish_in
from actions.notices.service import NoticeService
from city.messages import Answer, Message, Reply
from nlp.emergency import emergency_kind

_REMEMBERED = 10_000


class NoticesOwner:
    """A `ConversationOwner` and `ConversationObserver` for notices."""

    def __init__(self, service: NoticeService) -> None:
        self.service = service
        # Who was asked for a district with the last answer; a name alone is then the answer.
        self._asked: dict[str, str] = {}

    async def take(self, message: Message) -> tuple[Reply, ...] | None:
        """Do what a message wants with notices; every other text is the bot's."""
        if emergency_kind(message.text) is not None:
            return None
        asked = self._asked.pop(message.conversation_id, None)
        wish = wish_in(message.text, self.service.districts, message.language)
        if wish is None and asked is not None:
            wish = district_alone(message.text, self.service.districts, asked)
        if wish is None:
            return None
        if wish.kind == START and wish.districts is None:
            self._asked[message.conversation_id] = wish.language
            while len(self._asked) > _REMEMBERED:
                del self._asked[next(iter(self._asked))]
        said = await asyncio.to_thread(self.service.handle, wish, message.conversation_id, message.channel)
        return tuple(said)

    async def answered(self, message: Message, answer: Answer) -> Sequence[Reply]:
        """Return the bot's replies with the alerts that this person has not seen above them.

        The numbers to call in an emergency stay first.
        """
        alerts = await asyncio.to_thread(self.service.fresh_alerts, message.conversation_id, answer.language)
        if not alerts:
            return answer.replies
        urgent = [reply for reply in answer.replies if reply.source == "emergency"]
        others = [reply for reply in answer.replies if reply.source != "emergency"]
        return [*urgent, *alerts, *others]

    async def rated(self, conversation_id: str, message_id: str, rating: str, comment: str) -> None:
        """Thumbs under answers are nothing for notices."""
        return

    async def erased(self, conversation_id: str) -> None:
        """Erase a subscription and what was told."""
        self._asked.pop(conversation_id, None)
        await asyncio.to_thread(self.service.store.erase, conversation_id)
