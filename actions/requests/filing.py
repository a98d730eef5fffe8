"""Filing a request: checks, limits, routing to a department, number and deadlines; duplicates nearby."""

from __future__ import annotations

from datetime import datetime, timedelta

from actions.requests import lifecycle
from actions.requests.catalogue import Category
from actions.requests.errors import FieldError, FloodError
from actions.requests.numbers import hash_code, new_code, new_number
from actions.requests.records import Filed, Nearby, NewRequest
from actions.requests.register import CITIZEN, Register, history_line
from actions.requests.urgency import danger_of, urgency_of

MAX_DESCRIPTION = 4000


class Filing(Register):
    """Takes requests in."""

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
            first = history_line(now, CITIZEN, "state", lifecycle.RECEIVED, True, "", told=True)
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
