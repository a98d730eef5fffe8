"""The simplest case: flow to green time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actions.traffic.errors import FitError
from actions.traffic.linear import (
    fit_gradient_descent,
    fit_least_squares,
    mean_absolute_error,
    read_flow_table,
)

FLOWS, GREENS = [0, 1, 2, 3, 4], [0, 2, 4, 6, 8]


def test_the_table_predicts_ten_for_a_flow_of_five(tmp_path: Path) -> None:
    table = tmp_path / "traffic_flow.csv"
    table.write_text("traffic_flow,signal_light_time\n0,0\n1,2\n2,4\n3,6\n4,8\n")
    model = fit_least_squares(*read_flow_table(table))
    assert model.predict(5) == pytest.approx(10)
    assert model.interval(5) == pytest.approx((10, 10))
    assert (model.slope, model.intercept_s, model.mae_s) == (pytest.approx(2), 0.0, 0.0)


def test_gradient_descent_reports_the_error_of_every_epoch() -> None:
    model = fit_gradient_descent(FLOWS, GREENS, epochs=200)
    assert model.predict(5) == pytest.approx(10, abs=1e-6)
    assert len(model.epoch_mae_s) == 200
    assert model.epoch_mae_s[0] > model.epoch_mae_s[20] > model.epoch_mae_s[-1]


def test_check_of_the_metric() -> None:
    assert mean_absolute_error([0, 1.8, 3.8, 6.0, 8.4], GREENS) == pytest.approx(0.16)
    with pytest.raises(FitError):
        mean_absolute_error([1], [1, 2])


def test_interval_covers_noisy_data_and_residuals_are_checked() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        x = rng.uniform(0, 20, 30)
        model = fit_least_squares(x, 5 + 1.5 * x + rng.normal(0, 2, 30))
        low, high = model.interval(10)
        hits += low <= 20 + rng.normal(0, 2) <= high
    assert 0.9 <= hits / 200 <= 0.99
    x = rng.uniform(1, 20, 300)
    wedge = fit_least_squares(x, 50 + 2 * x + rng.normal(0, 1, 300) * x)
    assert wedge.residuals.equal_variance_p is not None and wedge.residuals.equal_variance_p < 0.05
    assert not wedge.residuals.sound
    assert wedge.extrapolates(200) and not wedge.extrapolates(12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "traffic_flow is missing"),
        ("traffic_flow,signal_light_time\n1,x\n2,3\n", "line 2"),
        ("traffic_flow,signal_light_time\n-1,2\n2,3\n", "0 or more"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "t.csv"
    table.write_text(text)
    with pytest.raises(FitError, match=message):
        read_flow_table(table)


def test_too_few_rows_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FitError, match="different flows"):
        fit_least_squares([1, 1], [2, 3])
    with pytest.raises(FitError, match="no such file"):
        read_flow_table(tmp_path / "none.csv")
    with pytest.raises(FitError):
        fit_gradient_descent(FLOWS, GREENS, epochs=0)
