"""Telephone calls at the desk: a record of each transfer, and messages of callers who want to be called back."""

from __future__ import annotations

from typing import Any

from actions.handover.office import IS_CLOSED
from actions.handover.reception import Reception
from actions.handover.records import CLOSED, Case

_ADDED = {"zh": "回电号码：{}", "en": "Number to call back: {}"}


class Switchboard:
    """Writes down calls; every method is synchronous and safe from any thread.

    Args:
        reception: knows what was said before, and files requests.
    """

    def __init__(self, reception: Reception) -> None:
        self.reception = reception

    def transferred(self, conversation_id: str, channel: str, language: str, summary: str) -> Case:
        """Note that a call is being put through, with what the person who takes it is told.

        A call that is put through again gets a line in the same record.
        """
        office = self.reception.office
        since = office.now().replace(hour=0, minute=0, second=0, microsecond=0)
        case = office.store.last_with(conversation_id, "transferred", since)
        if case is None:
            case = self._record(conversation_id, channel, language, "transferred", to_file=False)
            office.store.add(case.id, office.event("phone"))
        office.store.add(case.id, self._line("note", summary))
        office.changed()
        return case

    def call_back(self, conversation_id: str, channel: str, language: str, text: str, number: str) -> str:
        """Keep a caller's message and file it; return the request's number, "" while it cannot be filed.

        Args:
            number: where the caller is reached, "" when it is only in the text, or unknown.
        """
        office = self.reception.office
        case = self._record(conversation_id, channel, language, "message", to_file=True)
        added = _ADDED["en" if language == "en" else "zh"].format(number)
        words = f"{text}\n{added}" if number and number not in text else text
        office.store.add(case.id, self._line("citizen", words))
        office.store.add(case.id, office.event("message"), IS_CLOSED)
        filed = self.reception.file(case, words)
        office.changed()
        return filed

    def _record(
        self, conversation_id: str, channel: str, language: str, outcome: str, *, to_file: bool
    ) -> Case:
        office = self.reception.office
        values = self.reception.values(conversation_id, channel, language, "asked", "phone", None)
        closed = {"state": CLOSED, "live": None, "closed_at": office.now(), "outcome": outcome}
        return office.store.open({**values, **closed, "to_file": to_file})[0]

    def _line(self, kind: str, text: str) -> dict[str, Any]:
        office = self.reception.office
        return {"at": office.now(), "kind": kind, "author": "", "text": text, "sent": True}
