"""The filters of the list, from the address and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from urllib.parse import urlencode

from channels.traces.digest import DECISIONS
from channels.traces.reading import Wanted

MAX_CHARS = 200


def read_wanted(query: Mapping[str, str]) -> Wanted:
    """Return the conditions that an address names; what makes no sense sets none."""

    def word(name: str) -> str:
        return query.get(name, "").replace("\x00", "").strip()[:MAX_CHARS]

    decision, rating = word("decision"), word("rating")
    return Wanted(
        text=word("q"),
        channel=word("channel"),
        language=word("language"),
        decision=decision if decision in DECISIONS else "",
        intent=word("intent"),
        rating=rating if rating in ("up", "down") else "",
        first=read_day(query.get("from", "")),
        last=read_day(query.get("to", "")),
    )


def read_day(value: str) -> date | None:
    """Return the day of an ISO date, `None` when it is none."""
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        return None


def address_of(wanted: Wanted, path: str = "/conversations", **more: str) -> str:
    """Return the address of a list with these conditions."""
    pairs = {
        "q": wanted.text,
        "channel": wanted.channel,
        "language": wanted.language,
        "decision": wanted.decision,
        "intent": wanted.intent,
        "rating": wanted.rating,
        "from": wanted.first.isoformat() if wanted.first else "",
        "to": wanted.last.isoformat() if wanted.last else "",
        **more,
    }
    query = urlencode({name: value for name, value in pairs.items() if value})
    return f"{path}?{query}" if query else path
