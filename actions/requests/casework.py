"""The staff's side of the requests: lists, the life cycle, assignment, notes, figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from actions.requests import lifecycle
from actions.requests.errors import FieldError
from actions.requests.records import Event, Filter, Photo, Request, Statistics
from actions.requests.register import Register, history_line
from actions.requests.statistics import count


@dataclass(frozen=True)
class Detail:
    """A request with its history and photos, as staff see it."""

    request: Request
    history: Sequence[Event]
    photos: Sequence[Photo]


class Casework(Register):
    """Deals with requests."""

    def list(self, wanted: Filter) -> tuple[list[Request], int]:
        """Return one page of requests, and how many there are in all."""
        return self.store.find(wanted, self.now())

    def detail(self, number: str) -> Detail:
        """Return a request with its history and photos; raises `UnknownRequestError`."""
        request = self.store.by_number(number)
        return Detail(request, self.store.history(request.id), self.store.photos(request_id=request.id))

    def change_state(
        self,
        number: str,
        state: str,
        actor: str,
        *,
        outcome: str | None = None,
        note: str = "",
        tell: bool = True,
    ) -> Request:
        """Move a request on and tell the citizen.

        Args:
            note: shown to the citizen with the news.
            tell: `False` keeps it quiet.

        Raises:
            UnknownRequestError: no such request.
            TransitionError: the life cycle knows no such step, or somebody else was faster.
        """
        request, now = self.store.by_number(number), self.now()
        lifecycle.check(request.state, state, outcome)
        values: dict[str, object] = {
            "state": state,
            "outcome": outcome if state == lifecycle.CLOSED else None,
        }
        if request.responded_at is None:
            values["responded_at"] = now
        if state in (lifecycle.VERIFYING, lifecycle.CLOSED):
            values["resolved_at"] = request.resolved_at or now
        elif state != lifecycle.CLOSED:
            values["resolved_at"] = None
        if state == lifecycle.CLOSED:
            values["closed_at"] = now
        if state in (lifecycle.ASSIGNED, lifecycle.WORKING):
            values["needs_review"] = False
        event = history_line(now, actor, "state", state, tell, note.strip()[:2000], told=not tell)
        changed = self.store.change(request.id, values, event, request.state)
        if changed is None:
            raise lifecycle.TransitionError(
                "工单刚被他人修改，请刷新后再试。",
                "Somebody else has just changed this request; look at it again.",
            )
        self.push()
        return changed

    def assign(
        self,
        number: str,
        actor: str,
        *,
        department: str | None = None,
        assignee: str | None = None,
        category: str | None = None,
    ) -> Request:
        """Give a request to a department, a person, or correct its category; a new one becomes `assigned`.

        Raises:
            UnknownRequestError, UnknownCategoryError, FieldError: what is named does not exist.
            TransitionError: it is closed.
        """
        request, now = self.store.by_number(number), self.now()
        if not request.is_open:
            raise lifecycle.TransitionError(
                "工单已办结，不能再派单。", "The request is closed; reopen it first."
            )
        values: dict[str, object] = {"needs_review": False}
        words = []
        if category is not None:
            found = self.catalogue.get(category)
            values.update(category=found.id, kind=found.kind, confidence=1.0)
            department = department or self.catalogue.department_for(found, request.district)
            words.append(found.id)
        if department is not None:
            if department not in self.catalogue.departments:
                known = "、".join(self.catalogue.departments)
                raise FieldError(
                    f"没有部门 {department}，可用：{known}。",
                    f"no department {department!r}; use one of {known}",
                )
            values["department"] = department
            words.append(department)
        if assignee is not None:
            values["assignee"] = assignee[:120]
            words.append(assignee)
        fresh = request.state == lifecycle.RECEIVED
        if fresh:
            values["state"] = lifecycle.ASSIGNED
            values["responded_at"] = request.responded_at or now
        kind, state = ("state", lifecycle.ASSIGNED) if fresh else ("assign", None)
        text = "" if fresh else " · ".join(words)
        event = history_line(now, actor, kind, state, fresh, text, told=not fresh)
        changed = self.store.change(request.id, values, event, request.state)
        if changed is None:
            raise lifecycle.TransitionError(
                "工单刚被他人修改，请刷新后再试。",
                "Somebody else has just changed this request; look at it again.",
            )
        self.push()
        return changed

    def note(self, number: str, actor: str, text: str, public: bool = False) -> Request:
        """Add a note; a public one is told to the citizen."""
        if not text.strip():
            raise FieldError("备注不能为空。", "The note is empty.", field="text")
        request = self.store.by_number(number)
        values: dict[str, object] = {}
        if public and request.responded_at is None:
            values["responded_at"] = self.now()
        event = history_line(self.now(), actor, "note", None, public, text.strip()[:2000], told=not public)
        changed = self.store.change(request.id, values, event)
        self.push()
        return changed or request

    def statistics(
        self, since: datetime | None = None, until: datetime | None = None, **only: str
    ) -> Statistics:
        """Return the rates of requests filed in [since, until), UTC; `only` narrows by a `Filter` field."""
        wanted = replace(Filter(since=since, until=until, limit=100_000), **only)  # type: ignore[arg-type]
        return count(self.list(wanted)[0], self.now())
