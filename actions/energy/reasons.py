"""Why a load differed from its usual: the hours in which it did, and the weather's part."""

# Texts for people run longer than code.

from __future__ import annotations

import numpy as np
import pandas as pd

from actions.energy.service import Analysis


def hours_of_difference(
    index: pd.DatetimeIndex, gap_kw: np.ndarray, step_h: float, total_kwh: float, zh: bool
) -> list[str]:
    """Name the stretch of the day in which most of the difference arose."""
    if abs(total_kwh) < 1 or not len(index):
        return []
    by_hour = pd.Series(np.nan_to_num(gap_kw) * step_h).groupby(np.asarray(index.hour)).sum()
    signed = by_hour * np.sign(total_kwh)
    hot = [int(h) for h in signed.index[signed > 0.5 * signed.max()]]
    if not hot or len(hot) > 16:
        return []
    best: list[int] = []
    run: list[int] = []
    for hour in hot + [h + 24 for h in hot]:  # a night runs over midnight
        run = [*run, hour] if run and hour == run[-1] + 1 else [hour]
        if len(run) > len(best) and len(run) <= 24:
            best = run
    share = float(signed[[h % 24 for h in best]].sum() / max(1e-9, signed[signed > 0].sum()))
    span = f"{best[0] % 24}:00–{(best[-1] + 1) % 24}:00"
    if zh:
        return [f"- 差别主要在 {span}（占 {min(share, 1):.0%}）"]
    return [f"- most of it arose between {span} ({min(share, 1):.0%})"]


def weather_part(analysis: Analysis, low: int, high: int, zh: bool) -> list[str]:
    """Say how much the weather of steps [low, high) explains against the four weeks before."""
    series, profile = analysis.series, analysis.profile
    if series.temperature_c is None:
        return []
    now = float(np.nanmean(series.temperature_c[low:high]))
    back = max(0, low - 28 * series.per_day)
    if back >= low:
        return []
    usual = float(np.nanmean(series.temperature_c[back:low]))
    kwh = (
        float(
            np.nansum(profile.weather_kw[low:high]) - np.nanmean(profile.weather_kw[back:low]) * (high - low)
        )
        * series.step_h
    )
    if abs(kwh) < 0.01 * float(np.nansum(series.power_kw[low:high]) * series.step_h):
        if zh:
            return [f"- 天气不是原因：平均气温 {now:.1f} °C，前四周 {usual:.1f} °C"]
        return [f"- not the weather: mean {now:.1f} °C, {usual:.1f} °C in the four weeks before"]
    if zh:
        return [
            f"- 天气：平均气温 {now:.1f} °C（前四周 {usual:.1f} °C），影响约 {kwh:+,.0f} kWh（已计入“平时”）"
        ]
    return [
        f"- weather: mean {now:.1f} °C ({usual:.1f} °C in the four weeks before), about {kwh:+,.0f} kWh (already part of the usual)"
    ]
