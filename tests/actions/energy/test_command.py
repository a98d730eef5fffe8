import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from chengda.energy import app
from tests.actions.energy.helpers import office, rows

RUN = CliRunner()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    series = office(60)
    kw = series.power_kw.copy()
    kw[24 * 40 + 1 : 24 * 40 + 6] += 150
    path = tmp_path / "office.csv"
    path.write_text(rows(series.index, kw), "utf-8")
    return path


def run(*arguments: object) -> str:
    result = RUN.invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output + str(result.exception)
    return result.output


def test_report_is_one_page_with_charts(file: Path) -> None:
    for language, word in (("en", "Energy report"), ("zh", "用电报告")):
        run("report", file, "--language", language, "--measure", "2025-04-10", "--out", "out.html")
        page = Path("out.html").read_text("utf-8")
        assert word in page and page.count("data:image/png;base64,") >= 3 and "CV(RMSE)" in page
        assert "http://" not in page and "https://" not in page


def test_forecast_writes_quantiles(file: Path) -> None:
    assert "better than seasonal naive" in run("forecast", file, "--hours", 36, "--language", "en")
    table = list(csv.DictReader(Path("office.forecast.csv").read_text().splitlines()))
    assert len(table) == 36 and all(
        float(r["p10_kw"]) <= float(r["p50_kw"]) <= float(r["p90_kw"]) for r in table
    )


def test_anomalies_as_json(file: Path) -> None:
    run("anomalies", file, "--out", "found.json")
    found = json.loads(Path("found.json").read_text())
    assert any(f["start"].startswith("2025-04-12T01") for f in found)


def test_optimise_writes_a_schedule_that_balances(file: Path) -> None:
    assert "optimised" in run("optimise", file, "--battery-kwh", 200, "--battery-kw", 80)
    table = list(csv.DictReader(Path("office.schedule.csv").read_text().splitlines()))
    load, charge, discharge, grid = (
        np.array([float(r[k]) for r in table]) for k in ("load_kw", "charge_kw", "discharge_kw", "grid_kw")
    )
    assert grid == pytest.approx(load + charge - discharge, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["report", "nothing.csv"], "no such file"), (["forecast", "office.csv", "--unit", "litres"], "--unit"),
        (["optimise", "office.csv", "--battery-kwh", "1e9", "--battery-kw", "10"], "battery field"),
        (["report", "office.csv", "--column", "other"], "--column"), (["report", "office.csv", "--language", "fr"], "zh or en"),
    ],
)  # fmt: skip
def test_errors_are_one_line_and_exit_non_zero(file: Path, arguments: list[str], word: str) -> None:
    result = RUN.invoke(app, arguments)
    assert result.exit_code != 0 and "Traceback" not in result.output
    assert word in result.output + (result.stderr if result.stderr_bytes else "")
