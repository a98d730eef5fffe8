"""The city's intersections (GeoJSON), streets, car parks and roadworks (JSON), read and checked."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from actions.traffic.errors import DataFileError, NoPlanError
from actions.traffic.model import Junction, LaneGroup, PlanStage, SignalPlan, Stream


@dataclass(frozen=True)
class Intersection:
    """One entry of the GeoJSON. `junction` is `None` where it has no plan; `sumo` names its place in the network."""

    id: str
    names: Mapping[str, str]
    streets: tuple[str, ...]
    lat: float
    lon: float
    junction: Junction | None
    shares: Mapping[str, Mapping[str, float]]
    arterial: str = ""
    position_m: float = 0.0
    sumo: Mapping[str, Any] = field(default_factory=dict)

    def loaded(self, volumes_vph: Mapping[str, float]) -> Junction:
        """Return the junction with volumes by lane group spread over its turns; raises `NoPlanError`."""
        if self.junction is None:
            raise NoPlanError(
                f"{self.names['zh']}：没有登记信号方案，请在路口文件中补充 plan。",
                f"{self.names['en']}: no signal plan on file; add `plan` to the file of intersections",
            )
        streams = {
            f"{group}:{turn}": volumes_vph.get(group, 0.0) * share
            for group, turns in self.shares.items()
            for turn, share in turns.items()
        }
        return self.junction.with_volumes(streams)


@dataclass(frozen=True)
class Street:
    """A street that people ask about."""

    id: str
    names: Mapping[str, str]
    aliases: tuple[str, ...]
    lat: float
    lon: float
    free_kmh: float = 50.0
    capacity_vph: float = 2000.0
    district: str = ""


@dataclass(frozen=True)
class CarPark:
    """A car park off the street."""

    id: str
    names: Mapping[str, str]
    lat: float
    lon: float
    spaces: int
    fees: Mapping[str, str]


@dataclass(frozen=True)
class Roadworks:
    """Works or a closure. `kind` is "lanes", "night" or "closed"."""

    id: str
    street: str
    titles: Mapping[str, str]
    begin: date
    end: date
    kind: str
    effects: Mapping[str, str]
    detours: Mapping[str, str]


@dataclass(frozen=True)
class Place:
    """A place that people name."""

    names: Mapping[str, str]
    aliases: tuple[str, ...]
    lat: float
    lon: float
    district: str = ""


def read_intersections(path: Path) -> dict[str, Intersection]:
    """Read intersections by id; raises `DataFileError`."""
    data = _load(path)
    if not isinstance(data, dict) or not isinstance(data.get("features"), list):
        raise DataFileError(
            f"{path}：不是 GeoJSON FeatureCollection。", f"{path}: is no GeoJSON FeatureCollection"
        )
    found: dict[str, Intersection] = {}
    for number, feature in enumerate(data["features"], start=1):
        try:
            item = _intersection(feature)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _bad(path, number, error) from None
        if item.id in found:
            raise _bad(path, number, ValueError(f"id {item.id} occurs twice"))
        if item.junction is not None:
            item.junction.check()
        found[item.id] = item
    return found


def read_streets(path: Path) -> dict[str, Street]:
    """Read streets by id; raises `DataFileError`."""
    return {
        item.id: item
        for item in _items(
            path,
            lambda d: Street(
                str(d["id"]),
                _both(d, "name"),
                tuple(map(str, d.get("aliases", ()))),
                float(d["lat"]),
                float(d["lon"]),
                _positive(d.get("free_kmh", 50.0)),
                _positive(d.get("capacity_vph", 2000.0)),
                str(d.get("district", "")),
            ),
        )
    }


def read_car_parks(path: Path) -> dict[str, CarPark]:
    """Read car parks by id; raises `DataFileError`."""
    return {
        item.id: item
        for item in _items(
            path,
            lambda d: CarPark(
                str(d["id"]),
                _both(d, "name"),
                float(d["lat"]),
                float(d["lon"]),
                int(d["spaces"]),
                _both(d, "fee", ""),
            ),
        )
    }


def read_roadworks(path: Path) -> list[Roadworks]:
    """Read roadworks; raises `DataFileError`."""

    def one(d: Mapping[str, Any]) -> Roadworks:
        begin, end = date.fromisoformat(d["from"]), date.fromisoformat(d["until"])
        if end < begin:
            raise ValueError(f"until {end} is before from {begin}")
        return Roadworks(
            str(d["id"]), str(d["street"]), _both(d, "title"), begin, end, str(d.get("kind", "lanes")),
            _both(d, "effect", ""), _both(d, "detour", ""),
        )  # fmt: skip

    return _items(path, one)


def read_places(path: Path) -> list[Place]:
    """Read the table of places that the transit module uses too; raises `DataFileError`."""
    try:
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
        return [
            Place(
                {"zh": r["name_zh"], "en": r["name_en"]},
                tuple(a for a in (r.get("aliases") or "").split("|") if a),
                float(r["lat"]),
                float(r["lon"]),
                r.get("district") or "",
            )
            for r in rows
        ]
    except (OSError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise DataFileError(
            f"{path}：无法读取地点表（{error}）。", f"{path}: the table of places cannot be read ({error})"
        ) from None


def distance_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Return the distance in m on a sphere, by the equirectangular approximation."""
    x = math.radians(lon_b - lon_a) * math.cos(math.radians((lat_a + lat_b) / 2))
    return 6_371_000 * math.hypot(x, math.radians(lat_b - lat_a))


def _intersection(feature: Mapping[str, Any]) -> Intersection:
    p = feature["properties"]
    lon, lat = feature["geometry"]["coordinates"][:2]
    yields = p.get("yields", {})
    groups, shares = [], {}
    for g in p.get("lane_groups", []):
        turns = {str(t): float(s) for t, s in g["turns"].items()}
        total = sum(turns.values())
        if total <= 0 or any(s < 0 for s in turns.values()):
            raise ValueError(f"lane group {g['id']}: shares of turns must be positive")
        shares[str(g["id"])] = {t: s / total for t, s in turns.items()}
        streams = tuple(
            Stream(f"{g['id']}:{t}", t, 0.0, tuple(yields.get(f"{g['id']}:{t}", ()))) for t in turns
        )
        groups.append(
            LaneGroup(
                str(g["id"]),
                str(g["approach"]),
                streams,
                int(g.get("lanes", 1)),
                _positive(g.get("saturation_vphpl", 1800.0)),
                float(g["storage_m"]) if g.get("storage_m") is not None else None,
            )
        )
    names = _both(p, "name")
    junction = None
    if p.get("plan"):
        stages = tuple(
            PlanStage(
                str(s.get("name", i + 1)),
                float(s["green_s"]),
                dict(s["serves"]),
                float(s.get("yellow_s", 3.0)),
                float(s.get("all_red_s", 1.0)),
                float(s.get("min_green_s", 5.0)),
                float(s.get("clearing_s", 0.0)),
            )
            for i, s in enumerate(p["plan"]["stages"])
        )
        plan = SignalPlan(stages, float(p["plan"].get("offset_s", 0.0)))
        clashes = frozenset(frozenset(pair) for pair in p.get("conflicts", ()))
        junction = Junction(str(p["id"]), tuple(groups), plan, clashes, names)
    return Intersection(
        str(p["id"]), names, tuple(p.get("streets", ())), float(lat), float(lon), junction, shares,
        str(p.get("arterial", "")), float(p.get("position_m", 0.0)), p.get("sumo", {}),
    )  # fmt: skip


def with_plan(item: Intersection, plan: SignalPlan) -> Intersection:
    """Return the intersection with another plan in place."""
    return replace(item, junction=replace(item.junction, plan=plan) if item.junction else None)


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise DataFileError(
            f"{path}：找不到该文件，请检查 city.yml 的 traffic 一节。",
            f"{path}: no such file; check `traffic:` in city.yml",
        ) from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataFileError(
            f"{path}：不是有效的 JSON（{error}）。", f"{path}: is no valid JSON ({error})"
        ) from None


def _items(path: Path, make: Any) -> list[Any]:
    data = _load(path)
    if not isinstance(data, list):
        raise DataFileError(f"{path}：应为 JSON 数组。", f"{path}: must be a JSON list")
    found = []
    for number, item in enumerate(data, start=1):
        try:
            found.append(make(item))
        except (KeyError, TypeError, ValueError) as error:
            raise _bad(path, number, error) from None
    return found


def _bad(path: Path, number: int, error: Exception) -> DataFileError:
    what = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
    zh = f"缺少字段 {error}" if isinstance(error, KeyError) else str(error)
    return DataFileError(
        f"{path} 第 {number} 项：{zh}，请改正。", f"{path} entry {number}: {what}; correct it"
    )


def _both(data: Mapping[str, Any], key: str, default: str | None = None) -> dict[str, str]:
    if default is None:
        return {"zh": str(data[f"{key}_zh"]), "en": str(data[f"{key}_en"])}
    return {"zh": str(data.get(f"{key}_zh", default)), "en": str(data.get(f"{key}_en", default))}


def _positive(value: Any) -> float:
    number = float(value)
    if not number > 0 or not math.isfinite(number):
        raise ValueError(f"{value!r} must be above 0")
    return number
