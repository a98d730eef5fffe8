"""`chengda traffic` on the user's own files."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from actions.traffic.service import TrafficService
from actions.traffic.sumo.from_counts import write_demand
from actions.traffic.sumo.net import read_net
from actions.traffic.sumo.program import staged, write_programs
from actions.traffic.sumo.simulate import available
from chengda.traffic import app

DEMO = Path(__file__).resolve().parents[3] / "actions" / "traffic" / "demo"
RUN = CliRunner()
needs_sumo = pytest.mark.skipif(not available(), reason="libsumo is not installed")


def run(*arguments: object) -> tuple[int, str]:
    result = RUN.invoke(app, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize("method", ["least-squares", "gradient-descent"])
def test_the_simplest_table_predicts_ten(tmp_path: Path, method: str) -> None:
    table = tmp_path / "traffic_flow.csv"
    table.write_text("traffic_flow,signal_light_time\n0,0\n1,2\n2,4\n3,6\n4,8\n", "utf-8")
    status, text = run("fit", table, "--predict", "5", "--method", method)
    assert status == 0
    assert "10" in text and "MAE" in text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"traffic_flow,signal_light_time\n",
        b"a,b\n1,2\n",
        b"\xff\xfe\x00\x01",
        b"traffic_flow,signal_light_time\nx,y\n1,1\n",
    ],
)
def test_a_table_that_is_none_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    table = tmp_path / "flows.csv"
    table.write_bytes(content)
    status, text = run("fit", table, "--predict", "5")
    assert status == 1
    assert "flows.csv" in text.replace(" ", "")


@needs_sumo
def test_todays_plan_is_no_better_than_itself(tmp_path: Path, service: TrafficService) -> None:
    net = DEMO / "arterial.net.xml"
    network = read_net(net)
    plans = [plan for p in network.programs.values() if (plan := staged(network, p)) is not None]
    same = write_programs(plans, tmp_path / "same.add.xml")
    study = service.desk.study(service.intersections["renmin-wenhua"], "morning")
    demand = write_demand(study.junction, study.intersection.sumo, tmp_path)
    status, text = run("verify", net, "-r", demand, "--plan", same, "--begin", 0, "--end", 60, "--seeds", 2)
    assert status == 2
    assert "keep today's plan" in text and "in_place" in text and "actuated" in text


@needs_sumo
@pytest.mark.parametrize("content", ["<additional><tlLogic", "<additional/>", ""])
def test_a_plan_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    plan = tmp_path / "plan.add.xml"
    plan.write_text(content, "utf-8")
    status, text = run("verify", DEMO / "arterial.net.xml", "-r", DEMO / "arterial.rou.xml", "--plan", plan)
    assert status == 1
    assert "plan.add.xml" in text.replace(" ", "")
