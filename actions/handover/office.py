"""What both sides of the desk share: the store, the clock, places in the queue, and what goes out to citizens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_

from actions.handover.hours import Hours
from actions.handover.records import CLOSED, MESSAGE, OPEN, WAITING, Case, Operator
from actions.handover.rules import Canned, Rules
from actions.handover.settings import HandoverSection, TeamSection
from actions.handover.store import HandoverStore
from actions.handover.tables import cases
from actions.handover.waiting import Pace, expected_wait_s, measured
from city.messages import Reply
from city.outbox import Outbox, OutboxNotConfiguredError, utc_now
from city.settings import ContactSection

logger = logging.getLogger(__name__)

DESK = "desk"
PACE_DAYS = 14


@dataclass
class Office:
    """The desk's shared ground.

    Args:
        store: the desk's memory.
        section: its settings.
        hours: when it is open.
        contact: where else people answer.
        outbox: returns the queue to citizens; raises `OutboxNotConfiguredError` where no gateway runs.
        rules: what calls a person.
        canned: replies ready to send.
        city: the city's name in both languages.
        now: the time in UTC without an offset.
    """

    store: HandoverStore
    section: HandoverSection
    hours: Hours
    contact: ContactSection
    outbox: Callable[[], Outbox]
    rules: Rules = field(default_factory=Rules)
    canned: Sequence[Canned] = ()
    city: tuple[str, str] = ("", "")
    now: Callable[[], datetime] = utc_now

    def __post_init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []
        # One flush at a time: what was written first reaches the outbox first.
        self._flushing = threading.Lock()
        self.closing = False

    # Who is told of changes

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change, in whatever thread made it."""
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Call `listener` no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def close(self) -> None:
        """Tell those who listen that there will be nothing more to hear."""
        self.closing = True
        for listener in tuple(self._listeners):
            listener()

    def changed(self) -> None:
        """Send out what is waiting and tell the listeners."""
        self.flush()
        for listener in tuple(self._listeners):
            listener()

    def flush(self) -> int:
        """Hand everything said to the outbox; return how many lines. Without an outbox they wait."""
        with self._flushing:
            waiting = self.store.unsent()
            if not waiting:
                return 0
            try:
                outbox = self.outbox()
            except OutboxNotConfiguredError:
                return 0
            for entry_id, conversation_id, replies in waiting:
                # The key makes a repetition after a crash between the two stores harmless.
                if conversation_id and replies:
                    sent = [Reply.from_dict(reply) for reply in replies]
                    outbox.put(conversation_id, sent, key=f"handover:{entry_id}")
            self.store.mark_sent([entry_id for entry_id, _, _ in waiting])
            return len(waiting)

    # Lines

    def event(self, text: str, author: str = DESK) -> dict[str, Any]:
        """Return the columns of an event line; `text` is a word for the console to translate, with arguments."""
        return {"at": self.now(), "kind": "event", "author": author, "text": text, "sent": True}

    def say(self, case_id: int, reply: Reply) -> None:
        """Say something to the citizen in the desk's own name."""
        self.store.add(
            case_id,
            {
                "at": self.now(),
                "kind": "system",
                "author": DESK,
                "text": reply.text,
                "replies": [reply.to_dict()],
                "sent": False,
            },
        )

    def note_said(self, case_id: int, text: str) -> None:
        """Write down what the citizen was answered on the spot."""
        line = {"at": self.now(), "kind": "system", "author": DESK, "text": text, "sent": True}
        self.store.add(case_id, line)

    # Leaving the desk

    def leave(
        self,
        case_id: int,
        condition: Any,
        outcome: str,
        author: str,
        close_reason: str = "",
        *,
        to_file: bool = False,
    ) -> bool:
        """End a stay if `condition` still holds; return whether it did."""
        values = {
            "state": CLOSED,
            "live": None,
            "closed_at": self.now(),
            "outcome": outcome,
            "close_reason": close_reason,
            "to_file": to_file,
        }
        word = f"{outcome} {close_reason}".strip()
        return self.store.move(case_id, condition, values, self.event(word, author))

    def back_to_queue(
        self, case: Case, condition: Any, event: str, author: str, team: str | None = None
    ) -> bool:
        """Put an open conversation back where it stood in the queue; return whether `condition` still held."""
        values = {
            "state": WAITING,
            "operator": None,
            "waiting_since": self.now(),
            "told_at": None,
            **({} if team is None else {"team": team}),
        }
        return self.store.move(case.id, condition, values, self.event(event, author))

    # Who is there

    def teams_of(self, operator: str) -> list[str]:
        """Return the teams an operator is named in; none means all."""
        return [team.id for team in self.section.teams if operator in team.operators]

    def team(self, team_id: str) -> TeamSection | None:
        """Return a team of the settings."""
        return next((team for team in self.section.teams if team.id == team_id), None)

    def serves(self, operator: str, team_id: str) -> bool:
        """Return whether an operator answers a team's conversations."""
        team = self.team(team_id)
        own = self.teams_of(operator)
        return team is None or not own or not team.operators or team_id in own

    def operators(self) -> list[Operator]:
        """Return who was seen lately."""
        since = self.now() - timedelta(seconds=self.section.presence_timeout_s)
        return [
            Operator(name, True, away, seen, held, self.teams_of(name))
            for name, away, seen, held in self.store.present(since)
        ]

    def pace(self) -> Pace:
        """Return how fast the desk worked lately."""
        pickups, handlings = self.store.paces(self.now() - timedelta(days=PACE_DAYS))
        return measured(pickups, handlings, Pace(self.section.pickup_s, self.section.handling_s))

    def place(self, case: Case) -> tuple[int, float | None]:
        """Return a waiting conversation's place in its team's queue, from 1, and the expected wait in seconds."""
        queue = [other for other in self.store.queue() if other.team == case.team]
        position = next((n for n, other in enumerate(queue, 1) if other.id == case.id), len(queue) + 1)
        there = [op for op in self.operators() if not op.away and self.serves(op.name, case.team)]
        places = len(there) * self.section.most_per_operator
        return position, expected_wait_s(position, places, sum(op.holds for op in there), self.pace())


# Conditions of `HandoverStore.move`.
IS_WAITING = cases.c.state == WAITING
IS_OPEN = cases.c.state == OPEN
IS_MESSAGE = cases.c.state == MESSAGE
IS_LIVE = cases.c.state != CLOSED
IS_CLOSED = cases.c.state == CLOSED


def held_by(operator: str) -> Any:
    """Return the condition that an operator holds the conversation."""
    return and_(cases.c.state == OPEN, cases.c.operator == operator)
