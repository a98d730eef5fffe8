"""Generates the demo city's traffic data: `python -m actions.traffic.demo.generate [netconvert]`.

All of it is made up, with a fixed seed. With the path of a `netconvert` the network is made anew too.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from actions.traffic.demo.lists import parking_file, roadworks_file, streets_file
from actions.traffic.demo.network import CROSSINGS, ENDS, write_network
from actions.traffic.demo.streets import STREETS, day_shape
from actions.traffic.sumo.junction import junction_of
from actions.traffic.sumo.net import Net, read_net
from actions.traffic.sumo.program import staged

HERE = Path(__file__).parent
NET = HERE / "arterial.net.xml"
ORIGIN = (29.0, 124.5)
ZONE = ZoneInfo("Asia/Shanghai")
FIRST = datetime(2026, 8, 3)
DAYS = 28
LETTER = {"left": "L", "through": "T", "right": "R", "uturn": "U"}
# Vehicles per hour in the morning peak, by arm, and how each arm splits into left, through, right.
MAIN = {"W": 1250.0, "E": 980.0}
CROSS = {
    "jianshe": (290.0, 330.0),
    "wenhua": (360.0, 310.0),
    "jiefang": (680.0, 590.0),
    "heping": (300.0, 340.0),
    "xuefu": (380.0, 300.0),
}
SPLIT = {"main": (0.09, 0.81, 0.10), "cross": (0.22, 0.56, 0.22), "jiefang": (0.22, 0.62, 0.16)}


def main() -> None:
    """Write all files beside this one."""
    rng = np.random.default_rng(20260803)
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as work:
            write_network(NET, Path(work), sys.argv[1])
    net = read_net(NET)
    features = [_feature(net, key, zh, en, x) for key, zh, en, x, _ in CROSSINGS]
    _json("intersections.geojson", {"type": "FeatureCollection", "features": features})
    _json("streets.json", streets_file())
    _json("parking.json", parking_file())
    _json("roadworks.json", roadworks_file())
    _counts(features, rng)
    _history(rng)
    _demand(rng)
    (HERE / "traffic_flow.csv").write_text(
        "traffic_flow,signal_light_time\n0,0\n1,2\n2,4\n3,6\n4,8\n", "utf-8"
    )


def _feature(net: Net, key: str, zh: str, en: str, x: float) -> dict[str, Any]:
    plan = staged(net, net.programs[key])
    assert plan is not None
    junction = junction_of(net, plan, {})
    arms = {f"{node}_{key}": arm for node, arm in _arms(key).items()}
    exits = {f"{key}_{node}": arm for node, arm in _arms(key).items()}
    lanes: dict[tuple[str, tuple[str, ...]], list[Any]] = {}
    for group in junction.groups:
        lanes.setdefault((arms[group.approach], group.turns), []).append(group)
    names = {
        stream.id: f"{arm}-{''.join(LETTER[t] for t in turns)}:{stream.turn}"
        for (arm, turns), groups in lanes.items()
        for group in groups
        for stream in group.streams
    }
    groups_out, yields, sumo_exits = [], {}, {}
    for (arm, turns), groups in lanes.items():
        share = dict(zip(("left", "through", "right"), _split(key, arm), strict=True))
        group_id = f"{arm}-{''.join(LETTER[t] for t in turns)}"
        groups_out.append(
            {
                "id": group_id,
                "approach": arm,
                "lanes": len(groups),
                "saturation_vphpl": 1800,
                "storage_m": round(groups[0].storage_m or 0),
                "turns": {t: round(share[t] / _lanes_with(lanes, arm, t), 4) for t in turns},
            }
        )
        for group in groups:
            for stream in group.streams:
                name = names[stream.id]
                rivals = sorted({names[r] for r in stream.yields_to})
                if rivals:
                    yields[name] = rivals
                sumo_exits[name] = stream.id.partition(">")[2].rpartition("_")[0]
    stages = [
        {
            "name": stage.name,
            "green_s": stage.green_s,
            "yellow_s": stage.yellow_s,
            "all_red_s": stage.all_red_s,
            "min_green_s": stage.min_green_s,
            "clearing_s": stage.clearing_s,
            "serves": {names[s]: how for s, how in sorted(stage.serves.items())},
        }
        for stage in junction.plan.stages
    ]
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [round(ORIGIN[1] + x / 97_300, 6), ORIGIN[0]]},
        "properties": {
            "id": f"renmin-{key}",
            "name_zh": f"人民路与{zh}路口",
            "name_en": f"Renmin Road and {en}",
            "streets": ["renmin", key],
            "position_m": x,
            "arterial": "renmin",
            "lane_groups": groups_out,
            "yields": yields,
            "conflicts": sorted(
                sorted({names[a] for a in pair})
                for pair in junction.conflicts
                if len({names[a] for a in pair}) == 2
            ),
            "plan": {"offset_s": 0, "stages": stages},
            "sumo": {
                "tls": key,
                "edges": {arm: edge for edge, arm in arms.items()},
                "exits": {arm: edge for edge, arm in exits.items()},
                "leaves_by": sumo_exits,
            },
        },
    }


def _lanes_with(lanes: dict[tuple[str, tuple[str, ...]], list[Any]], arm: str, turn: str) -> int:
    return sum(1 for a, turns in lanes if a == arm and turn in turns)


def _arms(key: str) -> dict[str, str]:
    row = ["endW", *(c[0] for c in CROSSINGS), "endE"]
    i = row.index(key)
    return {row[i - 1]: "W", row[i + 1]: "E", f"{key}N": "N", f"{key}S": "S"}


def _split(key: str, arm: str) -> tuple[float, float, float]:
    return SPLIT["main"] if arm in "WE" else SPLIT.get(key, SPLIT["cross"])


def _arm_vph(key: str, arm: str, evening: float) -> float:
    """Demand of an arm; in the evening the main flow runs the other way."""
    if arm in "WE":
        here, other = MAIN[arm], MAIN["E" if arm == "W" else "W"]
        return here + (other - here) * evening
    north, south = CROSS[key]
    return north if arm == "N" else south


def _counts(features: list[dict[str, Any]], rng: np.random.Generator) -> None:
    rows = ["intersection,lane_group,start,minutes,volume_veh"]
    for feature in features:
        p = feature["properties"]
        key = p["id"].removeprefix("renmin-")
        for group in p["lane_groups"]:
            arm = group["approach"]
            share = sum(group["turns"].values())
            mood = 0.0
            for quarter in range(DAYS * 96):
                when = FIRST + timedelta(minutes=15 * quarter)
                mood = 0.97 * mood + rng.normal() * 0.02
                evening = 1.0 if when.hour >= 14 else 0.0
                mean = _arm_vph(key, arm, evening) * share * day_shape(when) / 4 * (1 + mood)
                rows.append(f"{p['id']},{group['id']},{when:%Y-%m-%dT%H:%M},15,{rng.poisson(max(mean, 0.2))}")
    _gzip("counts.csv.gz", rows)


def _history(rng: np.random.Generator) -> None:
    rows = ["street,start,volume_vph,speed_kmh"]
    for street in STREETS:
        mood = 0.0
        for hour in range(DAYS * 24):
            when = FIRST + timedelta(hours=hour)
            mood = 0.85 * mood + rng.normal() * 0.04
            ratio = max(0.02, street.peak_ratio * day_shape(when, street.flavour) * (1 + mood))
            speed = street.speed_kmh(ratio) * (1 + rng.normal() * 0.03)
            rows.append(f"{street.id},{when:%Y-%m-%dT%H:%M},{ratio * street.capacity_vph:.0f},{speed:.1f}")
    _gzip("street_history.csv.gz", rows)


def _demand(rng: np.random.Generator) -> None:
    """Vehicles that enter at each arm walk from junction to junction by the turning shares."""
    row = ["endW", *(c[0] for c in CROSSINGS), "endE"]
    sources: list[tuple[str, str, float]] = [("endW", row[1], MAIN["W"]), ("endE", row[-2], MAIN["E"])]
    for key, (north, south) in CROSS.items():
        sources += [(f"{key}N", key, north), (f"{key}S", key, south)]
    routes: dict[tuple[str, ...], int] = {}
    for start, first, vph in sources:
        for _ in range(round(vph)):
            path, before, at = [f"{start}_{first}"], start, first
            while at in CROSS:
                arms = {arm: node for node, arm in _arms(at).items()}
                come = next(arm for arm, node in arms.items() if node == before)
                around = "NWSE"
                turn = rng.choice(3, p=np.asarray(_split(at, come)))
                leave = around[(around.index(come) + (3, 2, 1)[turn]) % 4]
                before, at = at, arms[leave]
                path.append(f"{before}_{at}")
            routes[tuple(path)] = routes.get(tuple(path), 0) + 1
    lines = ["<routes>", '<vType id="car" speedDev="0.1" sigma="0.5"/>']
    for i, (edges, count) in enumerate(sorted(routes.items())):
        lines.append(
            f'<flow id="f{i}" type="car" begin="0" end="3600" period="exp({count / 3600:.6f})" departLane="best" '
            f'departSpeed="max"><route edges="{" ".join(edges)}"/></flow>'
        )
    (HERE / "arterial.rou.xml").write_text("\n".join([*lines, "</routes>", ""]), "utf-8")


def _json(name: str, data: Any) -> None:
    (HERE / name).write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _gzip(name: str, rows: list[str]) -> None:
    buffer = io.BytesIO()
    # A fixed time keeps the file the same on every run.
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, compresslevel=9) as stream:
        stream.write(("\n".join(rows) + "\n").encode())
    (HERE / name).write_bytes(buffer.getvalue())


assert set(ENDS) == set(MAIN)

if __name__ == "__main__":
    main()
