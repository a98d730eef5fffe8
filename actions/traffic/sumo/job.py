"""The optimise-and-verify job: search, prove over fresh seeds, and write what staff can download."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from actions.traffic.errors import NetworkError
from actions.traffic.sumo.net import conflicting_greens, read_net
from actions.traffic.sumo.optimise import Search, SearchLimits
from actions.traffic.sumo.program import StagedPlan, staged, write_programs
from actions.traffic.sumo.scenario import Scenario, open_scenario
from actions.traffic.sumo.verify import ACTUATED, FRESH_SEEDS, IN_PLACE, MAX_PRESSURE, OURS, WEBSTER, verify
from city.jobs import JobContext

PLAN_FILE, REPORT_FILE = "plan.add.xml", "report.json"


def run(
    net: str,
    context: JobContext,
    routes: Sequence[str] = (),
    additional: Sequence[str] = (),
    begin_s: float | None = None,
    end_s: float | None = None,
    time_s: float = 120.0,
    seeds: Sequence[int] = FRESH_SEEDS,
    min_cycle_s: float = 30.0,
    max_cycle_s: float = 120.0,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Optimise all traffic lights of a scenario as a job; see `optimise` for what is returned.

    `about` is kept in the result unchanged.
    """
    scenario = open_scenario(net, routes, additional, begin_s, end_s)
    limits = SearchLimits(time_s=time_s, min_cycle_s=min_cycle_s, max_cycle_s=max_cycle_s)
    report = optimise(scenario, limits, seeds, context.keep, context.progress)
    report["about"] = dict(about or {})
    return report


def optimise(
    scenario: Scenario,
    limits: SearchLimits | None = None,
    seeds: Sequence[int] = FRESH_SEEDS,
    folder: Path | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> dict[str, Any]:
    """Search for a plan and prove it.

    Args:
        scenario: network and demand.
        limits: what the search may cost.
        seeds: fresh seeds for the proof.
        folder: where to write `plan.add.xml` (ours, only if recommended) and `report.json`.
        progress: called with a share of 1 and what is being done.

    Returns:
        The verdict as plain data, with plans by traffic light.

    Raises:
        TrafficError: the input cannot be used or SUMO cannot run.
    """
    report_to = progress or (lambda share, text: None)
    search = Search(scenario, limits, lambda share, text: report_to(0.7 * share, f"search {text}"))
    found = search.run()
    verdict = verify(
        scenario,
        search.net,
        {IN_PLACE: found.in_place, WEBSTER: found.webster, OURS: found.best},
        seeds,
        (ACTUATED, MAX_PRESSURE),
        progress=lambda share, text: report_to(0.7 + 0.3 * share, f"verify {text}"),
    )
    report = {
        **verdict.to_dict(),
        "search": {"runs": found.runs, "seconds": round(found.seconds, 1), "trail": found.trail},
        "signals": {
            tls: {
                "in_place": describe(found.in_place[tls]),
                "webster": describe(found.webster[tls]),
                "ours": describe(found.best[tls]),
                "conflicts": sorted(
                    {c for s in found.best[tls].stages for c in conflicting_greens(search.net, tls, s.state)}
                ),
            }
            for tls in found.best
        },
    }
    if folder is not None:
        if verdict.recommended:
            write_programs(found.best.values(), folder / PLAN_FILE)
        (folder / REPORT_FILE).write_text(json.dumps(report, ensure_ascii=False, indent=1), "utf-8")
    return report


def prove_file(
    scenario: Scenario,
    plan: Path,
    seeds: Sequence[int] = FRESH_SEEDS,
    progress: Callable[[float, str], None] | None = None,
) -> dict[str, Any]:
    """Prove the plan in an additional file against the one in place, actuated and max-pressure control.

    Raises:
        TrafficError: the input cannot be used or SUMO cannot run.
    """
    if not plan.is_file():
        raise NetworkError(f"{plan}：找不到该文件。", f"{plan}: no such file; check the path")
    try:
        tags = {element.tag for _, element in ET.iterparse(plan)}
    except (ET.ParseError, OSError) as error:
        raise NetworkError(
            f"{plan}：不是完整的 XML 文件（{error}）。",
            f"{plan}: is no complete XML file ({error}); export it again",
        ) from None
    if "tlLogic" not in tags:
        raise NetworkError(
            f"{plan}：没有信号方案（tlLogic）。",
            f"{plan}: holds no signal plan (tlLogic); name the plan's file",
        )
    net = read_net(scenario.net, scenario.additional)
    found = {tls: staged(net, program) for tls, program in net.programs.items()}
    in_place = {tls: p for tls, p in found.items() if p is not None}
    verdict = verify(scenario, net, {IN_PLACE: in_place}, seeds, programs={OURS: plan}, progress=progress)
    return verdict.to_dict()


def describe(plan: StagedPlan) -> dict[str, Any]:
    """Return a plan as plain data."""
    return {
        "cycle_s": plan.cycle_s,
        "offset_s": plan.offset_s,
        "order": [n + 1 for n in plan.order],
        "stages": [
            {
                "stage": s.number + 1,
                "green_s": s.green_s,
                "min_green_s": s.min_green_s,
                "transition_s": s.transition_s,
                "state": s.state,
            }
            for s in plan.stages
        ],
    }
