"""Reads what signal timing needs from a SUMO network (`.net.xml`, also gzipped): lanes, links, programs, foes."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from actions.traffic.errors import NetworkError

MOTOR = frozenset(
    {"passenger", "bus", "truck", "delivery", "taxi", "private", "trailer", "coach", "emergency"}
)
TURNS = {"l": "left", "L": "left", "s": "through", "r": "right", "R": "right", "t": "uturn"}


@dataclass(frozen=True)
class Lane:
    """One lane; `motor` says whether cars may use it."""

    id: str
    edge: str
    index: int
    speed_mps: float
    length_m: float
    motor: bool


@dataclass(frozen=True)
class Link:
    """One signal-controlled connection; `request` is its index in the junction's right-of-way matrix."""

    tls: str
    index: int
    from_edge: str
    from_lane: str
    to_edge: str
    to_lane: str
    turn: str
    junction: str
    request: int | None
    pedestrian: bool = False
    length_m: float = 0.0


@dataclass(frozen=True)
class Phase:
    """One phase of a program; `state` has one character of `GgyruosO` for each link index."""

    duration_s: float
    state: str
    min_s: float | None = None
    max_s: float | None = None


@dataclass(frozen=True)
class Program:
    """A signal program as SUMO knows it."""

    tls: str
    id: str
    kind: str
    offset_s: float
    phases: tuple[Phase, ...]

    @property
    def cycle_s(self) -> float:
        """Sum of the phase durations."""
        return sum(phase.duration_s for phase in self.phases)


@dataclass(frozen=True)
class Net:
    """The part of a network that signal timing needs."""

    path: Path
    lanes: Mapping[str, Lane]
    links: Mapping[str, tuple[Link, ...]]
    programs: Mapping[str, Program]
    foes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    responses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    before: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def upstream(self, tls: str) -> frozenset[str]:
        """Return the edges from which traffic next meets this traffic light."""
        ends = {link.from_edge for links in self.links.values() for link in links}
        found = {link.from_edge for link in self.links[tls] if not link.pedestrian}
        front = list(found)
        while front:
            for edge in self.before.get(front.pop(), frozenset()):
                if edge not in ends and edge not in found:
                    found.add(edge)
                    front.append(edge)
        return frozenset(found)

    def conflict(self, first: Link, second: Link) -> bool:
        """Return whether the paths of two links cross or merge, by the junction's matrix of foes."""
        return self._bit(self.foes, first, second)

    def yields(self, first: Link, second: Link) -> bool:
        """Return whether `first` gives way to `second` by the junction's right of way."""
        return self._bit(self.responses, first, second)

    @staticmethod
    def _bit(table: Mapping[str, tuple[str, ...]], first: Link, second: Link) -> bool:
        if first.junction != second.junction or first.request is None or second.request is None:
            return False
        rows = table.get(first.junction, ())
        if first.request >= len(rows):
            return False
        row = rows[first.request]
        return second.request < len(row) and row[-1 - second.request] == "1"


def open_xml(path: Path) -> IO[bytes]:
    """Open an XML file, gzipped or plain; raises `NetworkError` when it is missing."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise NetworkError(
            f"{path}：无法打开（{error.strerror}），请检查路径。",
            f"{path}: cannot be opened ({error.strerror}); check the path",
        ) from None
    magic = raw.read(2)
    raw.seek(0)
    return gzip.open(raw) if magic == b"\x1f\x8b" else raw  # type: ignore[return-value]


def read_net(path: Path | str, additional: Iterable[Path] = ()) -> Net:
    """Read a network.

    Args:
        path: a `.net.xml` or `.net.xml.gz`.
        additional: additional files whose `tlLogic` replace the network's, as SUMO does.

    Raises:
        NetworkError: it is missing, is no XML, is no SUMO network, or has no traffic light.
    """
    path = Path(path)
    lanes: dict[str, Lane] = {}
    connections: list[Mapping[str, str]] = []
    programs: dict[str, Program] = {}
    foes: dict[str, tuple[str, ...]] = {}
    responses: dict[str, tuple[str, ...]] = {}
    root = ""
    try:
        with open_xml(path) as stream:
            for event, element in ET.iterparse(stream, events=("start", "end")):
                if event == "start":
                    root = root or element.tag
                    continue
                if element.tag == "edge":
                    for lane in element.iter("lane"):
                        made = _lane(lane, element.get("id", ""))
                        lanes[made.id] = made
                elif element.tag == "connection":
                    connections.append(dict(element.attrib))
                elif element.tag == "tlLogic":
                    program = _program(element)
                    programs[program.tls] = program
                elif element.tag == "junction":
                    requests = sorted(element.iter("request"), key=lambda r: int(r.get("index", "0")))
                    if requests:
                        foes[element.get("id", "")] = tuple(r.get("foes", "") for r in requests)
                        responses[element.get("id", "")] = tuple(r.get("response", "") for r in requests)
                if element.tag in {"edge", "connection", "tlLogic", "junction"}:
                    element.clear()
        for file in additional:
            programs.update(read_programs(file))
    except (ET.ParseError, OSError, EOFError, ValueError, KeyError) as error:
        raise NetworkError(
            f"{path}：不是有效的 SUMO 路网（{error}），请用 netconvert 重新生成。",
            f"{path}: is no valid SUMO network ({error}); make it again with netconvert",
        ) from None
    if root != "net":
        raise NetworkError(
            f"{path}：根元素是 <{root}> 而不是 <net>，请给出 .net.xml。",
            f"{path}: the root element is <{root}>, not <net>; give a .net.xml",
        )
    links = _links(connections, lanes)
    programs = {tls: program for tls, program in programs.items() if tls in links and program.phases}
    if not programs:
        raise NetworkError(
            f"{path}：路网中没有信号灯，无配时可优化。",
            f"{path}: the network has no traffic light, so there is nothing to time",
        )
    before: dict[str, set[str]] = {}
    for connection in connections:
        if not connection["from"].startswith(":"):
            before.setdefault(connection["to"], set()).add(connection["from"])
    return Net(
        path,
        lanes,
        {tls: links[tls] for tls in programs},
        programs,
        foes,
        responses,
        {edge: frozenset(edges) for edge, edges in before.items()},
    )


def read_programs(path: Path) -> dict[str, Program]:
    """Return the last program of each traffic light in an additional file."""
    with open_xml(Path(path)) as stream:
        return {p.tls: p for p in (_program(e) for e in ET.parse(stream).getroot().iter("tlLogic"))}


def conflicting_greens(net: Net, tls: str, state: str) -> set[tuple[int, int]]:
    """Return pairs of link indices that both show a priority green (`G`) although their paths conflict.

    A pair in which one link gives way by the junction's own right of way is no hazard: SUMO's `G` keeps
    that rule, so it is left out.
    """
    found: set[tuple[int, int]] = set()
    green = [link for link in net.links[tls] if link.index < len(state) and state[link.index] == "G"]
    for i, first in enumerate(green):
        for second in green[i + 1 :]:
            if first.index == second.index or first.from_lane == second.from_lane:
                continue
            if not net.conflict(first, second):
                continue
            if net.yields(first, second) != net.yields(second, first):
                continue
            found.add((min(first.index, second.index), max(first.index, second.index)))
    return found


def _lane(element: ET.Element, edge: str) -> Lane:
    allow, disallow = element.get("allow"), element.get("disallow")
    if allow is not None:
        motor = allow == "all" or bool(MOTOR & set(allow.split()))
    else:
        motor = disallow != "all" and "passenger" not in (disallow or "").split()
    return Lane(
        element.get("id", ""),
        edge,
        int(element.get("index", "0")),
        float(element.get("speed", "13.89")),
        float(element.get("length", "0")),
        motor,
    )


def _program(element: ET.Element) -> Program:
    phases = []
    for phase in element.iter("phase"):
        low, high = phase.get("minDur"), phase.get("maxDur")
        phases.append(
            Phase(
                float(phase.get("duration") or low or 0),
                phase.get("state", ""),
                float(low) if low else None,
                float(high) if high else None,
            )
        )
    return Program(
        element.get("id", ""),
        element.get("programID", "0"),
        element.get("type", "static"),
        float(element.get("offset") or 0),
        tuple(phases),
    )


def _links(connections: list[Mapping[str, str]], lanes: Mapping[str, Lane]) -> dict[str, tuple[Link, ...]]:
    links: dict[str, list[Link]] = {}
    for connection in connections:
        tls, index = connection.get("tl"), connection.get("linkIndex")
        if tls is None or index is None:
            continue
        pedestrian = connection["from"].startswith(":")
        junction, request = _request(connection.get("via") or "")
        crossing = lanes.get(f"{connection['to']}_0") if pedestrian else None
        indices = [int(index)]
        if connection.get("linkIndex2"):
            indices.append(int(connection["linkIndex2"]))
        for number in indices:
            links.setdefault(tls, []).append(
                Link(
                    tls,
                    number,
                    connection["from"],
                    f"{connection['from']}_{connection.get('fromLane', '0')}",
                    connection["to"],
                    f"{connection['to']}_{connection.get('toLane', '0')}",
                    TURNS.get(connection.get("dir", "s"), "through"),
                    junction,
                    request,
                    pedestrian,
                    crossing.length_m if crossing else 0.0,
                )
            )
    return {tls: tuple(sorted(found, key=lambda link: link.index)) for tls, found in links.items()}


def _request(via: str) -> tuple[str, int | None]:
    """Read junction and request index from an internal lane's name, `:<junction>_<first index>_<lane>`."""
    parts = via[1:].rsplit("_", 2) if via.startswith(":") else []
    if len(parts) != 3 or not parts[1].isdigit() or not parts[2].isdigit():
        return "", None
    return parts[0], int(parts[1]) + int(parts[2])
