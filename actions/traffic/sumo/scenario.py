"""What a simulation needs: a network, routes, additional files and a time span, from paths or a `.sumocfg`."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actions.traffic.errors import NetworkError
from actions.traffic.sumo.net import open_xml


@dataclass(frozen=True)
class Scenario:
    """Files of a simulation. `begin_s` and `end_s` are seconds of the day; demand is drained after `end_s`."""

    net: Path
    routes: tuple[Path, ...]
    additional: tuple[Path, ...] = ()
    begin_s: float = 0.0
    end_s: float | None = None
    drain_s: float = 1800.0

    def check(self) -> None:
        """Raise `NetworkError` when a file is missing or there are no routes."""
        if not self.routes:
            raise NetworkError(
                f"{self.net}：没有交通需求文件，请给出 .rou.xml。",
                f"{self.net}: no demand; give a .rou.xml with vehicles, trips or flows",
            )
        for file in (self.net, *self.routes, *self.additional):
            if not file.is_file():
                raise NetworkError(
                    f"{file}：找不到该文件，请检查路径。", f"{file}: no such file; check the path"
                )


def open_scenario(
    given: Path | str,
    routes: Sequence[Path | str] = (),
    additional: Sequence[Path | str] = (),
    begin_s: float | None = None,
    end_s: float | None = None,
) -> Scenario:
    """Return a scenario from a network and routes, or from a `.sumocfg` given in its place.

    Args:
        given: a `.net.xml` or a `.sumocfg`.
        routes: demand files.
        additional: further SUMO files.
        begin_s: begin in s.
        end_s: end in s.

    A network without routes takes `<name>.rou.xml` and `<name>.sumocfg` beside it. Times that are not given are those of
    the `.sumocfg`, else the first and last departure in the routes.

    Raises:
        NetworkError: a file is missing or no valid XML, or there are no vehicles.
    """
    net = Path(given)
    if not net.is_file():
        raise NetworkError(f"{net}：找不到该文件，请检查路径。", f"{net}: no such file; check the path")
    route_files = [Path(r) for r in routes]
    more = [Path(a) for a in additional]
    config = net if net.name.endswith(".sumocfg") else _beside(net, ".sumocfg") if not routes else None
    if config is not None and config.is_file():
        found = _read_config(config)
        if net == config:
            if not found["net-file"]:
                raise NetworkError(
                    f"{config}：缺少 net-file。", f"{config}: has no net-file; add one below <input>"
                )
            net = found["net-file"][0]
        route_files = route_files or found["route-files"]
        more = more or found["additional-files"]
        begin_s = found["begin"] if begin_s is None else begin_s
        end_s = found["end"] if end_s is None else end_s
    if not route_files:
        beside = _beside(net, ".rou.xml")
        route_files = [beside] if beside.is_file() else []
    scenario = Scenario(net, tuple(route_files), tuple(more))
    scenario.check()
    first, last, count = _departures([*route_files, *more])
    if count == 0:
        raise NetworkError(
            f"{route_files[0]}：没有任何车辆，请检查需求文件。",
            f"{route_files[0]}: holds no vehicles; check the demand",
        )
    begin = first if begin_s is None else begin_s
    end = last if end_s is None else end_s
    if end <= begin:
        raise NetworkError(
            f"结束时刻 {end:g} 秒不晚于开始时刻 {begin:g} 秒，请改正。",
            f"end {end:g} s is not after begin {begin:g} s; correct the times",
        )
    return Scenario(net, tuple(route_files), tuple(more), begin, end)


def _beside(net: Path, suffix: str) -> Path:
    name = net.name
    for ending in (".net.xml.gz", ".net.xml", ".gz", ".xml"):
        if name.endswith(ending):
            name = name[: -len(ending)]
            break
    return net.with_name(name + suffix)


def _read_config(path: Path) -> dict:
    found: dict = {"net-file": [], "route-files": [], "additional-files": [], "begin": None, "end": None}
    try:
        with open_xml(path) as stream:
            root = ET.parse(stream).getroot()
    except ET.ParseError as error:
        raise NetworkError(
            f"{path}：不是有效的 XML（{error}）。", f"{path}: is no valid XML ({error})"
        ) from None
    for element in root.iter():
        value = element.get("value") or element.get("v")
        if value is None:
            continue
        tag = {"n": "net-file", "r": "route-files", "a": "additional-files", "b": "begin", "e": "end"}.get(
            element.tag, element.tag
        )
        if tag in {"net-file", "route-files", "additional-files"}:
            found[tag] = [path.parent / part.strip() for part in value.split(",") if part.strip()]
        elif tag in {"begin", "end"} and seconds(value) >= 0:
            found[tag] = seconds(value)
    return found


def seconds(value: str) -> float:
    """Return SUMO's time notation in s: plain seconds, or `[d:]hh:mm:ss`; -1 for what is neither."""
    try:
        parts = [float(part) for part in value.split(":")]
    except ValueError:
        return -1.0
    scale = (1, 60, 3600, 86400)
    return sum(part * scale[i] for i, part in enumerate(reversed(parts[-4:])))


def _departures(files: Sequence[Path]) -> tuple[float, float, int]:
    first, last, count = float("inf"), 0.0, 0
    for path in files:
        try:
            with open_xml(path) as stream:
                for _, element in ET.iterparse(stream):
                    if element.tag in {"trip", "vehicle"} and element.get("depart"):
                        at = seconds(element.get("depart", ""))
                        first, last, count = min(first, max(at, 0.0)), max(last, at), count + 1
                    elif element.tag == "flow":
                        low, high = seconds(element.get("begin", "0")), seconds(element.get("end", "3600"))
                        first, last, count = min(first, low), max(last, high), count + 1
                    element.clear()
        except (ET.ParseError, OSError, EOFError) as error:
            raise NetworkError(
                f"{path}：不是有效的 XML（{error}），请检查文件。",
                f"{path}: is no valid XML ({error}); check the file",
            ) from None
    return (0.0 if count == 0 else first), last + 1, count
