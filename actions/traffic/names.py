"""Finds streets, intersections, places and districts in what people write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from actions.traffic.catalogue import Intersection, Place, Street, distance_m

DISTRICTS: Mapping[str, tuple[str, ...]] = {
    "zhongxin": ("中心区", "zhongxin"),
    "binhe": ("滨河区", "binhe district"),
    "dongcheng": ("东城区", "dongcheng"),
    "xishan": ("西山区", "xishan district"),
    "gaoxin": ("高新区", "gaoxin", "high-tech district"),
    "lingang": ("临港区", "lingang", "port district"),
}
T = TypeVar("T")


def find(text: str, named: Iterable[tuple[T, Sequence[str]]]) -> list[T]:
    """Return what is named in a text, in order, longer names first where they overlap.

    Latin names match whole words, whatever their case; Chinese names match anywhere.
    """
    low = " ".join(text.lower().replace("’", "'").split())
    hits: list[tuple[int, int, T]] = []
    for item, names in named:
        for name in names:
            word = name.lower().replace("’", "'")
            if not word:
                continue
            pattern = rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])" if word.isascii() else re.escape(word)
            hits += [(m.start(), m.end(), item) for m in re.finditer(pattern, low)]
    hits.sort(key=lambda h: (h[0] - h[1], h[0]))
    taken: list[tuple[int, int, T]] = []
    for start, end, item in hits:
        if not any(start < e and s < end for s, e, _ in taken):
            taken.append((start, end, item))
    found: list[T] = []
    for _, _, item in sorted(taken, key=lambda h: h[0]):
        if item not in found:
            found.append(item)
    return found


def find_streets(text: str, streets: Mapping[str, Street]) -> list[Street]:
    """Return the streets named in a text."""
    ids = find(text, [(s.id, (*s.names.values(), *s.aliases)) for s in streets.values()])
    return [streets[i] for i in ids]


def find_places(text: str, places: Sequence[Place], streets: Mapping[str, Street]) -> list[Place]:
    """Return the places named in a text; streets are no places, and hide the words inside their names."""
    roads = {name for s in streets.values() for name in s.names.values()}
    named: list[tuple[int, Sequence[str]]] = [
        (i, (*p.names.values(), *p.aliases)) for i, p in enumerate(places) if p.names["zh"] not in roads
    ]
    named += [(-1, (*s.names.values(), *s.aliases)) for s in streets.values()]
    return [places[i] for i in find(text, named) if i >= 0]


def find_district(text: str) -> str | None:
    """Return the id of the district named in a text."""
    found = find(text, list(DISTRICTS.items()))
    return found[0] if found else None


def find_intersections(
    text: str, intersections: Mapping[str, Intersection], streets: Mapping[str, Street]
) -> list[Intersection]:
    """Return the intersections that a text can mean: by own name, else those of all the streets it names."""
    own = find(text, [(i.id, tuple(i.names.values())) for i in intersections.values()])
    if own:
        return [intersections[i] for i in own]
    named = {s.id for s in find_streets(text, streets)}
    if not named:
        return []
    full = [i for i in intersections.values() if len(named) > 1 and set(i.streets) <= named]
    return full or ([i for i in intersections.values() if named & set(i.streets)] if len(named) == 1 else [])


def nearest(
    lat: float, lon: float, items: Iterable[T], limit: int, within_m: float = 1500.0
) -> list[tuple[T, float]]:
    """Return the items with `lat` and `lon` nearest to a point, with their distance in m."""
    ranked = sorted(((i, distance_m(lat, lon, i.lat, i.lon)) for i in items), key=lambda pair: pair[1])  # type: ignore[attr-defined]
    near = [pair for pair in ranked if pair[1] <= within_m]
    return (near or ranked[:1])[:limit]
