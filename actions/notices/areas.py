"""Which of the city's districts an alert is about."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from actions.notices.cap import CapArea, Point
from actions.notices.settings import DistrictSection

_KM_PER_DEGREE = 111.195


def districts_in(text: str, districts: Sequence[DistrictSection]) -> list[str]:
    """Return the districts that a text names, in either language."""
    folded = text.casefold()
    return [
        item.id
        for item in districts
        if any(name and name.casefold() in folded for name in (item.name.zh, item.name.en))
    ]


def concerned(
    areas: Sequence[CapArea], districts: Sequence[DistrictSection], city: Sequence[str]
) -> list[str] | None:
    """Return the districts that areas touch; an empty list means the whole city, `None` none of it.

    Args:
        areas: of all languages together.
        districts: of the city.
        city: the city's names.

    Names count first, then codes, then polygons and circles. What says nothing that we can place concerns everybody:
    a warning too many is better than one too few.
    """
    if not areas:
        return []
    found: set[str] = set()
    placed = False
    for area in areas:
        if any(name and name.casefold() in area.desc.casefold() for name in city) and not districts_in(
            area.desc, districts
        ):
            return []
        found.update(districts_in(area.desc, districts))
        found.update(item.id for item in districts if set(item.codes) & set(area.geocodes))
        shapes = bool(area.polygons or area.circles)
        placed = placed or shapes
        if shapes:
            found.update(item.id for item in districts if _touches(area, item))
    if found:
        return [item.id for item in districts if item.id in found]
    located = any(item.lat is not None for item in districts)
    return None if placed and located else []


def _touches(area: CapArea, district: DistrictSection) -> bool:
    if district.lat is None or district.lon is None:
        return False
    centre = (district.lat, district.lon)
    if any(inside(centre, ring) or _near(centre, ring, district.radius_km) for ring in area.polygons):
        return True
    return any(
        distance_km(centre, (lat, lon)) <= radius + district.radius_km for lat, lon, radius in area.circles
    )


def inside(point: Point, ring: Sequence[Point]) -> bool:
    """Return whether a point lies in a polygon (even-odd rule); all as (lat, lon) in degrees."""
    lat, lon = point
    hit = False
    for (lat_1, lon_1), (lat_2, lon_2) in itertools.pairwise(ring):
        if (lat_1 > lat) != (lat_2 > lat) and lon < (lon_2 - lon_1) * (lat - lat_1) / (lat_2 - lat_1) + lon_1:
            hit = not hit
    return hit


def _near(centre: Point, ring: Sequence[Point], radius_km: float) -> bool:
    """Return whether a polygon's edge comes within the radius of a point; flat near the point, good to a per mille."""
    scale = math.cos(math.radians(centre[0]))
    flat = [
        ((lon - centre[1]) * scale * _KM_PER_DEGREE, (lat - centre[0]) * _KM_PER_DEGREE) for lat, lon in ring
    ]
    return any(_to_segment_km(a, b) <= radius_km for a, b in itertools.pairwise(flat))


def _to_segment_km(a: Point, b: Point) -> float:
    """Return the distance of the origin from a segment."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = dx * dx + dy * dy
    along = 0.0 if not length else max(0.0, min(1.0, -(a[0] * dx + a[1] * dy) / length))
    return math.hypot(a[0] + along * dx, a[1] + along * dy)


def distance_km(a: Point, b: Point) -> float:
    """Return the great-circle distance of two points (haversine)."""
    lat_1, lon_1, lat_2, lon_2 = map(math.radians, (*a, *b))
    part = math.sin((lat_2 - lat_1) / 2) ** 2
    part += math.cos(lat_1) * math.cos(lat_2) * math.sin((lon_2 - lon_1) / 2) ** 2
    return 2 * 6371.0088 * math.asin(min(1.0, math.sqrt(part)))
