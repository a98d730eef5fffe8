"""Proves plans by simulation: the one in place, Webster's, ours, actuated and max-pressure, over the same seeds.

A recommendation is given only when the plan is better than the one in place with 95 % confidence.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy import stats

from actions.traffic.sumo.max_pressure import MaxPressure
from actions.traffic.sumo.net import Net
from actions.traffic.sumo.program import StagedPlan, write_programs
from actions.traffic.sumo.scenario import Scenario
from actions.traffic.sumo.simulate import Outcome, simulate

IN_PLACE, WEBSTER, OURS, ACTUATED, MAX_PRESSURE = "in_place", "webster", "ours", "actuated", "max_pressure"
FRESH_SEEDS = (1, 2, 3, 4, 5)
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Measured:
    """Delay of one plan over several seeds, in s per vehicle, with a 95 % confidence interval of the mean."""

    name: str
    runs: tuple[Outcome, ...]

    @property
    def delays_s(self) -> tuple[float, ...]:
        """Mean delay of each run."""
        return tuple(run.delay_s for run in self.runs)

    @property
    def mean_s(self) -> float:
        """Mean over the runs."""
        return sum(self.delays_s) / len(self.delays_s)

    @property
    def interval_s(self) -> tuple[float, float]:
        """Confidence interval of the mean."""
        return confidence_interval(self.delays_s)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        low, high = self.interval_s
        return {
            "delay_s": round(self.mean_s, 2),
            "low_s": round(low, 2),
            "high_s": round(high, 2),
            "runs_s": [round(d, 2) for d in self.delays_s],
            "vehicles": self.runs[0].vehicles,
            "unfinished": max(r.unfinished for r in self.runs),
            "teleports": sum(r.teleports for r in self.runs),
        }


@dataclass(frozen=True)
class Verdict:
    """What was measured and what follows from it. `gain` is a share of 1, above 0 when ours is faster."""

    measured: Mapping[str, Measured]
    recommended: bool
    gain: float
    gain_low: float
    gain_high: float
    seeds: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "recommended": self.recommended,
            "gain": round(self.gain, 4),
            "gain_low": round(self.gain_low, 4),
            "gain_high": round(self.gain_high, 4),
            "seeds": list(self.seeds),
            "plans": {name: m.to_dict() for name, m in self.measured.items()},
        }


def confidence_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Student's interval of the mean; infinite for a single value."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return -math.inf, math.inf
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
    half = float(stats.t.ppf(0.5 + confidence / 2, len(values) - 1)) * deviation / math.sqrt(len(values))
    return mean - half, mean + half


def judge(measured: Mapping[str, Measured], seeds: Sequence[int]) -> Verdict:
    """Return whether ours is better than the plan in place: the interval of paired differences is below 0."""
    old, new = measured[IN_PLACE].delays_s, measured[OURS].delays_s
    low, high = confidence_interval([n - o for n, o in zip(new, old, strict=True)])
    mean = measured[IN_PLACE].mean_s
    gain = 1 - measured[OURS].mean_s / mean if mean > 0 else 0.0
    jammed = sum(r.teleports for r in measured[OURS].runs) > sum(r.teleports for r in measured[IN_PLACE].runs)
    return Verdict(
        measured,
        high < 0 and not jammed,
        gain,
        -high / mean if mean > 0 else 0.0,
        -low / mean if mean > 0 else 0.0,
        tuple(seeds),
    )


def verify(
    scenario: Scenario,
    net: Net,
    plans: Mapping[str, Mapping[str, StagedPlan]],
    seeds: Sequence[int] = FRESH_SEEDS,
    comparisons: Sequence[str] = (ACTUATED, MAX_PRESSURE),
    programs: Mapping[str, Path] | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Verdict:
    """Simulate every plan with every seed.

    Args:
        scenario: network and demand.
        net: the network as read.
        plans: by name, plans by traffic light; must hold "in_place" and "ours".
        seeds: seeds that the search has not seen, at least two.
        comparisons: "actuated" and "max_pressure", or fewer.
        programs: further plans by name, as SUMO additional files.
        progress: called with a share of 1 and the name of the plan.

    Raises:
        ValueError: fewer than two seeds.
        SimulatorMissing, SimulationError: SUMO cannot run.
    """
    if len(seeds) < 2:
        raise ValueError("verify needs at least two seeds")
    progress = progress or (lambda share, text: None)
    names = [*plans, *comparisons, *(programs or {})]
    measured: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory(prefix="chengda-verify-") as name:
        folder = Path(name)
        for number, plan in enumerate(names):
            runs = []
            for k, seed in enumerate(seeds):
                progress((number + k / len(seeds)) / len(names), plan)
                runs.append(_one(scenario, net, plans, plan, seed, folder, programs or {}))
            measured[plan] = Measured(plan, tuple(runs))
    progress(1.0, "done")
    return judge(measured, seeds)


def _one(
    scenario: Scenario,
    net: Net,
    plans: Mapping[str, Mapping[str, StagedPlan]],
    name: str,
    seed: int,
    folder: Path,
    programs: Mapping[str, Path],
) -> Outcome:
    if name == IN_PLACE:
        return simulate(scenario, seed)
    if name == MAX_PRESSURE:
        return simulate(scenario, seed, controller=MaxPressure(net, plans[IN_PLACE]))
    if name in programs:
        return simulate(scenario, seed, [programs[name]])
    file = folder / f"{name}.add.xml"
    if name == ACTUATED:
        write_programs(plans[IN_PLACE].values(), file, "actuated", kind="actuated")
    else:
        write_programs(plans[name].values(), file, "chengda")
    return simulate(scenario, seed, [file])
