"""Joins the desk to the rooms around it: traces tell what was said before, requests take what nobody answered."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from actions.handover.records import Case, PastTurn
from actions.handover.summary import as_text
from city.settings import Settings

if TYPE_CHECKING:
    from actions.handover.service import HandoverService
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
        from actions.requests.contacts import find_contact
        from actions.requests.records import NewRequest

        if not requests.configured():
            return ""
        summary = as_text(case.summary, case.language)
        english = case.language == "en"
        nothing = (
            "A citizen asked for a person; nobody answered." if english else "市民要求转人工，当时无人接待。"
        )
        filed = requests.get_service().file(
            NewRequest(
                key=f"handover:{case.id}",
                category=self._category,
                description="\n".join(part for part in (text, summary) if part) or nothing,
                contact=find_contact(text) or "",
                language=case.language,
                channel=case.channel,
                source="handover",
                conversation_id=case.conversation_id,
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


def open_desk(settings: Settings, traces: TraceStore, recorder: TraceRecorder) -> HandoverService | None:
    """Open the desk for serving and make it known to the dialogue; `None` where the city has none."""
    from actions import handover
    from actions.handover.service import load_service
    from actions.handover.settings import HandoverSection
    from city.settings import module_section

    section = module_section(settings, "handover", HandoverSection)
    filer = DeskFiler(section.request_category) if section is not None else None
    service = load_service(settings, past=TracePast(traces, recorder), filer=filer)
    handover.configure(service)
    return service
