"""Finds stops and landmarks by name (Chinese, English, pinyin, traditional, misspelt) and by distance."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz, process

from actions.transit.model import Feed
from actions.transit.places import Place, distance_m
from actions.transit.text import Found, Names, fold, has_cjk, key, pinyin

MERGE_M = 400.0
_SUFFIX_ZH = re.compile("(?:地铁站|公交站|公交车站|车站|站)$")
_SUFFIX_EN = re.compile(r"\s+(?:bus stop|metro station|station|stop)$", re.I)
_BARE = {"火车", "汽车", "长途", "长途汽车", "高铁", "地铁", "公交", "客运", "轻轨", "总", "终点", "起点"}
_BARE_EN = {"railway", "train", "bus", "coach", "metro", "central", "the", "next", "last", "first"}
_WORDS = (("centre", "center"), ("road", "rd"), ("street", "st"), ("avenue", "ave"), ("square", "sq"))
_BRACKETS = re.compile(r"\s*[((\[【].*?[))\]】]\s*$")


@dataclass(frozen=True)
class Target:
    """A stop group ("stop") or a landmark ("place") by its number."""

    kind: str
    index: int


@dataclass(frozen=True)
class Group:
    """What a citizen calls one stop: the platforms of a station, or poles of one name close together."""

    index: int
    members: tuple[int, ...]
    key: str
    names: dict[str, str]
    codes: tuple[str, ...]
    lat: float
    lon: float

    def name(self, language: str) -> str:
        """Return the name in `language`."""
        return self.names.get(language) or next(iter(self.names.values()))

    @property
    def placed(self) -> bool:
        """Whether the position is known."""
        return not math.isnan(self.lat)


@dataclass(frozen=True)
class Match:
    """A possible meaning of a name, with a score of 0 to 100."""

    target: Target
    score: float


class StopIndex:
    """All stop groups and landmarks of a city."""

    def __init__(self, feed: Feed, places: Sequence[Place], languages: Sequence[str]) -> None:
        self.feed = feed
        self.places = list(places)
        self.groups = _groups(feed, languages)
        self._by_key = {g.key: g for g in self.groups}
        self.routes_at = _routes_at(feed, self.groups)
        self._codes: dict[str, int] = {}
        self._names: Names[Target] = Names()
        for group in self.groups:
            for name in dict.fromkeys(group.names.values()):
                self._add(name, Target("stop", group.index))
            for code in (*group.codes, *(feed.stops[m].stop_id for m in group.members), group.key):
                self._codes.setdefault(fold(code), group.index)
        for number, place in enumerate(self.places):
            for name in dict.fromkeys(n for n in (place.zh, place.en, *place.aliases) if n):
                self._add(name, Target("place", number))
        self._forms = [f for f, _ in self._names.forms()]
        self._targets = dict(self._names.forms())
        self._sounds = [pinyin(f) for f in self._forms]
        placed = [(g.index, m) for g in self.groups for m in g.members if not math.isnan(feed.stops[m].lat)]
        self._placed_group = np.array([g for g, _ in placed], dtype=np.int64)
        self._lat = np.radians([feed.stops[m].lat for _, m in placed])
        self._lon = np.radians([feed.stops[m].lon for _, m in placed])

    def _add(self, name: str, target: Target) -> None:
        self._names.add(name, target)
        folded = fold(name)
        for rank, form in _other_forms(folded):
            self._names.add(form, target, rank)
        if has_cjk(folded) and len(key(folded)) >= 3:
            sound = pinyin(folded)
            if len(sound) >= 6:
                self._names.add(sound, target, 3)

    def group(self, stop_key: str) -> Group | None:
        """Return the group of a key kept from an earlier turn."""
        return self._by_key.get(stop_key)

    def by_code(self, code: str) -> Group | None:
        """Return the group that has this stop_code or stop_id."""
        number = self._codes.get(fold(code))
        return self.groups[number] if number is not None else None

    def find_in(self, folded: str) -> list[Found[Target]]:
        """Return the known names in a folded text, from the left."""
        return self._names.find(folded)

    def search(self, query: str, limit: int = 6) -> list[Match]:
        """Return what a name, perhaps misspelt, may stand for, best first."""
        form = key(query)
        stripped = key(_SUFFIX_ZH.sub("", _SUFFIX_EN.sub("", fold(query))))
        if not form:
            return []
        best: dict[Target, float] = {}

        def note(targets: Iterable[Target], score: float) -> None:
            for target in targets:
                best[target] = max(score, best.get(target, 0.0))

        for spelled in {form, stripped}:
            note(self._names.exact(spelled), 100.0)
            if len(spelled) < 2:
                continue
            for known in self._forms:
                if spelled in known and (has_cjk(spelled) or len(spelled) >= 4):
                    note(self._targets[known], 80 + 15 * len(spelled) / len(known))
                elif len(known) >= (2 if has_cjk(known) else 5) and known in spelled:
                    note(self._targets[known], 70 + 20 * len(known) / len(spelled))
            for known, score, _ in process.extract(
                spelled, self._forms, scorer=fuzz.ratio, limit=10, score_cutoff=60
            ):
                note(self._targets[known], score)
        sound = pinyin(form)
        if len(sound) >= 5:
            for _, score, n in process.extract(
                sound, self._sounds, scorer=fuzz.ratio, limit=10, score_cutoff=80
            ):
                note(self._targets[self._forms[n]], score * 0.97)
        ranked = sorted(best.items(), key=lambda item: (-item[1], item[0].kind != "stop", item[0].index))
        return [Match(t, s) for t, s in ranked[:limit]]

    def nearest(
        self, lat: float, lon: float, *, radius_m: float, limit: int, only: Iterable[int] | None = None
    ) -> list[tuple[Group, float]]:
        """Return stop groups within `radius_m` of a position (degrees), with distances in metres, nearest first."""
        if not len(self._lat):
            return []
        a, b = math.radians(lat), math.radians(lon)
        half = np.sin((self._lat - a) / 2) ** 2
        half = half + np.cos(a) * np.cos(self._lat) * np.sin((self._lon - b) / 2) ** 2
        metres = 2 * 6_371_008.8 * np.arcsin(np.minimum(1.0, np.sqrt(half)))
        wanted = set(only) if only is not None else None
        found: dict[int, float] = {}
        for n in np.argsort(metres, kind="stable"):
            if metres[n] > radius_m or len(found) >= limit:
                break
            number = int(self._placed_group[n])
            if wanted is None or number in wanted:
                found.setdefault(number, float(metres[n]))
        return [(self.groups[g], m) for g, m in found.items()]

    def position(self, target: Target) -> tuple[float, float] | None:
        """Return latitude and longitude of a target in degrees, or `None` when unknown."""
        here = self.groups[target.index] if target.kind == "stop" else self.places[target.index]
        return None if math.isnan(here.lat) else (here.lat, here.lon)

    def name(self, target: Target, language: str) -> str:
        """Return the name of a target."""
        return (self.groups if target.kind == "stop" else self.places)[target.index].name(language)


def _other_forms(folded: str) -> list[tuple[int, str]]:
    """Return (rank, spelling) of the ways people shorten or respell a name."""
    forms: list[tuple[int, str]] = []
    bare = _BRACKETS.sub("", folded)
    if bare != folded:
        forms.append((1, bare))
    short = _SUFFIX_ZH.sub("", bare)
    if short != bare and short not in _BARE:
        forms.append((1, short))
    short = _SUFFIX_EN.sub("", bare)
    if short != bare and short not in _BARE_EN:
        forms.append((2, short))
    if bare.startswith("市") and len(bare) >= 4:
        forms.append((2, bare[1:]))
    if bare.startswith("city ") and bare[5:] not in ("hall", "centre", "center"):
        forms.append((2, bare[5:]))
    for long, brief in _WORDS:
        for old, new in ((long, brief), (brief, long)):
            respelt = re.sub(rf"\b{old}\b\.?", new, bare)
            if respelt != bare:
                forms.append((1, respelt))
    return forms


def _groups(feed: Feed, languages: Sequence[str]) -> list[Group]:
    roots: dict[int, list[int]] = defaultdict(list)
    for n, stop in enumerate(feed.stops):
        if stop.location_type in (0, 4):
            top, seen = n, {n}
            while feed.stops[top].parent >= 0 and feed.stops[top].parent not in seen:
                top = feed.stops[top].parent
                seen.add(top)
            roots[top].append(n)
    called: dict[str, list[int]] = defaultdict(list)
    for root in roots:
        called[key(feed.stops[root].name)].append(root)
    groups: list[Group] = []
    for same in called.values():
        for cluster in _clusters(feed, same):
            members = tuple(sorted(m for root in cluster for m in roots[root]))
            chief = min(cluster, key=lambda r: (feed.stops[r].location_type != 1, feed.stops[r].stop_id))
            names = {lang: feed.stop_name(chief, lang) for lang in languages}
            spots = [(feed.stops[m].lat, feed.stops[m].lon) for m in (*cluster, *members)]
            spots = [s for s in spots if not math.isnan(s[0])]
            lat = sum(s[0] for s in spots) / len(spots) if spots else float("nan")
            lon = sum(s[1] for s in spots) / len(spots) if spots else float("nan")
            codes = tuple(dict.fromkeys(c for c in (feed.stops[m].code for m in (*cluster, *members)) if c))
            groups.append(Group(len(groups), members, feed.stops[chief].stop_id, names, codes, lat, lon))
    return groups


def _clusters(feed: Feed, stops: list[int]) -> list[list[int]]:
    """Split stops of one name into neighbourhoods: single linkage below `MERGE_M`, through a grid."""
    if len(stops) == 1:
        return [stops]
    leader = {s: s for s in stops}

    def top(s: int) -> int:
        while leader[s] != s:
            leader[s] = leader[leader[s]]
            s = leader[s]
        return s

    cells: dict[tuple[int, int], list[int]] = defaultdict(list)
    for s in stops:
        here = feed.stops[s]
        if math.isnan(here.lat):
            continue
        shrink = max(0.05, math.cos(math.radians(here.lat)))
        row, column = int(here.lat * 111_195 // MERGE_M), int(here.lon * 111_195 * shrink // MERGE_M)
        for r in (row - 1, row, row + 1):
            for c in (column - 1, column, column + 1):
                for other in cells.get((r, c), ())[:50]:
                    there = feed.stops[other]
                    if distance_m(here.lat, here.lon, there.lat, there.lon) <= MERGE_M:
                        leader[top(s)] = top(other)
        cells[row, column].append(s)
    found: dict[int, list[int]] = defaultdict(list)
    for s in stops:
        found[top(s)].append(s)
    return list(found.values())


def _routes_at(feed: Feed, groups: list[Group]) -> list[tuple[int, ...]]:
    """Return the routes that call at each group."""
    of_stop = np.full(len(feed.stops), -1, dtype=np.int64)
    for group in groups:
        of_stop[list(group.members)] = group.index
    pairs = of_stop[feed.row_stop] * len(feed.routes) + feed.trip_route[feed.row_trip]
    routes: list[list[int]] = [[] for _ in groups]
    for pair in np.unique(pairs[of_stop[feed.row_stop] >= 0]):
        routes[int(pair) // len(feed.routes)].append(int(pair) % len(feed.routes))
    return [tuple(r) for r in routes]
