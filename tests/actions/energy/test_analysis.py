import itertools
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from actions.energy import errors
from actions.energy.advice import find_savings, verify
from actions.energy.anomalies import find_anomalies
from actions.energy.bills import Tier, explain_change, monthly_cost, read_use
from actions.energy.calendars import HOLIDAY, MAKE_UP_WORKDAY, day_type, observed_kinds, rest_kinds
from actions.energy.demo_meters import KINDS, make_meter
from actions.energy.forecast import forecast
from actions.energy.linear import WindowEnsemble, WindowRidge, windows
from actions.energy.metrics import errors as forecast_errors
from actions.energy.metrics import pinball
from actions.energy.periods import Span, find_span
from actions.energy.phrases import FINDINGS, finding_text, saving_text
from actions.energy.plant import Battery, Plant
from actions.energy.profile import fit_profile
from actions.energy.rolling import make_plan, roll
from tests.actions.energy.helpers import TARIFF, index, office

NOW = datetime(2026, 3, 18, 10, 5, tzinfo=ZoneInfo("Asia/Shanghai"))


def with_fault(series, begin, end, change):
    kw = series.power_kw.copy()
    kw[begin:end] = change(kw[begin:end])
    return replace(series, power_kw=kw)


def kinds(series) -> set[str]:
    return {finding.kind for finding in find_anomalies(series, TARIFF)}


def test_a_normal_office_has_next_to_no_findings() -> None:
    assert len(find_anomalies(office(120), TARIFF)) <= 1


@pytest.mark.parametrize(
    ("begin", "end", "change", "kind"),
    [
        (24 * 43 + 20, 24 * 44 + 5, lambda kw: kw + 80, "high"),
        (24 * 44 + 9, 24 * 44 + 17, lambda kw: kw * 0.3, "low"),
        (24 * 44 + 3, 24 * 44 + 4, lambda kw: kw + 500, "spike"),
        (24 * 43, 24 * 44 + 12, lambda kw: np.full_like(kw, 57.25), "stuck"),
        (24 * 44 + 9, 24 * 44 + 15, lambda kw: kw * 0, "silent"),
        (24 * 60, None, lambda kw: kw * 1.35, "level_shift"),
    ],
)
def test_injected_faults_are_found(begin, end, change, kind) -> None:
    series = with_fault(office(120), begin, end, change)
    found = [f for f in find_anomalies(series, TARIFF) if f.kind == kind]
    assert found, kinds(series)
    assert abs(found[0].start - series.index[begin]) <= pd.Timedelta(days=1 if kind == "level_shift" else 0.1)


def test_a_raised_night_load_is_found_with_its_size_and_cost() -> None:
    series = office(120)
    night = (np.asarray(series.index.hour) < 6) & (np.arange(len(series)) >= 24 * 70)
    series = replace(series, power_kw=series.power_kw + 18 * night)
    found = [f for f in find_anomalies(series, TARIFF) if f.kind == "night_base_load"]
    assert len(found) == 1
    assert found[0].excess_kwh / (found[0].hours / 24) / 4 == pytest.approx(18, rel=0.15)
    assert found[0].cost == pytest.approx(found[0].excess_kwh * 0.68, rel=0.3)


def test_the_excess_is_priced_by_the_hour() -> None:
    series = with_fault(office(60), 24 * 30 + 1, 24 * 30 + 5, lambda kw: kw + 100)
    finding = next(f for f in find_anomalies(series, TARIFF) if f.kind == "high")
    assert finding.cost == pytest.approx(finding.excess_kwh * 0.34, rel=0.02)
    assert find_anomalies(series)[0].cost is None


def test_short_and_dead_series_are_refused() -> None:
    with pytest.raises(errors.TooFewRows):
        fit_profile(office(10))
    dead = replace(office(60), power_kw=np.zeros(60 * 24))
    for work in (fit_profile, find_anomalies, forecast):
        with pytest.raises(errors.AllZeros):
            work(dead)
    with pytest.raises(errors.TooFewRows):
        forecast(office(9))
    with pytest.raises(errors.BadStep):
        forecast(office(60).to_step(120))
    with pytest.raises(ValueError, match="hours"):
        forecast(office(60), 999)


def test_weather_explains_what_follows_the_temperature() -> None:
    series = office(200, start="2025-04-01")
    rng = np.random.default_rng(3)
    daily = np.repeat(24 + 6 * np.sin(np.arange(200) / 9) + rng.normal(0, 2, 200), 24)
    kw = series.power_kw + 6 * np.maximum(daily - 22, 0)
    warm = replace(series, power_kw=kw, temperature_c=daily)
    with_weather, without = fit_profile(warm), fit_profile(replace(warm, temperature_c=None))
    assert np.nanmean(np.abs(kw - with_weather.expected_kw)) < 0.6 * np.nanmean(
        np.abs(kw - without.expected_kw)
    )


def test_the_forecast_beats_naive_and_its_band_covers() -> None:
    series = office(200, noise=0.06)
    made = forecast(series, 48)
    assert len(made.index) == 48 and made.index[0] == series.end
    assert made.better_than_naive > 0.15
    score = made.scores[made.model]
    assert 0.7 <= score.coverage_80 <= 0.92
    assert (made.p10_kw <= made.p50_kw).all() and (made.p50_kw <= made.p90_kw).all()
    truth = 40 + 120 * ((made.index.hour >= 8) & (made.index.hour < 18) & (made.index.weekday < 5))
    assert np.abs(made.p50_kw - truth).mean() < 8


def test_quarter_hours_and_gaps_are_forecast_too() -> None:
    series = office(60, 15)
    kw = series.power_kw.copy()
    kw[2000:2600] = np.nan
    made = forecast(replace(series, power_kw=kw), 24)
    assert len(made.index) == 96 and made.step_min == 15 and np.isfinite(made.p50_kw).all()


def test_a_started_hour_does_not_shift_the_forecast() -> None:
    series = office(60, 15, noise=0.0)
    whole = forecast(series.at(slice(2, len(series) - 4 * 16)), 24)
    begun = forecast(series.at(slice(2, len(series) - 4 * 16 + 2)), 24)
    assert begun.index[0] == whole.index[0] == series.index[-4 * 16]
    assert begun.p50_kw == pytest.approx(whole.p50_kw, abs=1.0)


def test_metrics_by_hand() -> None:
    y, p = np.array([10.0, 20.0, 30.0]), np.array([12.0, 18.0, 33.0])
    score = forecast_errors(y, p, naive_mae=2.0, low=p - 5, high=p + 1)
    assert (
        score.mae_kw == pytest.approx(7 / 3)
        and score.wape == pytest.approx(7 / 60)
        and score.mase == pytest.approx(7 / 6)
    )
    assert score.mape == pytest.approx(np.mean([0.2, 0.1, 0.1])) and score.coverage_80 == pytest.approx(2 / 3)
    assert pinball(np.array([10.0]), np.array([8.0]), 0.9) == pytest.approx(1.8)
    assert forecast_errors(np.array([0.0, 5.0]), np.array([1.0, 5.0])).mape is None


def test_window_ridge_learns_a_linear_recursion() -> None:
    t = np.arange(1500)
    values = np.stack([np.sin(t / 24 * 2 * np.pi), np.cos(t / 24 * 2 * np.pi) + 3], axis=1)
    model = WindowEnsemble([WindowRidge(48, penalty=1e-6), WindowRidge(72, shared=False, penalty=1e-6)])
    model.fit(values, 12, np.arange(80, 1000), np.arange(1000, 1200))
    past, future = windows(values, model.back, 12, np.arange(1200, 1400))
    assert np.abs(model.predict(past) - future).max() < 1e-3


def test_days_of_the_chinese_calendar() -> None:
    assert day_type(date(2025, 10, 1)) == HOLIDAY and day_type(date(2025, 9, 28)) == MAKE_UP_WORKDAY
    assert day_type(date(2025, 10, 1), "") == 2


def test_rest_days_and_own_holidays_are_learnt() -> None:
    days = pd.date_range("2022-01-01", periods=1200)
    daily = np.where(days.weekday == 0, 20.0, 100.0)
    daily[(days.month == 6) & (days.day == 8)] = 20.0
    learnt = observed_kinds(days, daily[:1150], "CN")
    assert not (learnt[1150:][days[1150:].weekday == 1] == HOLIDAY).any()
    assert (learnt[(days.month == 6) & (days.day == 8)] == HOLIDAY).all()
    assert (learnt[(days.month == 10) & (days.day <= 7)] != HOLIDAY).sum() >= 18
    assert rest_kinds(daily, days.weekday.to_numpy()).tolist() == [True, *[False] * 6, True]


def test_savings_are_ranked_and_named_in_both_languages() -> None:
    series = make_meter("city_hall", NOW)
    profile = fit_profile(series)
    savings = find_savings(series, profile, find_anomalies(series, TARIFF), TARIFF, 0.5, (8, 18))
    assert savings and all(a.money_per_year >= b.money_per_year for a, b in itertools.pairwise(savings))
    for saving in savings:
        assert saving.co2_kg_per_year == pytest.approx(0.5 * saving.kwh_per_year)
        assert saving_text(saving, "zh", "CNY") != saving_text(saving, "en", "CNY")


def test_a_measure_is_verified_and_noise_is_not() -> None:
    series = office(200)
    edge = series.index[24 * 120]
    better = with_fault(series, 24 * 120, None, lambda kw: kw * 0.85)
    proof = verify(better, edge)
    assert proof.certain and proof.share == pytest.approx(0.15, abs=0.02)
    assert proof.low_kwh < 0.15 / 0.85 * proof.actual_kwh < proof.high_kwh
    assert abs(verify(series, edge).share) < 0.02
    with pytest.raises(errors.TooFewRows):
        verify(series, series.index[48])


@pytest.mark.parametrize("building", sorted(KINDS))
def test_demo_meters_repeat_and_show_their_faults(building: str) -> None:
    series = make_meter(building, NOW, days=150)
    assert np.array_equal(series.power_kw, make_meter(building, NOW, days=150).power_kw)
    assert series.end <= pd.Timestamp(NOW) and (series.power_kw > 0).all()
    quiet, loud = (find_anomalies(make_meter(building, NOW, 150, faults)) for faults in (False, True))
    assert len(quiet) <= 6
    wanted = {
        "city_hall": "high",
        "library": "night_base_load",
        "sports_centre": "level_shift",
        "service_centre": "stuck",
        "museum": "high",
        "hospital": "spike",
    }
    found = {f.kind for f in loud}
    assert wanted[building] in found or (building == "hospital" and "high" in found)
    for finding in loud:
        assert finding.kind in FINDINGS and finding_text(finding, "zh", "CNY") != finding_text(
            finding, "en", "CNY"
        )


def test_a_plan_holds_on_p90_and_rolls_day_by_day() -> None:
    series = office(70)
    made = forecast(series, 48)
    plant = Plant(Battery(150, 60, 60), import_limit_kw=300)
    plan = make_plan(made, TARIFF, plant)
    assert plan.saving >= -1e-6 and plan.saving_if_high >= -1e-6 and plan.over_limit_kw == 0
    stamps = index(3, start="2025-06-02")
    load = 40 + 120 * ((stamps.hour >= 8) & (stamps.hour < 18))
    bill, grid = roll(
        stamps,
        np.asarray(load, float),
        [np.asarray(load[24 * k :], float) for k in range(3)],
        TARIFF,
        plant,
        24,
    )
    idle = TARIFF.bill(stamps, np.asarray(load, float), 1.0)
    assert bill.total < idle.total and grid.max() <= load.max() + 1e-6


TODAY = date(2026, 3, 18)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("上周市政厅用电怎么样?", (3, 9), (3, 15)), ("last week", (3, 9), (3, 15)),
        ("昨天", (3, 17), (3, 17)), ("明天", (3, 19), (3, 19)),
        ("为什么周二这么高?", (3, 17), (3, 17)), ("why was Friday so high", (3, 13), (3, 13)), ("上周二", (3, 10), (3, 10)),
        ("last Tuesday", (3, 10), (3, 10)), ("上个月", (2, 1), (2, 28)), ("最近七天", (3, 11), (3, 17)),
        ("past 14 days", (3, 4), (3, 17)),
        ("未来24小时", (3, 19), (3, 19)), ("next week", (3, 23), (3, 29)), ("2月3日", (2, 3), (2, 3)), ("3 February", (2, 3), (2, 3)),
        ("in January", (1, 1), (1, 31)), ("今年", (1, 1), (3, 18)), ("2026-01-05", (1, 5), (1, 5)), ("下周三", (3, 25), (3, 25)),
    ],
)  # fmt: skip
def test_spans_of_time(text: str, first: tuple[int, int], last: tuple[int, int]) -> None:
    span = find_span(text, TODAY)
    assert span is not None
    assert (span.first, span.last) == (date(2026, *first), date(2026, *last))
    assert Span.from_state(span.to_state()) == span


def test_a_weekday_means_the_one_in_the_week_talked_about() -> None:
    week = find_span("上周", TODAY)
    assert find_span("为什么周二这么高", TODAY, week).first == date(2026, 3, 10)
    assert find_span("市政厅用了多少电", TODAY) is None
    assert find_span("may I see the meter", TODAY) is None


def test_bills_by_tier() -> None:
    tiers = (Tier(2400, 0.5), Tier(4800, 0.6), Tier(float("inf"), 0.9))
    assert monthly_cost(150, tiers) == (75.0, 1)
    assert monthly_cost(450, tiers)[0] == pytest.approx(100 + 120 + 45)
    change = explain_change(180, 450, tiers)
    assert change.use_part + change.tier_part == pytest.approx(change.after_cost - change.before_cost)
    assert change.tier == 3
    with pytest.raises(ValueError):
        monthly_cost(-1, tiers)


@pytest.mark.parametrize(
    ("text", "use"),
    [
        ("从200度涨到390度", [200, 390]), ("my use went from 180 to 410 kWh", [180, 410]), ("上个月180度，这个月390度", [180, 390]),
        ("这个月390度，上个月180度", [180, 390]), ("一个月三百多，花了500块", []), ("300 kWh a month", [300]),
    ],
)  # fmt: skip
def test_uses_are_read_from_words(text: str, use: list[float]) -> None:
    assert read_use(text) == use
