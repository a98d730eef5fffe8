"""The entity type that every finder returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entity:
    """A named thing in a text.

    `text` is `[start, end)` of the citizen's own words in characters; `value` the name to work with (canonical
    where one is known); `confidence` between 0 and 1; `source` is "model", "gazetteer" or "rule";
    `canonical_id` the gazetteer's id or a rule's normal form.
    """

    entity: str
    value: str
    start: int
    end: int
    text: str
    confidence: float
    source: str
    canonical_id: str | None = None
