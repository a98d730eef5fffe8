"""Everything that can be done with requests, by citizens and by staff."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from actions.requests import lifecycle
from actions.requests.casework import Casework, Detail
from actions.requests.errors import FieldError, FloodError, UnknownRequestError
from actions.requests.filing import MAX_DESCRIPTION, Filing
from actions.requests.numbers import code_fits
from actions.requests.records import Request
from actions.requests.register import CITIZEN, history_line

__all__ = ["CITIZEN", "MAX_DESCRIPTION", "Detail", "RequestService"]


class RequestService(Filing, Casework):
    """The city's service requests, with what citizens do with theirs after filing."""

    def follow(self, number: str, conversation_id: str, language: str) -> Request:
        """Let a conversation follow somebody's request; it is told the public news."""
        request = self.store.by_number(number)
        if request.conversation_id != conversation_id:
            self.store.follow(request.id, conversation_id, language, self.now())
        return request

    def mine(self, conversation_id: str) -> list[Request]:
        """Return what a conversation filed or follows, newest first."""
        return self.store.of_conversation(conversation_id)

    def open_for(self, number: str, conversation_id: str, code: str | None) -> Request:
        """Return a request to whoever may see it: its own conversation, or one that knows its code.

        With the right code the conversation follows it from then on.

        Raises:
            UnknownRequestError: no such request, not theirs, or a wrong code: all the same to the caller.
            FloodError: too many wrong ones.
        """
        mine = next((r for r in self.mine(conversation_id) if r.number == number), None)
        if mine is not None:
            return mine
        now, limit = self.now(), self.section.flood.wrong_numbers_per_hour
        if self.store.misses_since(now - timedelta(hours=1), conversation_id) >= limit:
            raise FloodError(
                "查询错误次数过多，请一小时后再试。", "Too many wrong numbers or codes; try again in an hour."
            )
        kept = self.store.code_hash(number)
        # The same work is done for a number that does not exist: the time taken tells nothing.
        fits = code_fits(number, code or "", kept or "0" * 64)
        if kept is None or not code or not fits:
            if code:
                self.store.note_miss(conversation_id, now)
            raise UnknownRequestError(number)
        request = self.store.by_number(number)
        self.store.follow(request.id, conversation_id, request.language, now)
        return request

    def add_detail(
        self, request: Request, text: str, conversation_id: str, photos: Sequence[str] = ()
    ) -> Request:
        """Add what a citizen says later; a closed request takes none.

        Raises:
            TransitionError: it is closed.
            FloodError: too many details.
        """
        if not request.is_open:
            raise lifecycle.TransitionError(
                "工单已办结，如未解决可重新办理。", "The request is closed; reopen it if it is not solved."
            )
        now = self.now()
        if (
            self.store.details_since(now - timedelta(hours=1), request.id)
            >= self.section.flood.details_per_hour
        ):
            raise FloodError("补充过于频繁，请稍后再试。", "Too many additions; wait a while.")
        event = history_line(now, CITIZEN, "detail", None, False, text.strip()[:MAX_DESCRIPTION], told=True)
        changed = self.store.change(request.id, {}, event)
        room = self.section.photos.per_request - len(self.store.photos(request_id=request.id))
        self.store.attach(request.id, conversation_id, list(photos)[: max(0, room)])
        return changed or request

    def rate(self, request: Request, stars: int, solved: bool | None, comment: str) -> Request:
        """Keep a citizen's rating of a closed request, the latest one only.

        Raises:
            TransitionError: it is not closed yet.
            FieldError: the rating is not 1 to 5.
        """
        if request.is_open:
            raise lifecycle.TransitionError(
                "工单办结后才能评价。", "A request can be rated once it is closed."
            )
        if not 1 <= stars <= 5:
            raise FieldError("评分请用 1 到 5。", "Rate it from 1 to 5.", field="rating")
        values = {"rating": stars, "solved": solved, "rating_comment": comment[:1000]}
        event = history_line(
            self.now(), CITIZEN, "rating", None, False, f"{stars}/5 {comment}".strip()[:1000], told=True
        )
        return self.store.change(request.id, values, event) or request

    def reopen(self, request: Request, reason: str) -> Request:
        """Begin a closed request anew, with new deadlines.

        Raises:
            TransitionError: it is open, or was closed too long ago.
        """
        now = self.now()
        if request.is_open:
            raise lifecycle.TransitionError("工单还在办理中，无需重新办理。", "The request is still open.")
        limit = timedelta(days=self.section.reopen_days)
        if request.closed_at is not None and now - request.closed_at > limit:
            raise lifecycle.TransitionError(
                f"办结已超过 {self.section.reopen_days} 天，请重新上报。",
                f"It was closed more than {self.section.reopen_days} days ago; file a new request.",
            )
        urgency = self.catalogue.urgencies[request.urgency]
        respond_due, resolve_due = lifecycle.deadlines(urgency, now)
        values = {
            "state": lifecycle.RECEIVED,
            "outcome": None,
            "responded_at": None,
            "resolved_at": None,
            "closed_at": None,
            "respond_due": respond_due,
            "resolve_due": resolve_due,
            "reopened": request.reopened + 1,
            "solved": False,
        }
        event = history_line(
            now, CITIZEN, "state", lifecycle.RECEIVED, True, reason.strip()[:1000], told=True
        )
        return self.store.change(request.id, values, event, lifecycle.CLOSED) or self.store.by_number(
            request.number
        )

    def withdraw(self, request: Request) -> Request:
        """Close a citizen's own request as withdrawn; raises `TransitionError` when it is closed already."""
        return self.change_state(request.number, lifecycle.CLOSED, CITIZEN, outcome="withdrawn", tell=False)

    def forget(self, conversation_id: str) -> None:
        """Delete a conversation's unfiled photos and cut its ties; what it filed stays as the city's record."""
        self.photos.forget(conversation_id)
        self.store.forget(conversation_id)
