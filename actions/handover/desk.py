"""The operators' side of the desk: claim, reply, transfer, note, return, close, presence."""

from __future__ import annotations

from datetime import timedelta
from statistics import median

from actions.handover import wording
from actions.handover.errors import (
    AbsentError,
    FullError,
    HandoverError,
    NotYoursError,
    OverError,
    TakenError,
    TextError,
    UnknownTeamError,
)
from actions.handover.office import IS_OPEN, IS_WAITING, Office, held_by
from actions.handover.records import CLOSED, OPEN, Case, Entry, Figures
from city.messages import Reply

TEXT_CHARS = 4000


class Desk:
    """What operators do; every method is synchronous and safe from any thread."""

    def __init__(self, office: Office) -> None:
        self.office = office

    # Presence

    def seen(self, operator: str, away: bool | None = None) -> None:
        """Note a sign of life; `away` changes whether new conversations are expected of the operator."""
        self.office.store.seen(operator, self.office.now(), away)
        if away is not None:
            self.office.changed()

    # Reading

    def queue(self, operator: str | None = None) -> list[Case]:
        """Return who waits, for an operator only those of their teams."""
        found = self.office.store.queue()
        return [case for case in found if operator is None or self.office.serves(operator, case.team)]

    def mine(self, operator: str) -> list[Case]:
        """Return the conversations an operator holds."""
        return self.office.store.held_by(operator)

    def lines(self, case_id: int, after: int = 0) -> list[Entry]:
        """Return a conversation's lines after one."""
        return self.office.store.lines(case_id, after)

    def canned(self, operator: str, language: str) -> list[tuple[str, str, str]]:
        """Return the replies ready to be sent: id, title, text."""
        city = self.office.city[1 if language == "en" else 0]
        return [
            (
                item.id,
                item.title.get(language),
                item.text.get(language).replace("{operator}", operator).replace("{city}", city),
            )
            for item in self.office.canned
        ]

    # Acting

    def claim(self, case_id: int, operator: str) -> Case:
        """Take a waiting conversation; of two operators at once one gets it.

        Raises:
            TakenError: another was faster. OverError: the citizen has left.
            FullError: the operator holds as many as one may.
        """
        office = self.office
        if len(self.mine(operator)) >= office.section.most_per_operator:
            raise FullError(office.section.most_per_operator)
        before = office.store.get(case_id)
        now = office.now()
        office.store.seen(operator, now)
        values = {"state": OPEN, "operator": operator, "opened_at": before.opened_at or now}
        if not office.store.move(case_id, IS_WAITING, values, office.event("claimed", operator)):
            case = office.store.get(case_id)
            if case.state == OPEN and case.operator == operator:
                return case
            if case.state == OPEN and case.operator:
                raise TakenError(case.operator)
            raise OverError
        reply = wording.handoff(
            before.language,
            f"工作人员 {operator} 已接入，请直接输入，我先不打扰。",
            f"{operator} has joined and will answer you from here; I will keep quiet.",
            [wording.button(wording.END, before.language)],
        )
        office.say(case_id, reply)
        office.changed()
        return office.store.get(case_id)

    def claim_next(self, operator: str) -> Case | None:
        """Take the next waiting conversation of the operator's teams; `None` when nobody waits."""
        for case in self.queue(operator):
            try:
                return self.claim(case.id, operator)
            except (TakenError, OverError):
                continue
        return None

    def reply(self, case_id: int, operator: str, text: str, key: str | None = None) -> int:
        """Write to the citizen; return the line's number.

        Args:
            key: names this press of the button: the same again sends nothing twice.

        Raises:
            NotYoursError, OverError: the operator does not hold the conversation.
            TextError: the text is empty or too long.
        """
        text = _checked(text)
        line = {
            "at": self.office.now(),
            "kind": "operator",
            "author": operator,
            "text": text,
            "message_id": key,
            "replies": [Reply(text, "handoff").to_dict()],
            "sent": False,
        }
        touch = {"last_operator_at": self.office.now()}
        done = self.office.store.add(case_id, line, held_by(operator), touch)
        if done is None:
            raise self._refusal(case_id, operator)
        self.office.changed()
        return done

    def note(self, case_id: int, operator: str, text: str) -> int:
        """Write something that only operators see; also to conversations of others and after the end."""
        self.office.store.get(case_id)
        line = {
            "at": self.office.now(),
            "kind": "note",
            "author": operator,
            "text": _checked(text),
            "sent": True,
        }
        done = self.office.store.add(case_id, line)
        self.office.changed()
        return int(done or 0)

    def transfer(self, case_id: int, operator: str, to: str) -> Case:
        """Hand a conversation to a colleague who is present (`operator:NAME`) or to a team's queue (`team:ID`).

        Raises:
            NotYoursError, OverError, AbsentError, UnknownTeamError.
        """
        office = self.office
        kind, _, name = to.partition(":")
        case = office.store.get(case_id)
        if kind == "operator":
            there = {found.name for found in office.operators()}
            if name not in there or name == operator:
                raise AbsentError(name)
            event = office.event(f"transferred operator:{name}", operator)
            moved = office.store.move(case_id, held_by(operator), {"operator": name}, event)
        else:
            if office.team(name) is None:
                raise UnknownTeamError(name)
            moved = office.back_to_queue(case, held_by(operator), f"transferred team:{name}", operator, name)
        if not moved:
            raise self._refusal(case_id, operator)
        zh, en = (
            "正在为您转接给更合适的同事，请稍候。",
            "I am passing you on to a colleague who can help; one moment.",
        )
        office.say(case_id, wording.handoff(case.language, zh, en))
        office.changed()
        return office.store.get(case_id)

    def give_back(self, case_id: int, operator: str) -> Case:
        """Return a conversation to the bot."""
        case = self._leave(case_id, operator, "returned", "")
        said = (
            "Our assistant answers again from here."
            if case.language == "en"
            else "接下来由智能助手继续为您服务。"
        )
        self.office.say(case_id, wording.rating_reply(case.language, said))
        self.office.changed()
        return case

    def close(self, case_id: int, operator: str, reason: str) -> Case:
        """End a conversation with a reason of the settings.

        Raises:
            HandoverError: an unknown reason. NotYoursError, OverError.
        """
        known = [item.id for item in self.office.section.close_reasons]
        if reason not in known:
            raise HandoverError(
                f"请选择结束原因：{'、'.join(known)}。", f"Choose a reason: {', '.join(known)}."
            )
        case = self._leave(case_id, operator, "closed", reason)
        said = (
            f"The chat with {operator} has ended."
            if case.language == "en"
            else f"与工作人员 {operator} 的对话已结束。"
        )
        self.office.say(case_id, wording.rating_reply(case.language, said))
        self.office.changed()
        return case

    def _leave(self, case_id: int, operator: str, outcome: str, reason: str) -> Case:
        if not self.office.leave(case_id, held_by(operator), outcome, operator, reason):
            raise self._refusal(case_id, operator)
        return self.office.store.get(case_id)

    def _refusal(self, case_id: int, operator: str) -> HandoverError:
        case = self.office.store.get(case_id)
        if case.state == CLOSED:
            return OverError()
        return NotYoursError(case.operator if case.operator != operator else None)

    # Figures

    def figures(self, days: float = 1.0) -> Figures:
        """Return how the desk did in the last days."""
        found = self.office.store.since(self.office.now() - timedelta(days=days))
        queue = self.office.store.queue()
        pickups = [(case.opened_at - case.created_at).total_seconds() for case in found if case.opened_at]
        handled = [
            (case.closed_at - case.opened_at).total_seconds()
            for case in found
            if case.opened_at and case.closed_at
        ]
        stars = [case.rating for case in found if case.rating]
        return Figures(
            waiting=len(queue),
            open=len(self.office.store.find(IS_OPEN)),
            operators=len([op for op in self.office.operators() if not op.away]),
            asked=len(found),
            answered=len(pickups),
            unanswered=_count(found, "unanswered"),
            cancelled=_count(found, "cancelled"),
            pickup_s=_median(pickups),
            handling_s=_median(handled),
            rating=sum(stars) / len(stars) if stars else None,
            ratings=len(stars),
        )


def _checked(text: str) -> str:
    text = text.replace("\x00", "").strip()
    if not text:
        raise TextError("请先输入内容。", "Write something first.")
    if len(text) > TEXT_CHARS:
        raise TextError(
            f"内容超过 {TEXT_CHARS} 字，请分次发送。", f"More than {TEXT_CHARS} characters; send it in parts."
        )
    return text


def _count(found: list[Case], outcome: str) -> int:
    return sum(case.outcome == outcome for case in found)


def _median(values: list[float]) -> float | None:
    return median(values) if values else None
