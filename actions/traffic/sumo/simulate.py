"""Runs SUMO in this process and measures the delay of every vehicle."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shutil
import sys
import tempfile
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from actions.traffic.errors import SimulationError, SimulatorMissing
from actions.traffic.sumo.scenario import Scenario


@dataclass(frozen=True)
class Outcome:
    """What one run gave.

    `delay_s` is the mean over all vehicles of timeLoss plus departDelay, those still on the road or never
    inserted included.
    """

    delay_s: float
    time_loss_s: float
    depart_delay_s: float
    vehicles: int
    unfinished: int
    teleports: int
    ended_s: float
    edge_loss_s: Mapping[str, float] = field(default_factory=dict)


class Controller(Protocol):
    """Controls signals during a run."""

    def start(self, sumo: Any) -> None:
        """Take over after the network is loaded."""

    def step(self, sumo: Any, now_s: float) -> None:
        """Act before each simulated second."""


def available() -> bool:
    """Return whether SUMO's library can be imported."""
    return all(importlib.util.find_spec(name) is not None for name in ("libsumo", "traci", "sumolib"))


@lru_cache(maxsize=1)
def library() -> Any:
    """Import and return libsumo.

    Raises:
        SimulatorMissing: it is not installed.
    """
    if not available():
        raise SimulatorMissing()
    if "SUMO_HOME" not in os.environ:
        spec = importlib.util.find_spec("libsumo")
        os.environ["SUMO_HOME"] = str(Path(spec.origin).parent) if spec and spec.origin else ""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        import libsumo
    return libsumo


@contextlib.contextmanager
def _stderr_to(path: Path) -> Iterator[None]:
    """Send what C code writes to standard error into a file."""
    sys.stderr.flush()
    saved = os.dup(2)
    with path.open("wb") as stream:
        os.dup2(stream.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def simulate(
    scenario: Scenario,
    seed: int,
    programs: Sequence[Path] = (),
    controller: Controller | None = None,
    routes_out: Path | None = None,
    by_edge: bool = False,
) -> Outcome:
    """Run a scenario to its end and until its vehicles have left, at most `drain_s` longer.

    Args:
        scenario: the files and times.
        seed: SUMO's random seed.
        programs: additional files with signal programs that replace those in place.
        controller: takes over signals while running.
        routes_out: where to write the routes driven.
        by_edge: also return the delay that arose on each edge, waiting to enter it included.

    Raises:
        SimulatorMissing: SUMO is not installed.
        SimulationError: SUMO refuses the input or stops.
    """
    sumo = library()
    scenario.check()
    folder = Path(tempfile.mkdtemp(prefix="chengda-sumo-"))
    try:
        trips, statistics, errors = (folder / n for n in ("trips.xml", "statistics.xml", "stderr.txt"))
        command = [
            "sumo",
            *("--net-file", str(scenario.net)),
            *("--route-files", ",".join(map(str, scenario.routes))),
            *("--begin", f"{scenario.begin_s:g}"),
            *("--seed", str(seed)),
            *("--tripinfo-output", str(trips)),
            *("--statistic-output", str(statistics)),
            "--tripinfo-output.write-unfinished",
            "--tripinfo-output.write-undeparted",
            "--no-step-log",
            "--no-warnings",
            "--duration-log.disable",
        ]
        files = [*scenario.additional, *programs]
        edges = folder / "edges.xml"
        if by_edge:
            files.append(_edge_data(folder / "edges.add.xml", edges))
        if files:
            command += ["--additional-files", ",".join(map(str, files))]
        if routes_out is not None:
            command += ["--vehroute-output", str(routes_out), "--vehroute-output.write-unfinished"]
        try:
            with _stderr_to(errors):
                ended = _run(sumo, command, scenario, controller)
        except SimulationError as error:
            said = errors.read_text("utf-8", "replace")
            lines = [line for line in said.splitlines() if line.startswith("Error")] or [str(error)]
            problem = "; ".join(lines[:3]).removeprefix("Error: ")
            raise SimulationError(
                f"SUMO 拒绝了输入：{problem}",
                f"SUMO refused the input: {problem}; correct the files and try again",
            ) from None
        return _measure(trips, statistics, ended, edges if by_edge else None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(sumo: Any, command: list[str], scenario: Scenario, controller: Controller | None) -> float:
    from traci.exceptions import FatalTraCIError, TraCIException

    end = scenario.end_s if scenario.end_s is not None else scenario.begin_s + 3600
    latest = end + scenario.drain_s
    try:
        sumo.start(command)
        try:
            if controller is not None:
                controller.start(sumo)
            now = sumo.simulation.getTime()
            while now < end or (now < latest and sumo.simulation.getMinExpectedNumber() > 0):
                if controller is not None:
                    controller.step(sumo, now)
                    sumo.simulationStep()
                else:
                    # One call for many seconds: the interpreter is slower than the simulator.
                    sumo.simulationStep(end if now < end else min(now + 30, latest))
                now = sumo.simulation.getTime()
        finally:
            sumo.close()
    except (TraCIException, FatalTraCIError, RuntimeError, TypeError) as error:
        raise SimulationError(str(error), str(error)) from error
    return now


def _edge_data(path: Path, output: Path) -> Path:
    path.write_text(
        f'<additional><edgeData id="loss" file="{output}" excludeEmpty="true"/></additional>', "utf-8"
    )
    return path


def _measure(trips: Path, statistics: Path, ended_s: float, edges: Path | None) -> Outcome:
    loss = wait = 0.0
    count = unfinished = 0
    by_edge: dict[str, float] = {}
    for _, element in ET.iterparse(trips):
        if element.tag == "tripinfo":
            held = max(0.0, float(element.get("departDelay") or 0))
            loss += max(0.0, float(element.get("timeLoss") or 0))
            wait += held
            count += 1
            unfinished += float(element.get("arrival") or -1) < 0
            lane = element.get("departLane") or ""
            by_edge[lane.rpartition("_")[0]] = by_edge.get(lane.rpartition("_")[0], 0.0) + held
            element.clear()
    if not count:
        raise SimulationError(
            "没有车辆进入路网，请检查需求的时间与路段。",
            "no vehicle entered the network; check times and edges of the demand",
        )
    if edges is not None:
        for _, element in ET.iterparse(edges):
            if element.tag == "edge":
                key = element.get("id", "")
                by_edge[key] = by_edge.get(key, 0.0) + float(element.get("timeLoss") or 0)
    jumps = ET.parse(statistics).getroot().find("teleports")
    teleports = int(jumps.get("total") or 0) if jumps is not None else 0
    return Outcome(
        (loss + wait) / count, loss / count, wait / count, count, unfinished, teleports, ended_s, by_edge
    )
