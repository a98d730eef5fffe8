"""Cumulative meter readings: told apart from interval energy, and turned into mean power."""

from __future__ import annotations

import numpy as np

from actions.energy.series import QualityReport


def looks_cumulative(values: np.ndarray, seconds: np.ndarray) -> bool:
    """Return whether values over more than a day and a half all but never fall, as a register's do."""
    known = values[np.isfinite(values)]
    if len(known) < 24 or seconds[-1] - seconds[0] < 36 * 3600:
        return False
    steps = np.diff(known)
    falls = int((steps < 0).sum())
    allowed = 0.002 * len(steps) + (2 if len(known) > 200 else 0)
    return bool(falls <= allowed and (steps > 0).mean() > 0.05)


def increments(
    seconds: np.ndarray, readings_kwh: np.ndarray, step_min: int, report: QualityReport
) -> tuple[int, np.ndarray]:
    """Turn readings into mean power per step; energy between readings is conserved.

    Returns:
        (first second of the grid, power in kW of shape (n,)); NaN over unknown energy and gaps above 7 days.
    """
    known = np.isfinite(readings_kwh)
    times, values = seconds[known], readings_kwh[known].copy()
    lone = np.zeros(len(values), dtype=bool)
    if len(values) > 2:  # one low or high reading that the next one takes back
        before, after = values[:-2], values[2:]
        typical = np.median(np.abs(np.diff(values))) + 1e-9
        dip = (values[1:-1] < before - 3 * typical) & (after >= before)
        jump = (values[1:-1] > after + 3 * typical) & (after >= before)
        lone[1:-1] = dip | jump
    report.add(
        "glitch", int(lone.sum()), "{n} 个孤立的错误示数，已略去", "{n} single false readings were left out"
    )
    times, values = times[~lone], values[~lone]
    energy = np.diff(values)
    falls = energy < 0
    if falls.any():
        energy = _resets(values, energy, falls, report)
    width = step_min * 60
    first = int(times[0] // width * width)
    edges = np.arange(first, int(times[-1]) + width, width, dtype=np.int64)
    # between two readings the energy is spread evenly; where it is unknown, so are the steps it touches
    total = np.concatenate(([0.0], np.cumsum(np.nan_to_num(energy))))
    at_edges = np.interp(edges, times, total)
    kw = np.diff(at_edges) / (width / 3600)
    starts, ends = times[:-1], times[1:]
    long = (ends - starts) > 7 * 86400
    for k in np.flatnonzero(np.isnan(energy) | long):
        kw[max(0, (starts[k] - first) // width) : (ends[k] - first + width - 1) // width] = np.nan
    spread = (ends - starts) > 2 * width
    report.add(
        "spread",
        int((spread & ~long & np.isfinite(energy)).sum()),
        "{n} 段抄表间隔较长：总电量可靠，时段内按平均分摊",
        "{n} longer pauses between readings: the total is exact, the shape inside is even",
    )
    if len(kw) and edges[-1] > times[-1]:
        covered = (times[-1] - edges[-2]) / width
        kw[-1] = kw[-1] / covered if covered > 0.5 else np.nan
    if times[0] > first and len(kw):
        covered = 1 - (times[0] - first) / width
        kw[0] = kw[0] / covered if covered > 0.5 else np.nan
    return first, kw[:-1] if len(kw) > 1 and np.isnan(kw[-1]) else kw


def _resets(values: np.ndarray, energy: np.ndarray, falls: np.ndarray, report: QualityReport) -> np.ndarray:
    """Mend register overflows (99 999.9 to 0); leave the energy around a replaced meter unknown."""
    out = energy.copy()
    typical = float(np.median(energy[energy > 0])) if (energy > 0).any() else 0.0
    overflow = replaced = 0
    for k in np.flatnonzero(falls):
        rim = 10.0 ** np.ceil(np.log10(max(values[k], 1.0)))
        step = rim - values[k] + values[k + 1]
        if values[k] > 0.9 * rim and values[k + 1] < 0.1 * rim and step <= 20 * typical:
            out[k] = step
            overflow += 1
        else:
            out[k] = np.nan
            replaced += 1
    report.add("overflow", overflow, "{n} 次示数满位归零，已补算", "{n} register overflows were added up")
    report.add(
        "reset",
        replaced,
        "{n} 次示数倒退（换表或清零），该间隔电量未知",
        "{n} resets or meter changes; the energy across each is unknown",
    )
    return out


__all__ = ["increments", "looks_cumulative"]
