"""Everything that can be done with requests, by citizens and by staff."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from actions.requests import lifecycle
from actions.requests.catalogue import Catalogue, Category
from actions.requests.errors import FieldError, FloodError, UnknownRequestError
from actions.requests.news import Put, news_reply
from actions.requests.numbers import code_fits, hash_code, new_code, new_number
from actions.requests.photos import PhotoBox
from actions.requests.places import PlaceFinder
from actions.requests.records import Event, Filed, Filter, Nearby, NewRequest, Photo, Request, Statistics
from actions.requests.routing import Route, Router
from actions.requests.settings import RequestsSection
from actions.requests.statistics import count
from actions.requests.store import RequestStore, utc_now
from actions.requests.urgency import danger_of, urgency_of

logger = logging.getLogger(__name__)

MAX_DESCRIPTION = 4000
CITIZEN = "citizen"


@dataclass(frozen=True)
class Detail:
    """A request with its history and photos, as staff see it."""

    request: Request
    history: Sequence[Event]
    photos: Sequence[Photo]


class RequestService:
    """The city's service requests.

    Args:
        section: the settings.
        catalogue: the categories.
        store: the database.
        places: finds places in texts.
        router: finds the category of a text.
        photos: the stored photos.
        zone: the city's time zone.
        now: the clock, UTC without an offset; for tests.
    """

    def __init__(
        self,
        section: RequestsSection,
        catalogue: Catalogue,
        store: RequestStore,
        places: PlaceFinder,
        router: Router,
        photos: PhotoBox,
        zone: ZoneInfo,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.section, self.catalogue, self.store = section, catalogue, store
        self.places, self.router, self.photos = places, router, photos
        self.zone, self.now = zone, now
        # Puts news where it is delivered from; set by the process that serves conversations.
        self.put: Put | None = None
        # Told of every newly filed request, so that it is also filed at a remote server.
        self.on_filed: list[Callable[[Request], None]] = []
        self._pushing = threading.Lock()

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    # -- citizens ---------------------------------------------------------------------------------------------

    def route(self, text: str, kind: str, language: str = "zh") -> Route:
        """Return the likeliest category of a text; names of places in it do not mislead."""
        bare = text
        for found in reversed(self.places.find(text, language)):
            bare = bare[: found.start] + " " + bare[found.end :]
        return self.router.route(bare if bare.strip() else text, kind)

    def check_flood(self, conversation_id: str | None) -> None:
        """Raise `FloodError` when a conversation, or everybody together, has filed too much lately."""
        flood, now = self.section.flood, self.now()
        if self.store.filed_since(now - timedelta(minutes=1)) >= flood.all_reports_per_minute:
            raise FloodError(
                "目前上报的人太多，请几分钟后再提交，您填写的内容会保留。",
                "Very many reports are coming in; submit again in a few minutes, nothing you wrote is lost.",
            )
        if conversation_id is None:
            return
        for hours, limit in ((1, flood.reports_per_hour), (24, flood.reports_per_day)):
            if self.store.filed_since(now - timedelta(hours=hours), conversation_id) >= limit:
                raise FloodError(
                    f"您在 {hours} 小时内已提交 {limit} 件，请稍后再报；急事请拨打市民热线。",
                    f"You have filed {limit} requests within {hours} h; wait before the next one, or call the hotline "
                    "if it is urgent.",
                )

    def file(self, new: NewRequest) -> Filed:
        """File a request and give it a number and deadlines; the same key files once.

        Raises:
            UnknownCategoryError, FieldError: a field cannot be used.
            FloodError: too many reports.
        """
        known = self.store.by_key(new.key)
        if known is not None:
            return Filed(known, "", again=True)
        category = self.catalogue.get(new.category)
        description = new.description.strip()[:MAX_DESCRIPTION]
        if not description:
            raise FieldError("请写明要反映的情况。", "The description is missing.", field="description")
        if category.place == "required" and new.place is None:
            raise FieldError("请说明地点。", "The place is missing.", field="place")
        if new.source == "dialogue":
            self.check_flood(new.conversation_id)
        now = self.now()
        while True:
            number = new_number(self.section.prefix, now.year)
            code = new_code()
            values = self._values(new, category, description, now)
            values.update(number=number, code_hash=hash_code(number, code))
            first = _event(now, CITIZEN, "state", lifecycle.RECEIVED, True, "", told=True)
            filed = self.store.add(values, first, list(new.photos)[: self.section.photos.per_request])
            if filed is not None:
                break
        if filed.number != number:
            return Filed(filed, "", again=True)
        for listener in self.on_filed:
            listener(filed)
        return Filed(filed, code)

    def _values(
        self, new: NewRequest, category: Category, description: str, now: datetime
    ) -> dict[str, object]:
        sure = new.confidence >= self.section.sure_route and not category.id.startswith("other_")
        place = new.place
        district = place.district if place else None
        department = self.catalogue.department_for(category, district) if sure else self.catalogue.triage
        urgency = self.catalogue.urgencies[urgency_of(description, category)]
        respond_due, resolve_due = lifecycle.deadlines(urgency, now)
        return {
            "filing_key": new.key[:200],
            "kind": category.kind,
            "category": category.id,
            "department": department,
            "confidence": round(new.confidence, 4),
            "needs_review": not sure,
            "urgency": urgency.id,
            "danger": danger_of(description),
            "state": lifecycle.RECEIVED,
            "outcome": None,
            "description": description,
            "address": place.text if place else "",
            "lat": place.lat if place else None,
            "lon": place.lon if place else None,
            "district": district,
            "contact": new.contact[:200],
            "language": new.language,
            "channel": new.channel,
            "source": new.source,
            "conversation_id": new.conversation_id,
            "assignee": "",
            "created_at": now,
            "updated_at": now,
            "respond_due": respond_due,
            "resolve_due": resolve_due,
            "reopened": 0,
            "rating_comment": "",
            "attributes": dict(new.attributes),
        }

    def nearby(self, category: str, lat: float, lon: float) -> list[Nearby]:
        """Return open requests that are probably the same thing, nearest first."""
        radius = self.catalogue.get(category).radius_m
        if not radius:
            return []
        since = self.now() - timedelta(days=self.section.duplicate_days)
        return self.store.nearby(category, lat, lon, radius, since)

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
        event = _event(now, CITIZEN, "detail", None, False, text.strip()[:MAX_DESCRIPTION], told=True)
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
        event = _event(
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
        event = _event(now, CITIZEN, "state", lifecycle.RECEIVED, True, reason.strip()[:1000], told=True)
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

    # -- staff ------------------------------------------------------------------------------------------------

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
        event = _event(now, actor, "state", state, tell, note.strip()[:2000], told=not tell)
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
        event = _event(now, actor, kind, state, fresh, text, told=not fresh)
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
        event = _event(self.now(), actor, "note", None, public, text.strip()[:2000], told=not public)
        changed = self.store.change(request.id, values, event)
        self.push()
        return changed or request

    def statistics(
        self, since: datetime | None = None, until: datetime | None = None, **only: str
    ) -> Statistics:
        """Return the rates of requests filed in [since, until), UTC; `only` narrows by a `Filter` field."""
        wanted = replace(Filter(since=since, until=until, limit=100_000), **only)  # type: ignore[arg-type]
        return count(self.list(wanted)[0], self.now())

    # -- news -------------------------------------------------------------------------------------------------

    def push(self) -> int:
        """Hand public news that was not told yet to the outbox; return how many messages.

        Without an outbox (a command of the shell) the news waits for the server.
        """
        if self.put is None:
            return 0
        told = 0
        with self._pushing:
            for event, request, readers in self.store.untold():
                try:
                    for conversation_id, language in readers:
                        reply = news_reply(event, request, self.catalogue, language)
                        told += self.put(
                            conversation_id, [reply], f"request-event-{event.id}-{conversation_id}"
                        )
                except Exception:
                    logger.exception("news of request %s waits for the next attempt", request.number)
                    break
                self.store.mark_told([event.id])
        return told


def _event(
    at: datetime, actor: str, kind: str, state: str | None, public: bool, text: str, told: bool
) -> dict[str, object]:
    return {
        "at": at,
        "actor": actor[:120],
        "kind": kind,
        "state": state,
        "public": public,
        "text": text,
        "told": told,
    }
