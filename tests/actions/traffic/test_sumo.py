"""Reading networks, re-timing programs, and (where SUMO is installed) search and proof."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.traffic.errors import NetworkError, PlanError, SimulationError
from actions.traffic.sumo.demand import Turns
from actions.traffic.sumo.from_counts import write_demand
from actions.traffic.sumo.job import optimise
from actions.traffic.sumo.junction import junction_of
from actions.traffic.sumo.net import conflicting_greens, read_net
from actions.traffic.sumo.offsets import progressed
from actions.traffic.sumo.optimise import SearchLimits
from actions.traffic.sumo.program import StagedPlan, staged, transition, walker_links, write_programs
from actions.traffic.sumo.scenario import open_scenario, seconds
from actions.traffic.sumo.simulate import Outcome, available, simulate
from actions.traffic.sumo.verify import Measured, judge

DEMO = Path(__file__).resolve().parents[3] / "actions" / "traffic" / "demo"
NET = read_net(DEMO / "arterial.net.xml")
PLANS = {tls: plan for tls, p in NET.programs.items() if (plan := staged(NET, p)) is not None}
needs_sumo = pytest.mark.skipif(not available(), reason="libsumo is not installed")


def test_stages_of_the_demo_network() -> None:
    plan = PLANS["jiefang"]
    assert plan.greens_s == (33, 10, 33, 10)
    assert plan.cycle_s == NET.programs["jiefang"].cycle_s == 110
    # Pedestrians: 5 s to step off, the crossing at 1.2 m/s, less the 9 s of clearance, yellow and all-red.
    assert plan.stages[0].min_green_s > 5
    assert [p.state for p in plan.phases] == [p.state for p in NET.programs["jiefang"].phases]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(PLANS)),
    st.lists(st.integers(0, 60), min_size=4, max_size=4),
    st.permutations(range(4)),
)
def test_retimed_and_reordered_plans_keep_cycle_minimums_and_free_of_conflicts(
    tls: str, extra: list[int], order: list[int]
) -> None:
    plan = PLANS[tls]
    greens = [s.min_green_s + e for s, e in zip(plan.stages, extra, strict=False)]
    made = plan.retimed(greens)
    wanted = [n for n in order if n < len(plan.stages)]
    made = made.reordered(wanted, walker_links(NET.links[tls]))
    assert sum(p.duration_s for p in made.phases) == pytest.approx(made.cycle_s)
    assert all(s.green_s >= s.min_green_s for s in made.stages)
    for phase in made.phases:
        assert conflicting_greens(NET, tls, phase.state) == set()
    _yellow_before_red(made, walker_links(NET.links[tls]))


def _yellow_before_red(plan: StagedPlan, walkers: frozenset[int]) -> None:
    states = [p.state for p in plan.phases]
    for now, following in zip(states, states[1:] + states[:1], strict=True):
        for i, (a, b) in enumerate(zip(now, following, strict=True)):
            assert not (a in "Gg" and b == "r" and i not in walkers), (now, following)


def test_green_under_its_minimum_is_refused() -> None:
    with pytest.raises(PlanError, match="minimum"):
        PLANS["jiefang"].retimed([1, 10, 33, 10])


def test_transition_keeps_what_stays_green() -> None:
    phases = transition("GGgr", "rrGG", 3, 1, 0)
    assert [p.state for p in phases] == ["yygr", "rrgr"]
    assert transition("Ggrr", "GGrr", 3, 1, 0) == ()


def test_junction_of_the_network_has_demand_on_every_lane() -> None:
    plan = PLANS["jiefang"]
    turns = {(link.from_edge, link.to_edge): 300.0 for link in NET.links["jiefang"] if not link.pedestrian}
    junction = junction_of(NET, plan, turns)
    assert junction.volume_vph == pytest.approx(300 * len(turns))
    assert all(g.volume_vph > 0 for g in junction.groups)
    assert junction.conflicts_in(junction.plan) == []
    lefts = [s for s in junction.streams.values() if s.turn == "left"]
    assert all(s.yields_to for s in lefts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no valid SUMO network"),
        ("<net>", "no valid"),
        ("<routes/>", "not <net>"),
        ("<net/>", "no traffic light"),
    ],
)
def test_bad_networks(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.net.xml"
    path.write_text(text)
    with pytest.raises(NetworkError, match=message):
        read_net(path)


def test_bad_scenarios(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="no such file"):
        open_scenario(tmp_path / "a.net.xml", [tmp_path / "a.rou.xml"])
    shutil.copy(DEMO / "arterial.net.xml", tmp_path / "a.net.xml")
    with pytest.raises(NetworkError, match="no demand"):
        open_scenario(tmp_path / "a.net.xml")
    (tmp_path / "a.rou.xml").write_text("<routes/>")
    with pytest.raises(NetworkError, match="no vehicles"):
        open_scenario(tmp_path / "a.net.xml")
    with pytest.raises(NetworkError, match="not after"):
        open_scenario(DEMO / "arterial.net.xml", begin_s=100, end_s=100)


def test_sumo_times() -> None:
    assert (seconds("90.5"), seconds("1:00:00"), seconds("x")) == (90.5, 3600, -1)


def test_judgement_needs_a_gain_that_is_sure() -> None:
    def measured(name: str, *delays: float) -> Measured:
        return Measured(name, tuple(Outcome(d, d, 0, 100, 0, 0, 3600) for d in delays))

    good = judge(
        {"in_place": measured("in_place", 30, 31, 29), "ours": measured("ours", 20, 22, 20)}, (1, 2, 3)
    )
    assert good.recommended and good.gain == pytest.approx(1 - 62 / 90)
    doubt = judge(
        {"in_place": measured("in_place", 30, 31, 29), "ours": measured("ours", 20, 40, 20)}, (1, 2, 3)
    )
    assert not doubt.recommended
    worse = judge(
        {"in_place": measured("in_place", 30, 31, 29), "ours": measured("ours", 31, 32, 30)}, (1, 2, 3)
    )
    assert not worse.recommended and worse.gain < 0


@needs_sumo
def test_search_and_proof_of_one_intersection(tmp_path: Path, service) -> None:  # type: ignore[no-untyped-def]
    study = service.desk.study(service.intersections["renmin-wenhua"], "morning")
    demand = write_demand(study.junction, study.intersection.sumo, tmp_path)
    scenario = open_scenario(DEMO / "arterial.net.xml", [demand], begin_s=0, end_s=300)
    report = optimise(scenario, SearchLimits(time_s=2, seeds=(101,)), (1, 2), tmp_path)
    assert set(report["plans"]) == {"in_place", "webster", "ours", "actuated", "max_pressure"}
    assert list(report["signals"]) == ["wenhua"]
    assert report["signals"]["wenhua"]["conflicts"] == []
    assert (tmp_path / "plan.add.xml").exists() == report["recommended"]
    assert report["plans"]["ours"]["vehicles"] > 100


@needs_sumo
def test_plan_in_place_rewritten_drives_the_same(tmp_path: Path) -> None:
    scenario = open_scenario(DEMO / "arterial.net.xml", begin_s=0, end_s=120)
    file = write_programs(PLANS.values(), tmp_path / "same.add.xml")
    assert simulate(scenario, 5, [file]).delay_s == pytest.approx(simulate(scenario, 5).delay_s)


@needs_sumo
def test_sumo_errors_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.rou.xml").write_text(
        '<routes><trip id="1" depart="0" from="nowhere" to="nowhere"/></routes>'
    )
    with pytest.raises(SimulationError, match="nowhere"):
        simulate(open_scenario(DEMO / "arterial.net.xml", [tmp_path / "a.rou.xml"]), 1)


def test_offsets_for_progression_meet_more_green() -> None:
    plans = dict(PLANS)
    straight = ["endW", "jianshe", "wenhua", "jiefang", "heping", "xuefu", "endE"]
    edges = [f"{a}_{b}" for a, b in pairwise(straight)]
    turns = Turns(dict.fromkeys(pairwise(edges), 900.0), {}, 1.0)
    made = progressed(NET, plans, turns)
    assert made is not None
    assert {p.greens_s for p in made.values()} == {p.greens_s for p in plans.values()}
    # Travel at 0.9 of 16.67 m/s: about 28 s for 420 m; the platoon should find each next light's green begun by then.
    lag = (made["wenhua"].offset_s - made["jianshe"].offset_s) % 110
    assert 15 <= lag <= 45
    uneven = {**plans, "heping": plans["heping"].retimed([45, 10, 39])}
    assert progressed(NET, uneven, turns) is None
