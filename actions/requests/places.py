"""Where something is: names of the gazetteer, crossings, house numbers and positions in what people write."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from actions.requests.cues import is_negated
from actions.requests.errors import PlacesFileError
from actions.requests.records import Place
from actions.requests.store import distance_m
from nlp.entities.folding import has_han
from nlp.entities.gazetteer import Entry, Gazetteer, Match
from nlp.joint_text import prepare

_KINDS = ("intersection", "street", "place", "stop", "building", "district")
_COORDINATES = re.compile(r"(?<![\d.])(-?\d{1,2}\.\d{3,})\s*°?\s*[,，;\s]\s*(-?\d{1,3}\.\d{3,})(?![\d.])")
_JOIN = re.compile(r"\s*(?:口?\s*(?:和|与|跟|及|、|/|-)?|and|&|at|/|near the corner of)\s*(?:the\s)?")
_AFTER = re.compile(
    r"(?:\s*\d{1,5}\s*(?:号[院楼]?|弄|巷|[栋幢座]))?(?:\s*\d{1,2}\s*单元)?(?:\s*\d{2,4}\s*室)?(?:\s*(?:交叉口|交汇处|十字路口|路口))?(?:的)?(?:附近|门口|门前|对面|旁边|[东西南北]侧|[东西南北]门|[东西南北]口|桥下|下面的桥洞)?"
)
_NUMBER_BEFORE = re.compile(r"(?:no\.?\s*)?\d{1,5}[a-z]?,?\s+$", re.IGNORECASE)
# A house number behind an English street name ends there: "Renmin Road 15", not "Renmin Road 3 days ago".
_NUMBER_AFTER = re.compile(
    r",?\s+(?:no\.?\s*|number\s+|#\s*)?\d{1,5}[a-z]?(?=\s*(?:$|[,.;!?)]))", re.IGNORECASE
)
_STOP_SIGN = re.compile(r"站$")
_BESIDE = re.compile(
    r"\s*[,，]?\s*(?:\b(?P<en>near|by|beside|opposite|behind|next to|close to|in front of|outside)\b\s*(?:the\s)?"
    r"|(?:[上边侧段]|的)?(?:靠近|临近|挨着|近|在)?)\s*",
    re.IGNORECASE,
)
_HOUSE_NUMBER = re.compile(r"\d{1,5}[a-z]?(?=号)|(?<= )\d{1,5}[a-z]?$|^\d{1,5}[a-z]?(?= )", re.IGNORECASE)
NEAR_M = 1500.0
# A landmark this far outside the district that is named with it contradicts it.
_DISTRICTS = {"street": False, "place": True, "building": True, "stop": False, "intersection": False}


def with_house_number(place: Place, number: str) -> Place:
    """Return a place with another house number, or with one where it had none."""
    text, replaced = _HOUSE_NUMBER.subn(number, place.text, count=1)
    if not replaced:
        text = f"{text}{number}号" if has_han(text) else f"{text} {number}"
    return replace(place, text=text)


@dataclass(frozen=True)
class FoundPlace:
    """A place in a text at `[start, end)`; `conflict` names a district said with it that it does not lie in."""

    place: Place
    start: int
    end: int
    kind: str
    conflict: str | None = None


@dataclass(frozen=True)
class _Spot:
    lat: float
    lon: float
    district: str | None


class PlaceFinder:
    """Finds places in texts, and the nearest landmark to a position; read-only once made."""

    def __init__(
        self,
        entries: Sequence[Entry],
        spots: Mapping[str, _Spot],
        crossings: Mapping[frozenset[str], tuple[Entry, _Spot]],
    ) -> None:
        self._gazetteer = Gazetteer(e for e in entries if e.entity in _KINDS)
        self._spots = spots
        self._crossings = crossings
        self._districts = {e.id.removeprefix("district:"): e for e in entries if e.entity == "district"}
        self._landmarks = [(e, spots[e.zh]) for e in entries if e.zh in spots and e.entity != "street"]

    @classmethod
    def read(
        cls,
        gazetteer: Path,
        places: Path | None = None,
        streets: Path | None = None,
        intersections: Path | None = None,
    ) -> PlaceFinder:
        """Read the names, and the positions of places (CSV), streets (JSON) and crossings (GeoJSON).

        Raises:
            PlacesFileError: a file cannot be read; the message names it.
            GazetteerFileError: the gazetteer cannot be read.
        """
        entries = {e.zh + e.entity: e for e in Gazetteer.read(gazetteer).entries}
        spots: dict[str, _Spot] = {}
        street_names: dict[str, str] = {}
        crossings: dict[frozenset[str], tuple[Entry, _Spot]] = {}
        for row in _rows(places) if places else ():
            spots[row["name_zh"]] = _spot(row, places)
            aliases = tuple(a for a in str(row.get("aliases") or "").split("|") if a)
            entries.setdefault(
                row["name_zh"] + "place",
                Entry(f"place:{row['name_zh']}", "place", row["name_zh"], row["name_en"], aliases),
            )
        for row in _rows(streets) if streets else ():
            spots[row["name_zh"]] = _spot(row, streets)
            street_names[row["id"]] = row["name_zh"]
            entries.setdefault(
                row["name_zh"] + "street",
                Entry(f"street:{row['id']}", "street", row["name_zh"], row["name_en"], tuple(row["aliases"])),
            )
        for row in _rows(intersections) if intersections else ():
            entry = Entry(f"intersection:{row['id']}", "intersection", row["name_zh"], row["name_en"])
            spot = _spot(row, intersections)
            spots[entry.zh] = spot
            entries[entry.zh + "intersection"] = entry
            names = frozenset(street_names.get(i, i) for i in row["streets"])
            crossings[names] = (entry, spot)
        return cls(tuple(entries.values()), spots, crossings)

    def find(self, text: str, language: str) -> list[FoundPlace]:
        """Return the places named in a text, in order; names are given in `language` ("zh" or "en")."""
        found: list[FoundPlace] = []
        for match in _COORDINATES.finditer(text):
            point = self.at(float(match[1]), float(match[2]), language)
            if point is not None:
                found.append(FoundPlace(point, match.start(), match.end(), "point"))
        names = self._gazetteer.find(prepare(text))
        index = 0
        while index < len(names):
            crossing = self._crossing(text, names, index, language)
            if crossing is not None:
                found.append(crossing)
                index += 2
                continue
            place = self._named(text, names[index], language)
            if index + 1 < len(names) and (both := self._beside(text, place, names[index + 1], language)):
                place, index = both, index + 1
            found.append(place)
            index += 1
        return self._with_districts(sorted(found, key=lambda f: f.start), language)

    def at(self, lat: float, lon: float, language: str) -> Place | None:
        """Return a position as a place, called after the nearest landmark; `None` off the globe."""
        if not (-90 <= lat <= 90 and -180 <= lon <= 180):
            return None
        near = self.nearest(lat, lon)
        shown = f"{lat:.5f}, {lon:.5f}"
        if near is None:
            return Place(shown, lat, lon, None, "point")
        entry, spot, metres = near
        name = _name(entry, language)
        text = (
            f"{name}附近约 {metres:.0f} 米（{shown}）"
            if language == "zh"
            else f"about {metres:.0f} m from {name} ({shown})"
        )
        return Place(text, lat, lon, spot.district, "point")

    def nearest(self, lat: float, lon: float) -> tuple[Entry, _Spot, float] | None:
        """Return the nearest known landmark within 1.5 km with its distance in m."""
        ranked = ((distance_m(lat, lon, s.lat, s.lon), e, s) for e, s in self._landmarks)
        best = min(ranked, key=lambda r: r[0], default=None)
        return (best[1], best[2], best[0]) if best is not None and best[0] <= NEAR_M else None

    def district_name(self, district: str | None, language: str) -> str:
        """Return a district's name, empty for none."""
        entry = self._districts.get(district or "")
        return _name(entry, language) if entry else ""

    def _named(self, text: str, match: Match, language: str) -> FoundPlace:
        entry = next(e for kind in _KINDS if (e := match.of(kind)) is not None)
        start, end = match.start, match.end
        after = _AFTER.match(text, end)
        tail = after[0].strip().removesuffix("的") if after else ""
        before = _NUMBER_BEFORE.search(text, 0, start) if entry.entity == "street" else None
        spot = self._spots.get(entry.zh) or self._spots.get(_STOP_SIGN.sub("", entry.zh))
        name = _name(entry, language)
        called_stop = text[start:end].rstrip().lower().endswith(("站", "stop", "station"))
        if entry.entity == "stop" and language == "zh" and called_stop and not name.endswith("站"):
            name += "站"
        if entry.entity == "street" and not has_han(text[start:end]):
            number = None if before else _NUMBER_AFTER.match(text, end)
            if number:
                name, end = f"{name} {number[0].strip(' ,')}", number.end()
        if before:
            name, start = f"{before[0].strip()} {name}", before.start()
        if entry.entity == "district":
            place = Place(name, None, None, entry.id.removeprefix("district:"), "district")
            return FoundPlace(place, start, match.end, "district")
        end += len(after[0]) if after else 0
        precision = {"street": "street", "intersection": "crossing"}.get(entry.entity, "place")
        if spot is None:
            return FoundPlace(Place(name + tail, precision=precision), start, end, entry.entity)
        place = Place(name + tail, spot.lat, spot.lon, spot.district, precision)
        return FoundPlace(place, start, end, entry.entity)

    def _beside(self, text: str, street: FoundPlace, match: Match, language: str) -> FoundPlace | None:
        """Return a street with the landmark that stands beside it in the text as one place, at the landmark."""
        if street.kind != "street" or match.of("street") is not None or is_negated(text, street.start):
            return None
        between = _BESIDE.fullmatch(text, street.end, match.start)
        mark = self._named(text, match, language)
        if between is None or mark.kind in ("district", "intersection", "street"):
            return None
        if not between["en"] and not has_han(text[street.start : mark.end]):
            return None
        joined = f"{street.place.text}{mark.place.text}"
        if language == "en":
            joined = f"{street.place.text}, {(between['en'] or 'near').lower()} {mark.place.text}"
        place = mark.place if mark.place.located else street.place
        return FoundPlace(replace(place, text=joined), street.start, mark.end, mark.kind)

    def _crossing(self, text: str, names: Sequence[Match], index: int, language: str) -> FoundPlace | None:
        if index + 1 >= len(names):
            return None
        first, second = names[index], names[index + 1]
        a, b = first.of("street"), second.of("street")
        if a is None or b is None or not _JOIN.fullmatch(text, first.end, second.start):
            return None
        after = _AFTER.match(text, second.end)
        end = second.end + (len(after[0]) if after else 0)
        known = self._crossings.get(frozenset((a.zh, b.zh)))
        if known is not None:
            entry, spot = known
            place = Place(_name(entry, language), spot.lat, spot.lon, spot.district, "crossing")
        else:
            joined = f"{a.zh}与{b.zh}路口" if language == "zh" else f"{_name(a, 'en')} and {_name(b, 'en')}"
            spots = [s for s in (self._spots.get(a.zh), self._spots.get(b.zh)) if s is not None]
            district = spots[0].district if spots else None
            place = Place(joined, None, None, district, "crossing")
        return FoundPlace(place, first.start, end, "intersection")

    def _with_districts(self, found: list[FoundPlace], language: str) -> list[FoundPlace]:
        """Let a district that stands beside a place say where it is, or that it contradicts it."""
        districts = [f for f in found if f.kind == "district"]
        others = [f for f in found if f.kind != "district"]
        if not others or len(districts) != 1:
            return found
        named = districts[0].place.district
        result = []
        for item in others:
            own = item.place.district
            if own is None:
                item = replace(item, place=replace(item.place, district=named))
            elif own != named and _DISTRICTS.get(item.kind):
                item = replace(item, conflict=named)
            result.append(item)
        return result


def _name(entry: Entry, language: str) -> str:
    return (entry.en or entry.zh) if language == "en" else (entry.zh or entry.en)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix == ".csv":
            return list(csv.DictReader(text.splitlines()))
        data = json.loads(text)
        if isinstance(data, dict):
            return [
                {
                    **f["properties"],
                    "lon": f["geometry"]["coordinates"][0],
                    "lat": f["geometry"]["coordinates"][1],
                }
                for f in data["features"]
            ]
        return list(data)
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise PlacesFileError(
            f"{path}：无法读取（{error}），请检查文件。", f"{path}: cannot be read ({error}); check the file"
        ) from None


def _spot(row: Mapping[str, Any], path: Path | None) -> _Spot:
    try:
        return _Spot(float(row["lat"]), float(row["lon"]), row.get("district") or None)
    except (KeyError, TypeError, ValueError) as error:
        raise PlacesFileError(
            f"{path}：{row} 的坐标有误（{error}）。", f"{path}: the position of {row} is wrong ({error})"
        ) from None
