"""Capacity, Webster and search: properties that must hold for any junction."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actions.traffic.capacity import capacities, lane_volumes, permissive_vph
from actions.traffic.errors import NoDemandError, PlanError
from actions.traffic.evaluate import evaluate, total_delay_s
from actions.traffic.model import PERMISSIVE, PROTECTED, Junction, LaneGroup, PlanStage, SignalPlan, Stream
from actions.traffic.search import Candidate, best_plan, improve
from actions.traffic.webster import optimum_cycle_s, split, webster

FAST = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def junction(volumes: dict[str, float], protected_left: bool = True) -> Junction:
    """Four arms; N-S and E-W stages; lefts in lanes of their own, permissive beside oncoming traffic."""
    groups, serves = [], {"NS": {}, "EW": {}, "L": {}}
    opposite = {"N": "S", "S": "N", "E": "W", "W": "E"}
    for arm in "NSEW":
        tr = f"{arm}-TR"
        rivals = (f"{opposite[arm]}-TR:through", f"{opposite[arm]}-TR:right")
        groups.append(
            LaneGroup(tr, arm, (Stream(f"{tr}:through", "through"), Stream(f"{tr}:right", "right")), 2)
        )
        groups.append(LaneGroup(f"{arm}-L", arm, (Stream(f"{arm}-L:left", "left", 0.0, rivals),)))
        stage = "NS" if arm in "NS" else "EW"
        serves[stage] |= {f"{tr}:through": PROTECTED, f"{tr}:right": PROTECTED, f"{arm}-L:left": PERMISSIVE}
        if arm in "EW":
            serves["L"][f"{arm}-L:left"] = PROTECTED
    stages = [PlanStage("NS", 30, serves["NS"]), PlanStage("EW", 30, serves["EW"])]
    if protected_left:
        stages.append(PlanStage("L", 8, serves["L"]))
    conflicts = frozenset(frozenset((f"{a}-TR:through", f"{b}-TR:through")) for a in "NS" for b in "EW")
    made = Junction("test", tuple(groups), SignalPlan(tuple(stages)), conflicts)
    return made.with_volumes(volumes)


VOLUMES = {
    f"{arm}-{lane}": value
    for arm in "NSEW"
    for lane, value in (("TR:through", 500.0), ("TR:right", 80.0), ("L:left", 60.0))
}
volumes = st.fixed_dictionaries(
    {key: st.floats(0, 900 if "through" in key else 200) for key in VOLUMES}
).filter(lambda v: sum(v.values()) > 10)


def test_webster_formula() -> None:
    # Webster (1958): L = 10 s, Y = 0.75 gives (1.5*10+5)/0.25 = 80 s.
    assert optimum_cycle_s(10, 0.75) == pytest.approx(80)
    assert optimum_cycle_s(10, 1.0) == float("inf")


@FAST
@given(volumes, st.integers(40, 150))
def test_splits_sum_to_the_cycle_and_keep_minimum_greens(demand: dict[str, float], cycle: int) -> None:
    item = junction(demand)
    greens = split(item.plan, [demand["N-TR:through"] + 1, demand["E-TR:through"] + 1, 5], cycle)
    plan = item.plan.with_greens(greens)
    assert plan.cycle_s == pytest.approx(max(cycle, sum(s.min_green_s for s in plan.stages) + plan.fixed_s))
    assert all(s.green_s >= s.min_green_s for s in plan.stages)


@FAST
@given(volumes)
def test_plans_found_keep_the_rules_and_beat_webster_and_today(demand: dict[str, float]) -> None:
    item = junction(demand)
    by_webster = webster(item, 40, 120).plan
    best = best_plan(item, 40, 120)
    for plan in (by_webster, best.plan):
        plan.check()
        assert item.conflicts_in(plan) == []
        assert 40 - 1e-9 <= plan.cycle_s <= 120 + 1e-9
    assert best.delay_s <= total_delay_s(item, by_webster) + 1e-6
    assert best.delay_s <= total_delay_s(item, item.plan) + 1e-6


@FAST
@given(volumes, st.floats(1.0, 1.5))
def test_delay_is_monotone_in_demand(demand: dict[str, float], factor: float) -> None:
    item = junction(demand)
    before, after = evaluate(item), evaluate(item.scaled(factor))
    for old, new in zip(before.groups, after.groups, strict=True):
        assert new.delay_s >= old.delay_s - 1e-6, old.id
        assert new.ratio >= old.ratio - 1e-9


def test_a_protected_stage_gives_lefts_more_capacity() -> None:
    demand = {**VOLUMES, "E-L:left": 150.0}
    without = {c.group.id: c.capacity_vph for c in capacities(junction(demand, protected_left=False))}
    with_it = {c.group.id: c.capacity_vph for c in capacities(junction(demand))}
    assert with_it["E-L"] > without["E-L"]


def test_permissive_lefts_fall_with_opposing_traffic() -> None:
    flows = [permissive_vph(v) for v in (0, 200, 600, 1200)]
    assert flows == sorted(flows, reverse=True)
    # HCM 2010, equation 31-100 at 600 veh/h: 600*exp(-0.75)/(1-exp(-0.41667)).
    assert flows[2] == pytest.approx(831.5, abs=1)


def test_shared_lane_is_blocked_by_a_permissive_left() -> None:
    streams = (Stream("A:left", "left", 100, ("B:through",)), Stream("A:through", "through", 300))
    shared = LaneGroup("A", "N", streams)
    oncoming = LaneGroup("B", "S", (Stream("B:through", "through", 700),))
    serves = {"A:left": PERMISSIVE, "A:through": PROTECTED, "B:through": PROTECTED}
    other = PlanStage("2", 30, {})
    plan = SignalPlan((PlanStage("1", 30, serves), other))
    blocked = capacities(Junction("x", (shared, oncoming), plan))[0].capacity_vph
    free = capacities(
        Junction("x", (LaneGroup("A", "N", (Stream("A:through", "through", 400),)), oncoming), plan)
    )[0].capacity_vph
    assert blocked < 0.6 * free


def test_lanes_share_the_load_and_turns_keep_their_side() -> None:
    streams = (Stream("l", "left", 100), Stream("t", "through", 700), Stream("r", "right", 100))
    lanes = lane_volumes(LaneGroup("x", "N", streams, 3))
    assert sum(sum(lane.values()) for lane in lanes) == pytest.approx(900)
    assert "l" in lanes[0] and "r" in lanes[2] and set(lanes[1]) == {"t"}


def test_oversaturation_is_named() -> None:
    item = junction({k: v * 4 for k, v in VOLUMES.items()})
    assert webster(item).oversaturated
    assert evaluate(item).oversaturated
    assert evaluate(item).level == "F"


def test_zero_demand_conflicts_and_short_greens_are_errors() -> None:
    with pytest.raises(NoDemandError):
        evaluate(junction({}))
    with pytest.raises(NoDemandError):
        webster(junction({}))
    item = junction(VOLUMES)
    with pytest.raises(PlanError, match="minimum"):
        item.plan.with_greens([3, 30, 8])
    both = PlanStage("bad", 20, {"N-TR:through": PROTECTED, "E-TR:through": PROTECTED})
    clash = Junction("x", item.groups, SignalPlan((both, item.plan.stages[0])), item.conflicts)
    with pytest.raises(PlanError, match="conflicting"):
        clash.check()
    unserved = Junction("x", item.groups, SignalPlan(item.plan.stages[:1] * 2))
    with pytest.raises(PlanError, match="no green"):
        unserved.check()


def test_improve_never_worsens() -> None:
    item = junction(VOLUMES)
    start = Candidate(item.plan, total_delay_s(item, item.plan), "x")
    assert improve(item, start, 40, 120).delay_s <= start.delay_s
