"""What staff ask about signals: a better plan with figures, its proof in the simulator, and files to take away."""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actions.traffic import search, webster
from actions.traffic.catalogue import Intersection
from actions.traffic.coordination import ArterialSignal, Coordination, coordinate
from actions.traffic.counts import Counts
from actions.traffic.errors import NoPlanError, PlanError
from actions.traffic.evaluate import Analysis, evaluate
from actions.traffic.model import Junction, SignalPlan
from actions.traffic.settings import TrafficSection
from actions.traffic.sumo.from_counts import SPAN_S, write_demand
from actions.traffic.sumo.simulate import available
from actions.traffic.when import PEAKS
from city.jobs import Job, Jobs, UnknownJobError

CYCLES_S = tuple(float(c) for c in range(60, 121, 4))
JOB_KIND = "traffic.optimise"
JOB_TARGET = "actions.traffic.sumo.job:run"
WORKDAYS, WEEKEND = frozenset(range(5)), frozenset((5, 6))


@dataclass(frozen=True)
class Study:
    """An intersection in a period under three plans: in place, Webster's, and the best computed one."""

    intersection: Intersection
    period: str
    on_weekend: bool
    junction: Junction
    webster: webster.WebsterResult
    best: SignalPlan
    analyses: Mapping[str, Analysis]

    @property
    def key(self) -> dict[str, Any]:
        """What identifies the study, for the conversation's state."""
        return {"intersection": self.intersection.id, "period": self.period, "weekend": self.on_weekend}


class SignalDesk:
    """Studies intersections and has plans proven.

    Args:
        section: the settings.
        intersections: by id.
        counts: counted volumes.
        network: SUMO network of the city, or `None`.
        jobs: where simulations run.
        data: the data directory.
    """

    def __init__(
        self,
        section: TrafficSection,
        intersections: Mapping[str, Intersection],
        counts: Counts,
        network: Path | None,
        jobs: Jobs,
        data: Path,
    ) -> None:
        self.section, self.intersections, self.counts = section, intersections, counts
        self.network, self.jobs, self.data = network, jobs, data
        self._studies: dict[tuple[str, str, bool], Study] = {}

    def study(self, intersection: Intersection, period: str = "morning", on_weekend: bool = False) -> Study:
        """Compute plans for an intersection in a period of the day.

        Raises:
            NoPlanError, NoDemandError, PlanError: it cannot be timed.
        """
        key = (intersection.id, period, on_weekend)
        if key not in self._studies:
            if intersection.junction is None:
                intersection.loaded({})
            start, end = PEAKS[period]
            days = WEEKEND if on_weekend else WORKDAYS
            junction = intersection.loaded(self.counts.period_vph(intersection.id, start, end, days))
            junction.check()
            low, high = self.section.min_cycle_s, self.section.max_cycle_s
            by_webster = webster.webster(junction, low, high)
            best = search.best_plan(junction, low, high).plan
            plans = {"in_place": junction.plan, "webster": by_webster.plan, "ours": best}
            analyses = {name: evaluate(junction, plan) for name, plan in plans.items()}
            self._studies[key] = Study(intersection, period, on_weekend, junction, by_webster, best, analyses)
        return self._studies[key]

    def can_prove(self, study: Study) -> bool:
        """Return whether the simulator and a network for this intersection are there."""
        return available() and self.network is not None and bool(study.intersection.sumo)

    def prove(self, study: Study, owner: str = "") -> Job:
        """Return the job that proves a plan in the simulator; one that runs or succeeded is not started again."""
        assert self.network is not None
        demand = write_demand(study.junction, study.intersection.sumo, self.data / "traffic" / "demand")
        arguments = {
            "net": str(self.network),
            "routes": [str(demand)],
            "begin_s": 0.0,
            "end_s": float(SPAN_S),
            "time_s": self.section.search_s,
            "seeds": list(range(1, self.section.seeds + 1)),
            "min_cycle_s": self.section.min_cycle_s,
            "max_cycle_s": self.section.max_cycle_s,
            "about": study.key,
        }
        for job in self.jobs.list(kind=JOB_KIND):
            if job.arguments == arguments and job.state in {"queued", "running", "succeeded"}:
                return job
        return self.jobs.start(JOB_KIND, JOB_TARGET, arguments, owner)

    def job(self, job_id: str | None) -> Job | None:
        """Return a job's record, or `None` when there is no such job."""
        if not job_id:
            return None
        try:
            return self.jobs.get(job_id)
        except UnknownJobError:
            return None

    def report(self, job: Job | None) -> dict[str, Any] | None:
        """Return the result of a job that succeeded."""
        if job is None or job.state != "succeeded":
            return None
        result: dict[str, Any] = self.jobs.result(job.id)
        return result

    def proven_plan(self, study: Study, report: Mapping[str, Any]) -> SignalPlan:
        """Return the simulated plan of a report in terms of the study's stages.

        Raises:
            NoPlanError: the report does not hold this intersection.
        """
        try:
            ours = report["signals"][study.intersection.sumo["tls"]]["ours"]
        except KeyError:
            raise NoPlanError(
                "仿真结果中没有该路口。", "the simulation does not hold this intersection"
            ) from None
        by_number = {i + 1: stage for i, stage in enumerate(study.junction.plan.stages)}
        greens = {stage["stage"]: float(stage["green_s"]) for stage in ours["stages"]}
        plan = study.junction.plan.with_greens(
            [greens[n] for n in sorted(by_number)], float(ours["offset_s"])
        )
        return SignalPlan(tuple(plan.stages[n - 1] for n in ours["order"]), plan.offset_s)

    def export(self, study: Study, plan: SignalPlan, verified: Mapping[str, Any] | None) -> dict[str, Path]:
        """Write a plan as CSV and JSON below the data directory and return the files by format.

        Their name holds 128 random bits: whoever was given the link may load the file, nobody can guess it.
        """
        rows = [
            (s.name, f"{s.green_s:g}", f"{s.clearing_s:g}", f"{s.yellow_s:g}", f"{s.all_red_s:g}", f"{s.min_green_s:g}",
             " ".join(f"{k}={v}" for k, v in s.serves.items()))
            for s in plan.stages
        ]  # fmt: skip
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(
            ("stage", "green_s", "pedestrian_clearing_s", "yellow_s", "all_red_s", "min_green_s", "serves")
        )
        writer.writerows(rows)
        document = {
            "intersection": study.intersection.id,
            "name": dict(study.intersection.names),
            "period": {"name": study.period, "weekend": study.on_weekend},
            "verified_by_simulation": bool(verified and verified.get("recommended")),
            "cycle_s": plan.cycle_s,
            "offset_s": plan.offset_s,
            "stages": [
                {
                    "name": s.name,
                    "green_s": s.green_s,
                    "pedestrian_clearing_s": s.clearing_s,
                    "yellow_s": s.yellow_s,
                    "all_red_s": s.all_red_s,
                    "min_green_s": s.min_green_s,
                    "serves": dict(s.serves),
                }
                for s in plan.stages
            ],
            "computed": evaluate(study.junction, plan).to_dict(),
            "simulated": dict(verified) if verified else None,
        }
        text = json.dumps(document, ensure_ascii=False, indent=1)
        name = f"{study.intersection.id}-{study.period}-{secrets.token_hex(16)}"
        folder = self.data / "exports"
        folder.mkdir(parents=True, exist_ok=True)
        return {
            "csv": _write(folder / f"{name}.csv", table.getvalue()),
            "json": _write(folder / f"{name}.json", text),
        }


def arterial(
    intersections: Mapping[str, Intersection],
    street: str,
    cycle_s: float | None = None,
    speed_kmh: float = 40.0,
) -> tuple[list[ArterialSignal], Coordination]:
    """Return the coordination of a street's signals, plans in place scaled to a common cycle.

    Args:
        intersections: by id; those whose `arterial` is `street` are taken, by position.
        street: id of the street.
        cycle_s: common cycle; by default the one from 60 to 120 s with the best bands.
        speed_kmh: progression speed of both directions.

    Raises:
        NoPlanError: fewer than two of its signals have plans.
        PlanError: a plan has no through green along the street.
    """
    line = sorted(
        (i for i in intersections.values() if i.arterial == street and i.junction is not None),
        key=lambda i: i.position_m,
    )
    if len(line) < 2:
        raise NoPlanError(
            "该道路上登记的信号路口不足两个，无法做干线协调。",
            f"fewer than two signals are on file for street {street!r}, so it cannot be coordinated",
        )
    speed_mps = speed_kmh / 3.6
    cycles = (
        [cycle_s] if cycle_s else sorted({*CYCLES_S, *(i.junction.plan.cycle_s for i in line if i.junction)})
    )
    best: tuple[list[ArterialSignal], Coordination] | None = None
    for cycle in cycles:
        signals = [_on_arterial(item, cycle) for item in line]
        if any(signal is None for signal in signals):
            continue
        shown = [signal for signal in signals if signal is not None]
        made = coordinate(shown, cycle, speed_mps, speed_mps)
        if best is None or made.efficiency > best[1].efficiency:
            best = shown, made
    if best is None:
        raise PlanError(
            f"周期 {cycle_s:g} 秒容不下各路口的最小绿灯，请加长。",
            f"a cycle of {cycle_s:g} s is too short for the minimum greens; give a longer one",
        )
    return best


def _on_arterial(item: Intersection, cycle_s: float) -> ArterialSignal | None:
    """Return the signal with its plan scaled to a cycle; `None` when the minimum greens do not fit."""
    assert item.junction is not None
    plan = item.junction.plan
    if sum(stage.min_green_s + stage.transition_s for stage in plan.stages) > cycle_s:
        return None
    plan = plan.with_greens(webster.split(plan, [s.green_s for s in plan.stages], cycle_s))
    out, back = _through(plan, "W"), _through(plan, "E")
    return ArterialSignal(item.id, item.position_m, out[0], out[1], back[0], back[1])


def _through(plan: SignalPlan, approach: str) -> tuple[float, float]:
    """Return start and length in s of the through green of an approach."""
    at, found = 0.0, None
    for stage in plan.stages:
        if (
            any(s.startswith(f"{approach}-") and s.endswith(":through") for s in stage.serves)
            and found is None
        ):
            found = (at, stage.green_s + stage.clearing_s)
        at += stage.green_s + stage.transition_s
    if found is None:
        raise PlanError(
            f"方案没有 {approach} 进口直行绿灯。", f"the plan has no through green for approach {approach}"
        )
    return found


def _write(path: Path, text: str) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # A byte-order mark lets spreadsheet programs see that it is UTF-8.
    temporary.write_text(text, "utf-8-sig" if path.suffix == ".csv" else "utf-8")
    temporary.replace(path)
    return path
