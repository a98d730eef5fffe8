"""Joins the desk to the rooms around it: traces tell what was said before, requests take what nobody answered."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actions.handover.records import Case, PastTurn
from actions.handover.summary import as_text
from city.messages import Answer, Message, Reply
from city.settings import Settings, module_section

if TYPE_CHECKING:
    from actions.handover.service import HandoverService
    from actions.notices.service import NoticeService
    from channels.extension import Extension
    from channels.protocols import ConversationObserver, ConversationOwner
    from channels.traces import TraceRecorder, TraceStore
    from city.live import LiveSettings

_FLUSH_S = 1.0
logger = logging.getLogger(__name__)


class TracePast:
    """The turns before a hand-over, as the traces kept them: masked, with what was understood."""

    def __init__(self, store: TraceStore, recorder: TraceRecorder) -> None:
        from channels.traces.reading import TraceReader

        self._reader = TraceReader(store.engine)
        self._recorder = recorder

    def turns(self, conversation_id: str, limit: int) -> Sequence[PastTurn]:
        """Return the last turns, oldest first."""
        self._recorder.flush(_FLUSH_S)
        found = self._reader.conversation(conversation_id)[-limit:]
        return [PastTurn(turn.text, turn.intent, _entities(turn.steps), turn.replies) for turn in found]


def _entities(steps: Sequence[object]) -> Sequence[dict[str, object]]:
    for step in steps:
        if isinstance(step, dict) and step.get("step") == "nlu":
            return [entity for entity in step.get("entities") or () if isinstance(entity, dict)]
    return ()


class DeskFiler:
    """Files as a service request what nobody at the desk took up; where no requests are taken it files nothing."""

    def __init__(self, category: str) -> None:
        self._category = category

    def file(self, case: Case, text: str) -> str:
        """Return the number of the request, "" where this city takes none."""
        from actions import requests
        from actions.requests.contacts import find_contact, hide_contacts
        from actions.requests.records import NewRequest

        if not requests.configured():
            return ""
        summary = as_text(case.summary, case.language)
        english = case.language == "en"
        nothing = (
            "A citizen asked for a person; nobody answered." if english else "市民要求转人工，当时无人接待。"
        )
        service = requests.get_service()
        waiting = service.store.photos(conversation_id=case.conversation_id)
        filed = service.file(
            NewRequest(
                key=f"handover:{case.id}",
                category=self._category,
                description="\n".join(part for part in (hide_contacts(text), summary) if part) or nothing,
                # Staff who may see it find it in its own field.
                contact=find_contact(text) or "",
                language=case.language,
                channel=case.channel,
                source="handover",
                conversation_id=case.conversation_id,
                photos=[photo.id for photo in waiting],
            )
        )
        return filed.request.number


def follow_hours(desk: HandoverService, settings: Settings, live: LiveSettings) -> None:
    """Let the desk keep the opening hours that staff set, now and whenever they change them."""
    from pydantic import ValidationError

    from actions.handover.hours import Hours
    from actions.handover.settings import WindowSection

    def apply(key: str) -> None:
        if key != "hours":
            return
        section, chosen = desk.office.section, live.get("hours")
        try:
            windows = [WindowSection.parse_obj(window) for window in chosen] if chosen else section.hours
        except (ValidationError, TypeError):
            logger.warning("the opening hours in the store are none; those of city.yml hold")
            windows = section.hours
        desk.office.hours = Hours(windows, settings.zone, section.holidays, section.closed, section.opened)

    apply("hours")
    live.listen(apply)


class Owners:
    """Several owners as one: the first that takes a message has it, and each may add to an answer."""

    def __init__(self, owners: Sequence[ConversationOwner]) -> None:
        self._owners = tuple(owners)

    async def take(self, message: Message) -> tuple[Reply, ...] | None:
        """Return what the first owner says that takes the message."""
        for owner in self._owners:
            said = await owner.take(message)
            if said is not None:
                return said
        return None

    async def answered(self, message: Message, answer: Answer) -> Sequence[Reply]:
        """Return the replies with what every owner adds."""
        replies: Sequence[Reply] = answer.replies
        for owner in self._owners:
            replies = await owner.answered(
                message, Answer(answer.message_id, answer.language, replies, answer.trace)
            )
        return replies


@dataclass(frozen=True)
class People:
    """The desk and the notices of a serving process; `None` where the city has none."""

    desk: HandoverService | None
    notices: NoticeService | None
    owner: ConversationOwner | None
    observers: Sequence[ConversationObserver]
    extensions: Sequence[Extension]

    def start(self) -> None:
        """Begin to look after the desk; the notices begin with the gateway."""
        if self.desk is not None:
            self.desk.keeper.start()

    def close(self) -> None:
        """End, and close the databases."""
        if self.desk is not None:
            self.desk.close()
        if self.notices is not None:
            self.notices.store.engine.dispose()


def open_people(settings: Settings, traces: TraceStore, recorder: TraceRecorder) -> People:
    """Open the desk and the notices for serving, and make the desk known to the dialogue."""
    from actions.handover.owner import HandoverOwner
    from actions.notices.owner import NoticesOwner
    from channels.notices import SECRET, NoticesExtension

    desk, notices = _open_desk(settings, traces, recorder), _open_notices(settings)
    owners: list[HandoverOwner | NoticesOwner] = []
    extensions: list[Extension] = []
    if notices is not None:
        owners.append(NoticesOwner(notices))
        folder = notices.section.cap.folder
        path = settings.path(folder) if folder is not None else settings.data / "cap"
        extensions.append(NoticesExtension(notices, path, os.environ.get(SECRET, "")))
    if desk is not None:
        owners.append(HandoverOwner(desk))
    return People(desk, notices, Owners(owners) if owners else None, owners, extensions)


def _open_notices(settings: Settings) -> NoticeService | None:
    from actions.notices.setup import load_service

    return load_service(settings) if settings.notices is not None else None


def _open_desk(settings: Settings, traces: TraceStore, recorder: TraceRecorder) -> HandoverService | None:
    from actions import handover
    from actions.handover.service import load_service
    from actions.handover.settings import HandoverSection

    section = module_section(settings, "handover", HandoverSection)
    filer = DeskFiler(section.request_category) if section is not None else None
    service = load_service(settings, past=TracePast(traces, recorder), filer=filer)
    handover.configure(service)
    return service
