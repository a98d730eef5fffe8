"""Measures signal plans on SUMO networks: `python benchmarks/traffic.py --data ../shared/data/traffic`.

Mean delay (timeLoss + departDelay over all vehicles) of the plan in place, SUMO's own Webster tool, our Webster, our
plan, actuated and max-pressure control, over the same fresh seeds in one run. SUMO's tool comes with the wheel
`eclipse-sumo`; set SUMO_HOME to its folder, else that column is left out. Writes `benchmarks/traffic.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from actions.traffic.errors import SimulationError  # noqa: E402
from actions.traffic.sumo.optimise import Search, SearchLimits  # noqa: E402
from actions.traffic.sumo.scenario import Scenario, open_scenario  # noqa: E402
from actions.traffic.sumo.simulate import library, simulate  # noqa: E402
from actions.traffic.sumo.verify import ACTUATED, IN_PLACE, MAX_PRESSURE, OURS, WEBSTER, verify  # noqa: E402

SUMO_TOOL = "sumo_webster"
NAMES = (IN_PLACE, SUMO_TOOL, WEBSTER, OURS, ACTUATED, MAX_PRESSURE)


def sumo_webster(scenario: Scenario, folder: Path, home: str) -> Path | None:
    """Return the plan of SUMO's tlsCycleAdaptation.py, or `None` when the tool is missing or fails."""
    tool = Path(home) / "tools" / "tlsCycleAdaptation.py"
    if not home or not tool.is_file():
        return None
    routes, plan = folder / "routes.xml", folder / "sumo-webster.add.xml"
    simulate(scenario, 1, routes_out=routes)
    command = [sys.executable, str(tool), "-n", str(scenario.net), "-r", str(routes), "-o", str(plan)]
    done = subprocess.run(
        [*command, "-b", f"{scenario.begin_s:g}", "-p", "sumo_webster"],
        capture_output=True,
        text=True,
        env={**os.environ, "SUMO_HOME": home, "PYTHONPATH": str(Path(home) / "tools")},
        check=False,
    )
    if done.returncode or not plan.is_file():
        print(f"  SUMO's tool failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return plan


def measure(scenario: Scenario, seeds: range, time_s: float, home: str) -> dict[str, Any]:
    """Search a plan and simulate all of them."""
    with tempfile.TemporaryDirectory() as name:
        tool = sumo_webster(scenario, Path(name), home)
        search = Search(scenario, SearchLimits(time_s=time_s))
        found = search.run()
        verdict = verify(
            scenario,
            search.net,
            {IN_PLACE: found.in_place, WEBSTER: found.webster, OURS: found.best},
            seeds,
            programs={SUMO_TOOL: tool} if tool else None,
        )
    return {
        **verdict.to_dict(),
        "runs": found.runs,
        "search_s": round(found.seconds, 1),
        "plans_found": {
            t: {"greens_s": p.greens_s, "order": p.order, "cycle_s": p.cycle_s, "offset_s": p.offset_s}
            for t, p in found.best.items()
        },
    }


def main() -> None:
    """Run the benchmark and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "traffic")
    parser.add_argument("--net", type=Path, action="append", default=[], help="further networks or .sumocfg")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--time", type=float, default=90.0, help="seconds of search for each network")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "traffic.json")
    arguments = parser.parse_args()
    home = os.environ.get("SUMO_HOME", "")
    library()
    cases = [arguments.data / name / f"{name}.sumocfg" for name in ("cologne1", "ingolstadt1")]
    cases += [ROOT / "actions" / "traffic" / "demo" / "arterial.net.xml", *arguments.net]
    results: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "seeds": arguments.seeds,
    }
    print(f"| network | {' | '.join(NAMES)} | gain (95 %) |\n|{'---|' * (len(NAMES) + 2)}")
    for path in cases:
        if not path.is_file():
            print(f"{path}: not there, left out", file=sys.stderr)
            continue
        name = path.name.split(".")[0]
        try:
            result = measure(open_scenario(path), range(1, arguments.seeds + 1), arguments.time, home)
        except SimulationError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        results[name] = result
        cells = [f"{result['plans'][n]['delay_s']:.1f}" if n in result["plans"] else "–" for n in NAMES]
        gain = f"{result['gain']:.0%} ({result['gain_low']:.0%} to {result['gain_high']:.0%})"
        print(f"| {name} | {' | '.join(cells)} | {gain} |", flush=True)
        arguments.out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
