"""Makes the demo arterial, 人民路 with five signals, as a SUMO network. Needs `netconvert` (wheel eclipse-sumo)."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

# id, zh, en, metres east of People's Square, lanes of the cross street, cycle in place, through green E-W
CROSSINGS = (
    ("jianshe", "建设路", "Jianshe Road", -820, 2),
    ("wenhua", "文化路", "Wenhua Road", -390, 2),
    ("jiefang", "解放路", "Jiefang Road", 0, 3),
    ("heping", "和平路", "Heping Road", 440, 2),
    ("xuefu", "学府路", "Xuefu Road", 850, 2),
)
ENDS = {"W": -1250, "E": 1300}
ARM_M = 320


def write_network(target: Path, work: Path, netconvert: str = "netconvert") -> None:
    """Write the network to `target`, using `work` for its plain XML parts."""
    nodes = [f'<node id="{c[0]}" x="{c[3]}" y="0" type="traffic_light"/>' for c in CROSSINGS]
    edges: list[str] = []
    for name, x in ENDS.items():
        nodes.append(f'<node id="end{name}" x="{x}" y="0" type="dead_end"/>')
    row = ["endW", *(c[0] for c in CROSSINGS), "endE"]
    for a, b in itertools.pairwise(row):
        edges += [_edge(a, b, 3, 16.67), _edge(b, a, 3, 16.67)]
    for key, _, _, x, lanes in CROSSINGS:
        for side, y in (("N", ARM_M), ("S", -ARM_M)):
            nodes.append(f'<node id="{key}{side}" x="{x}" y="{y}" type="dead_end"/>')
            edges += [_edge(key + side, key, lanes, 13.89), _edge(key, key + side, lanes, 13.89)]
    (work / "a.nod.xml").write_text("<nodes>" + "\n".join(nodes) + "</nodes>")
    (work / "a.edg.xml").write_text("<edges>" + "\n".join(edges) + "</edges>")
    (work / "a.con.xml").write_text("<connections>" + "\n".join(_connections()) + "</connections>")
    subprocess.run(
        [
            netconvert,
            *("-n", str(work / "a.nod.xml"), "-e", str(work / "a.edg.xml"), "-x", str(work / "a.con.xml")),
            *(
                "-o",
                str(target),
                "--tls.cycle.time",
                "110",
                "--tls.yellow.time",
                "3",
                "--tls.allred.time",
                "1",
            ),
            *("--tls.left-green.time", "10", "--crossings.guess", "--sidewalks.guess", "--no-turnarounds"),
            *("--crossings.guess.speed-threshold", "20", "--sidewalks.guess.max-speed", "20"),
            *("--output.street-names", "false", "--no-warnings"),
        ],
        check=True,
    )


def _edge(a: str, b: str, lanes: int, speed: float) -> str:
    return f'<edge id="{a}_{b}" from="{a}" to="{b}" numLanes="{lanes}" speed="{speed}" priority="{lanes}"/>'


def _connections() -> list[str]:
    """Rightmost lane: right and through; leftmost: left only with three lanes, left and through with two."""
    row = ["endW", *(c[0] for c in CROSSINGS), "endE"]
    made = []
    for i, (key, _, _, _, lanes) in enumerate(CROSSINGS, start=1):
        west, east, north, south = row[i - 1], row[i + 1], f"{key}N", f"{key}S"
        for come, right, ahead, left, count in (
            (west, south, east, north, 3),
            (east, north, west, south, 3),
            (north, west, south, east, lanes),
            (south, east, north, west, lanes),
        ):
            a = f"{come}_{key}"
            made.append(_connection(a, f"{key}_{right}", 0, 0))
            ahead_lanes = range(count - 1 if count == 3 else count)
            made += [_connection(a, f"{key}_{ahead}", lane, lane) for lane in ahead_lanes]
            made.append(
                _connection(a, f"{key}_{left}", count - 1, (lanes if come in (west, east) else 3) - 1)
            )
    return made


def _connection(a: str, b: str, from_lane: int, to_lane: int) -> str:
    return f'<connection from="{a}" to="{b}" fromLane="{from_lane}" toLane="{to_lane}"/>'
