"""The citizen's side of the desk: asking for a person, waiting, writing, leaving, rating."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from actions.handover import wording
from actions.handover.office import DESK, IS_LIVE, IS_MESSAGE, IS_OPEN, IS_WAITING, Office
from actions.handover.records import MESSAGE, OPEN, WAITING, Case, Past, RequestFiler, Ticket
from actions.handover.rules import Rule
from actions.handover.summary import TURNS, sources_of, summarise
from city.messages import Reply

logger = logging.getLogger(__name__)

TELL_EVERY_S = 60.0
TEXT_CHARS = 20_000


class Reception:
    """Takes citizens in and out of the queue; every method is synchronous and safe from any thread.

    Args:
        office: the shared ground.
        past: tells what was said before; `None` leaves summaries empty.
        filer: files what nobody could take in; `None` leaves it on the desk's list of missed ones.
    """

    def __init__(self, office: Office, past: Past | None = None, filer: RequestFiler | None = None) -> None:
        self.office = office
        self.past = past
        self.filer = filer

    # Asking for a person

    def ask(
        self,
        conversation_id: str,
        channel: str,
        language: str,
        reason: str,
        detail: str = "",
        rule: Rule | None = None,
    ) -> Ticket:
        """Queue a conversation for a person.

        Args:
            reason: "asked", "misses" or "rule".
            detail: the rule's id.
            rule: names the team and whether it is urgent.
        """
        office, now = self.office, self.office.now()
        there = office.store.live(conversation_id)
        if there is not None and there.state != MESSAGE:
            return self._already(there)
        if not office.hours.is_open(now):
            return Ticket(Ticket.SHUT, opens_at=office.hours.next_opening(now))
        if (
            office.store.asked_since(conversation_id, now - timedelta(hours=1))
            >= office.section.asks_per_hour
        ):
            return Ticket(Ticket.TOO_OFTEN)
        if len(office.store.queue()) >= office.section.queue_limit:
            return Ticket(Ticket.FULL)
        if there is not None:
            office.leave(there.id, IS_MESSAGE, "cancelled", DESK)
        case, new = office.store.open(self.values(conversation_id, channel, language, reason, detail, rule))
        if not new:
            return self._already(case)
        position, wait_s = office.place(case)
        free = wait_s is not None and wait_s <= office.pace().pickup_s
        office.store.set(case.id, ahead=0 if free else position, told_at=now, told_position=position)
        office.store.add(case.id, office.event(f"queued {reason} {detail}".strip()))
        office.changed()
        return Ticket(Ticket.QUEUED, case, position, wait_s)

    def _already(self, case: Case) -> Ticket:
        if case.state == OPEN:
            return Ticket(Ticket.ALREADY, case, 0, 0.0)
        return Ticket(Ticket.ALREADY, case, *self.office.place(case))

    def values(
        self, conversation_id: str, channel: str, language: str, reason: str, detail: str, rule: Rule | None
    ) -> dict[str, Any]:
        """Return the columns of a conversation that comes to the desk now."""
        turns = list(self.past.turns(conversation_id, TURNS)) if self.past is not None else []
        summary, now = summarise(turns), self.office.now()
        return {
            "conversation_id": conversation_id,
            "live": conversation_id,
            "channel": channel,
            "language": language,
            "state": WAITING,
            "team": self._team(rule, sources_of(turns)),
            "reason": reason,
            "detail": detail[:64],
            "topic": summary["topic"],
            "summary": summary,
            "urgent": bool(rule and rule.urgent),
            "created_at": now,
            "queued_at": now,
            "waiting_since": now,
            "ahead": 0,
            "outcome": "",
            "close_reason": "",
            "request_number": "",
            "to_file": False,
            "told_position": 0,
        }

    def _team(self, rule: Rule | None, sources: list[str]) -> str:
        teams = self.office.section.teams
        if rule is not None and self.office.team(rule.team) is not None:
            return rule.team
        for source in sources:
            for team in teams:
                if source in team.topics:
                    return team.id
        return next((team.id for team in teams if not team.topics and not team.operators), "")

    def say_ticket(self, ticket: Ticket, language: str) -> Reply:
        """Return what the citizen is told of a ticket, and write it down at the desk."""
        section = self.office.section
        reply = wording.ticket_reply(ticket, self.office.contact, language, section.give_up_after_s)
        if ticket.kind == Ticket.QUEUED and ticket.case is not None:
            self.office.note_said(ticket.case.id, reply.text)
        return reply

    # Writing

    def hear(
        self,
        case: Case,
        message_id: str,
        text: str,
        language: str,
        *,
        danger: bool = False,
        photos: Sequence[str] = (),
    ) -> tuple[Reply, ...] | None:
        """Take in a citizen's message while the desk has the conversation.

        Returns:
            What is said at once, often nothing; `None` when the conversation has left the desk meanwhile.

        Args:
            message_id: the same message again is taken in once.
            danger: it tells of an emergency; the conversation then goes before the others.
            photos: ids of what came with it.
        """
        if case.state == MESSAGE:
            return self._take_message(case, text, language, photos)
        if not danger and case.state == WAITING and wording.wants_cancel(text):
            return self._cancel(case, language)
        if not danger and case.state == OPEN and wording.wants_end(text):
            return self._end(case, language)
        touch: dict[str, Any] = {"last_citizen_at": self.office.now(), **({"urgent": True} if danger else {})}
        if self.office.store.add(case.id, self._line(text, message_id, photos), IS_LIVE, touch) is None:
            return None
        if danger:
            self.office.store.add(case.id, self.office.event("danger"))
        self.office.changed()
        if case.state == OPEN or danger:
            return ()
        return self._place_again(case, language)

    def _line(self, text: str, message_id: str | None, photos: Sequence[str]) -> dict[str, Any]:
        return {
            "at": self.office.now(),
            "kind": "citizen",
            "author": "",
            "text": text[:TEXT_CHARS],
            "message_id": message_id,
            "sent": True,
            "photos": list(photos) or None,
        }

    def _place_again(self, case: Case, language: str) -> tuple[Reply, ...]:
        """Say the place in the queue again, but not to every message."""
        position, wait_s = self.office.place(case)
        now = self.office.now()
        recently = case.told_at is not None and (now - case.told_at).total_seconds() < TELL_EVERY_S
        if recently and position == case.told_position:
            return ()
        self.office.store.set(case.id, told_at=now, told_position=position)
        place = wording.place_text(position, wait_s, language)
        reply = wording.handoff(
            language,
            f"已记下，工作人员会看到。{place}",
            f"Noted; our staff will read it. {place}",
            [wording.button(wording.CANCEL, language)],
        )
        return (reply,)

    def _cancel(self, case: Case, language: str) -> tuple[Reply, ...]:
        if not self.office.leave(case.id, IS_WAITING, "cancelled", "citizen"):
            # An operator was faster; the wish is then for their eyes.
            return ()
        self.office.changed()
        zh, en = (
            "好的，已取消排队，我继续为您服务。请问您想了解什么？",
            "All right, you have left the queue. How can I help?",
        )
        return (wording.handoff(language, zh, en, [wording.button(wording.PERSON, language)]),)

    def _end(self, case: Case, language: str) -> tuple[Reply, ...]:
        if not self.office.leave(case.id, IS_OPEN, "citizen", "citizen"):
            return ()
        self.office.changed()
        said = "The chat with our staff has ended." if language == "en" else "人工服务已结束。"
        return (wording.rating_reply(language, said),)

    # Messages for later

    def begin_message(self, conversation_id: str, channel: str, language: str) -> Reply:
        """Let the citizen write a message for staff; the next text is it."""
        values = self.values(conversation_id, channel, language, "asked", "message", None)
        self.office.store.open({**values, "state": MESSAGE})
        return wording.handoff(
            language,
            "请写下您的情况，一条消息写完即可；需要回电请附上电话号码。不想留言请点“取消”。",
            "Write what it is about, in one message; add a telephone number if you would like a call back.",
            [wording.button({"zh": "取消", "en": "Cancel"}, language)],
        )

    def _take_message(self, case: Case, text: str, language: str, photos: Sequence[str]) -> tuple[Reply, ...]:
        office = self.office
        if wording.wants_cancel(text):
            office.leave(case.id, IS_MESSAGE, "cancelled", "citizen")
            return (wording.handoff(language, "好的，没有留言。", "All right, no message was left."),)
        office.store.add(case.id, self._line(text, None, photos))
        if not office.leave(case.id, IS_MESSAGE, "message", "citizen", to_file=True):
            return ()
        number = self.file(office.store.get(case.id), text)
        office.changed()
        if number:
            zh, en = f"已收到您的留言，编号 {number}，", f"Your message has been filed under {number}; "
        else:
            zh, en = "已收到您的留言，", "Your message is with our staff; "
        return (wording.handoff(language, zh + "工作人员会尽快处理。", en + "they will deal with it soon."),)

    def file(self, case: Case, text: str) -> str:
        """File a request for a conversation that nobody took up; return its number, "" while it cannot be filed."""
        if self.filer is None:
            return ""
        try:
            number = self.filer.file(case, text)
        except Exception:
            logger.exception("handover %d: no request could be filed yet", case.id)
            return ""
        self.office.store.set(case.id, request_number=number, to_file=False)
        return number

    # Rating

    def rate(self, conversation_id: str, stars: int, language: str) -> Reply | None:
        """Keep a rating of the last conversation with a person; `None` when there is none to rate."""
        since = self.office.now() - timedelta(hours=self.office.section.rate_within_h)
        case = self.office.store.last_closed(conversation_id, since)
        if case is None:
            return None
        self.office.store.set(case.id, rating=stars)
        self.office.changed()
        return wording.handoff(language, "谢谢您的评价。", "Thank you for your rating.")
