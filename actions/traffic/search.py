"""Search over cycle and splits for the least HCM delay, beyond Webster's formula."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from actions.traffic.evaluate import total_delay_s
from actions.traffic.model import Junction, SignalPlan
from actions.traffic.webster import critical_ratios, split, webster

STEPS_S = (8, 4, 2, 1)


@dataclass(frozen=True)
class Candidate:
    """A plan and its computed mean delay."""

    plan: SignalPlan
    delay_s: float
    origin: str


def best_plan(junction: Junction, min_cycle_s: float = 40.0, max_cycle_s: float = 120.0) -> Candidate:
    """Return the plan with least computed delay between two cycle lengths, stages kept.

    Starts from the plan in place, Webster's and a grid of cycles, then moves single greens and pairs of greens
    by 8, 4, 2 and 1 s while that helps.

    Raises:
        NoDemandError: there is no traffic.
    """
    found = list(by_cycle(junction, _grid(min_cycle_s, max_cycle_s, 10)))
    found.append(Candidate(junction.plan, total_delay_s(junction, junction.plan), "in_place"))
    webster_plan = webster(junction, min_cycle_s, max_cycle_s).plan
    found.append(Candidate(webster_plan, total_delay_s(junction, webster_plan), "webster"))
    start = min(found, key=lambda c: c.delay_s)
    return improve(junction, start, min_cycle_s, max(max_cycle_s, start.plan.cycle_s))


def by_cycle(junction: Junction, cycles_s: Sequence[float]) -> list[Candidate]:
    """Return for each cycle length the better of equal-saturation splits after two rounds and the same refined."""
    found = []
    for cycle in cycles_s:
        plan = junction.plan.with_greens(
            split(junction.plan, [s.green_s for s in junction.plan.stages], cycle)
        )
        for _ in range(3):
            plan = plan.with_greens(split(plan, critical_ratios(junction, plan), cycle))
        candidate = Candidate(plan, total_delay_s(junction, plan), "grid")
        found.append(improve(junction, candidate, cycle, cycle, steps_s=(4, 2)))
    return found


def improve(
    junction: Junction,
    start: Candidate,
    min_cycle_s: float,
    max_cycle_s: float,
    steps_s: Sequence[int] = STEPS_S,
) -> Candidate:
    """Return a local optimum near `start`: no single green and no pair of greens can be moved with gain."""
    best, count = start, len(start.plan.stages)
    for step in steps_s:
        gained = True
        while gained:
            gained = False
            for change in _moves(count, step):
                greens = [g + d for g, d in zip(best.plan.greens_s, change, strict=True)]
                cycle = sum(greens) + best.plan.fixed_s
                if not min_cycle_s - 1e-9 <= cycle <= max_cycle_s + 1e-9 and sum(change) != 0:
                    continue
                if any(g < s.min_green_s for g, s in zip(greens, best.plan.stages, strict=True)):
                    continue
                plan = best.plan.with_greens(greens)
                delay = total_delay_s(junction, plan)
                if delay < best.delay_s - 1e-6:
                    best, gained = Candidate(plan, delay, "search"), True
    return best


def _moves(count: int, step: int) -> list[tuple[int, ...]]:
    single = [tuple(s if k == i else 0 for k in range(count)) for i in range(count) for s in (step, -step)]
    pairs = [
        tuple(step if k == i else -step if k == j else 0 for k in range(count))
        for i, j in itertools.permutations(range(count), 2)
    ]
    return single + pairs


def _grid(low_s: float, high_s: float, step_s: float) -> list[float]:
    count = int((high_s - low_s) // step_s) + 1
    return [low_s + i * step_s for i in range(count)]
