"""Turns raw measurements into a `LoadSeries`: checks, repairs, and says what it did."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from actions.energy.columns import ReadOptions
from actions.energy.errors import (
    BadStep,
    FutureStamps,
    IrregularStep,
    NegativeValues,
    TooFewRows,
    UnknownZone,
    WrongUnit,
)
from actions.energy.meters import increments, looks_cumulative
from actions.energy.reading import Measured
from actions.energy.series import LoadSeries, QualityReport
from actions.energy.stamps import UNKNOWN

_STEPS_MIN = (15, 30, 60, 120, 180, 240, 360, 480, 720, 1440)
_SHORT_GAP_H = 2
_LONG_GAP_DAYS = 7
_SENTINEL_TIMES = 50.0


def to_series(
    raw: Measured, options: ReadOptions | None = None, now: datetime | None = None, name: str = ""
) -> LoadSeries:
    """Put measurements on a regular grid of 15 minutes or coarser and repair what can honestly be repaired.

    Args:
        raw: what was read.
        options: zone of naive times, and whether negative values are meant.
        now: aware; later stamps are dropped. Default: the clock.
        name: replaces the name of the file.

    Raises:
        EnergyError: a named subclass says what is wrong.
    """
    options = options or ReadOptions()
    report = QualityReport(rows=raw.rows, unit=raw.unit)
    report.add(
        "bad_numbers",
        raw.bad_numbers,
        "{n} 个值不是数字，按缺失处理",
        "{n} values are no numbers and count as missing",
    )
    report.add(
        "bad_times",
        raw.bad_times,
        "{n} 行时间无法识别，已略去",
        "{n} rows without a readable time were left out",
    )
    report.add(
        "skipped_lines",
        raw.skipped_lines,
        "{n} 行的列数不对，已略去",
        "{n} lines with a wrong number of cells were left out",
    )
    if len(raw.offsets) > 1:
        report.add(
            "mixed_offsets",
            len(raw.offsets),
            "时间带有 {n} 种时区偏移，均已换算为统一时区",
            "times carry {n} different UTC offsets; all were converted",
        )
    zone = _zone(options.zone)
    keep = raw.seconds != UNKNOWN
    seconds, values = raw.seconds[keep], raw.values[keep]
    warmth = raw.temperature_c[keep] if raw.temperature_c is not None else None
    if not raw.aware:
        seconds = _localise(seconds, zone, report)
    seconds, values, warmth = _drop_future(seconds, values, warmth, now, report)
    if np.isfinite(values).sum() < 2 or len(np.unique(seconds[:1000])) + (len(seconds) > 1000) < 2:
        rows = int(np.isfinite(values).sum()) if len(np.unique(seconds)) > 1 else min(1, len(seconds))
        raise TooFewRows(raw.name, rows=rows, purpose=("确定步长", "finding the step"), needed=2)
    seconds, values, warmth = _sort_unique(seconds, values, warmth, report)
    native_s, share = _native_step(seconds)
    report.native_step_min = native_s / 60
    quantity = raw.quantity
    if quantity == "energy" and looks_cumulative(values, seconds):
        quantity = "meter"
        report.add(
            "cumulative",
            1,
            "数值一直递增，按电表累计示数处理",
            "values only ever rise: read as cumulative meter readings",
        )
    if quantity == "power" and looks_cumulative(values, seconds):
        raise WrongUnit(
            raw.name,
            unit=raw.unit,
            reason=(
                "数值一直递增，像电表示数（meter_kWh）",
                "values only ever rise, like readings (meter_kWh)",
            ),
        )
    step_min = _grid_step(native_s, share, quantity, raw.name)
    if quantity == "meter":
        start, kw = increments(seconds, values, step_min, report)
    else:
        kw_native = values / (native_s / 3600) if quantity == "energy" else values
        kw_native = _check_sign(kw_native, options.net, raw.name, report)
        kw_native = _drop_sentinels(kw_native, report)
        start, kw = _bucket(seconds, kw_native, step_min, native_s)
    index = pd.DatetimeIndex(
        pd.to_datetime(start + np.arange(len(kw), dtype=np.int64) * step_min * 60, unit="s", utc=True)
    ).tz_convert(options.zone)
    temperature_c = None
    if warmth is not None:
        _, temperature_c = _bucket(seconds, warmth, step_min, native_s, start, len(kw))
        temperature_c = pd.Series(temperature_c).interpolate(limit=24 * 60 // step_min).to_numpy()
        if np.isfinite(temperature_c).mean() < 0.8:
            temperature_c = None
    report.coverage = float(np.isfinite(kw).mean())
    kw, filled = _fill(kw, step_min, index, report)
    return LoadSeries(name or raw.name, index, kw, filled, temperature_c, report)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownZone(zone=name) from None


def _localise(seconds: np.ndarray, zone: ZoneInfo, report: QualityReport) -> np.ndarray:
    """Convert local wall time to UTC; of an hour that comes twice the first is summer time."""
    if not len(seconds):
        return seconds
    edges = np.array([seconds.min(), seconds.max()])
    probe = pd.date_range(
        pd.Timestamp(int(edges[0]), unit="s"),
        pd.Timestamp(int(edges[1]), unit="s") + pd.Timedelta(days=1),
        freq="1D",
    ).tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    offsets = np.array([stamp.utcoffset().total_seconds() for stamp in probe], dtype=np.int64)
    if len(np.unique(offsets)) == 1:
        return seconds - offsets[0]
    naive = pd.DatetimeIndex(pd.to_datetime(seconds, unit="s"))
    second_time = pd.Series(seconds).duplicated().to_numpy()
    aware = naive.tz_localize(zone, ambiguous=~second_time, nonexistent="NaT")
    gone = np.asarray(aware.isna())
    plain = naive.tz_localize(zone, ambiguous=~second_time, nonexistent="shift_forward")
    utc = np.asarray(plain.tz_convert("UTC").tz_localize(None)).astype("datetime64[s]").astype(np.int64)
    wall = seconds - utc
    doubled = second_time & (wall != np.roll(wall, 1))
    report.add(
        "clock_forward",
        int(gone.sum()),
        "{n} 个时间落在夏令时拨快跳过的一小时里，已后移",
        "{n} stamps lie in the hour that the clock skips; moved forward",
    )
    report.add(
        "clock_back",
        int(doubled.sum()),
        "{n} 个时间属于夏令时结束重复的一小时，按先后区分",
        "{n} stamps lie in the hour that the clock repeats; told apart by order",
    )
    return utc


def _drop_future(
    seconds: np.ndarray,
    values: np.ndarray,
    warmth: np.ndarray | None,
    now: datetime | None,
    report: QualityReport,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    limit = int((now or datetime.now(timezone.utc)).timestamp())
    late = seconds > limit
    if len(seconds) and late.all():
        raise FutureStamps(
            now=datetime.fromtimestamp(limit, timezone.utc).strftime("%Y-%m-%d"),
            first=str(pd.Timestamp(int(seconds.min()), unit="s"))[:16],
        )
    if late.any():
        report.add(
            "future",
            int(late.sum()),
            "{n} 条记录的时间在未来，已略去",
            "{n} rows lie in the future and were left out",
        )
        keep = ~late
        return seconds[keep], values[keep], warmth[keep] if warmth is not None else None
    return seconds, values, warmth


def _sort_unique(
    seconds: np.ndarray, values: np.ndarray, warmth: np.ndarray | None, report: QualityReport
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    steps = np.diff(seconds)
    if (steps < 0).any():
        report.add(
            "unsorted",
            int((steps < 0).sum()),
            "{n} 处时间次序颠倒，已排序",
            "{n} places were out of order; sorted",
        )
        order = np.argsort(seconds, kind="stable")
        seconds, values = seconds[order], values[order]
        warmth = warmth[order] if warmth is not None else None
        steps = np.diff(seconds)
    if not (steps == 0).any():
        return seconds, values, warmth
    frame = pd.DataFrame({"s": seconds, "v": values})
    if warmth is not None:
        frame["w"] = warmth
    groups = frame.groupby("s", sort=True)
    spread = groups["v"].max() - groups["v"].min()
    differing = int((spread > 1e-9).sum())
    report.add("duplicates", int((steps == 0).sum()), "{n} 条重复时间的记录", "{n} rows repeat a time")
    report.add(
        "conflicts",
        differing,
        "其中 {n} 个时间的数值互相矛盾，取平均",
        "{n} of these times have differing values; averaged",
    )
    mean = groups.mean()
    return (
        mean.index.to_numpy(np.int64),
        mean["v"].to_numpy(),
        mean["w"].to_numpy() if warmth is not None else None,
    )


def _native_step(seconds: np.ndarray) -> tuple[int, float]:
    """Return the commonest distance of stamps in seconds, and the share of distances that are multiples of it."""
    apart = np.diff(seconds)
    if (apart == apart[0]).all():
        return int(apart[0]), 1.0
    distances, counts = np.unique(apart, return_counts=True)
    step = int(distances[np.argmax(counts)])
    return step, float(counts[distances % step == 0].sum() / counts.sum())


def _grid_step(native_s: int, share: float, quantity: str, name: str) -> int:
    if quantity == "energy" and share < 0.9:
        raise IrregularStep(name, share=f"{share:.0%}")
    for step in _STEPS_MIN:
        if step * 60 >= native_s and (
            step * 60 % native_s == 0 or share < 0.9 or native_s < 300 or quantity == "meter"
        ):
            return step
    raise BadStep(name, step=f"{native_s / 86400:.1f} d", needed="1 d", purpose=("分析", "analysis"))


def _check_sign(kw: np.ndarray, net: bool, name: str, report: QualityReport) -> np.ndarray:
    negative = kw < 0
    if net or not negative.any():
        return kw
    share = negative.sum() / max(1, np.isfinite(kw).sum())
    if share > 0.01:
        raise NegativeValues(name, share=f"{share:.1%}")
    report.add(
        "negative", int(negative.sum()), "{n} 个负值，按缺失处理", "{n} negative values count as missing"
    )
    return np.where(negative, np.nan, kw)


def _drop_sentinels(kw: np.ndarray, report: QualityReport) -> np.ndarray:
    """Take out values such as 65535 or 1e9 that no load reaches: over 50 times the 99.5th percentile."""
    size = np.abs(kw[np.isfinite(kw)])
    limit = _SENTINEL_TIMES * float(np.percentile(size, 99.5)) if len(size) else 0.0
    wild = np.abs(kw) > limit
    if limit <= 0 or not wild.any():
        return kw
    report.add(
        "sentinels",
        int(wild.sum()),
        "{n} 个值大得不可能（如 65535），按缺失处理",
        "{n} impossible values (such as 65535) count as missing",
    )
    return np.where(wild, np.nan, kw)


def _bucket(
    seconds: np.ndarray,
    kw: np.ndarray,
    step_min: int,
    native_s: int,
    start: int | None = None,
    count: int | None = None,
) -> tuple[int, np.ndarray]:
    """Average samples into steps; a step with less than half of its samples stays unknown."""
    width = step_min * 60
    phase = (
        int(np.bincount((seconds[:10000] % width) // 60, minlength=1).argmax()) * 60
        if native_s >= width
        else 0
    )
    first = int((seconds[0] - phase) // width * width + phase) if start is None else start
    slot = (seconds - first) // width
    inside = (slot >= 0) & np.isfinite(kw)
    if count is not None:
        inside &= slot < count
    size = int(slot[-1]) + 1 if count is None else count
    total = np.bincount(slot[inside], weights=kw[inside], minlength=size)
    number = np.bincount(slot[inside], minlength=size)
    enough = number * 2 >= min(width / native_s, np.median(number[number > 0]) if number.any() else 1)
    return first, np.where(enough & (number > 0), total / np.maximum(number, 1), np.nan)


def _fill(
    kw: np.ndarray, step_min: int, index: pd.DatetimeIndex, report: QualityReport
) -> tuple[np.ndarray, np.ndarray]:
    """Fill gaps up to 2 h along a line and up to 7 days from the neighbouring weeks; leave longer ones unknown."""
    missing = np.isnan(kw)
    if not missing.any():
        return kw, missing
    edges = np.flatnonzero(np.diff(np.concatenate(([0], missing.astype(np.int8), [0]))))
    spans = list(zip(edges[::2], edges[1::2], strict=False))
    out = kw.copy()
    day = max(1, 1440 // step_min)
    tally = {"short": 0, "week": 0, "left": 0}
    for begin, end in spans:
        length = end - begin
        inner = begin > 0 and end < len(kw)
        if inner and length * step_min <= _SHORT_GAP_H * 60:
            out[begin:end] = np.interp(np.arange(begin, end), [begin - 1, end], [kw[begin - 1], kw[end]])
            tally["short"] += length
        elif length <= _LONG_GAP_DAYS * day:
            where = np.arange(begin, end)
            shifts = [where + k * 7 * day for k in (-3, -2, -1, 1, 2, 3)]
            near = [
                np.where((s >= 0) & (s < len(kw)), kw[np.clip(s, 0, len(kw) - 1)], np.nan) for s in shifts
            ]
            table = np.stack(near)
            known = np.isfinite(table).any(axis=0)
            out[where[known]] = np.nanmedian(table[:, known], axis=0)
            tally["week"] += int(known.sum())
            tally["left"] += int((~known).sum())
        else:
            tally["left"] += length
    first, last = (
        index[spans[0][0]].strftime("%Y-%m-%d %H:%M"),
        index[spans[-1][1] - 1].strftime("%Y-%m-%d %H:%M"),
    )
    report.add(
        "gap_short",
        tally["short"],
        "{n} 个缺失时段（不超过 2 小时）按直线补上",
        "{n} missing steps (gaps up to 2 h) were interpolated",
        first,
        last,
    )
    report.add(
        "gap_week",
        tally["week"],
        "{n} 个缺失时段按前后几周同一时刻的中位数补上",
        "{n} missing steps were filled with the median of the same time in nearby weeks",
        first,
        last,
    )
    report.add(
        "gap_left",
        tally["left"],
        "{n} 个缺失时段没有依据可补，保持缺失",
        "{n} missing steps could not be filled honestly and stay missing",
        first,
        last,
    )
    return out, missing & np.isfinite(out)
