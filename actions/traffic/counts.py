"""Counts per lane group from CSV: units, intervals and bad rows checked, one tidy table out.

Columns: `intersection, lane_group, start, volume` and either `minutes` (5, 15 or 60) or a unit in the header
or in a column `unit`: `veh` (vehicles in the interval) or `veh/h`. Times may carry a UTC offset; without one they
are the city's local time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from actions.traffic.errors import CountsError, NoDemandError, UnknownUnitError

INTERVALS_MIN = (5, 15, 60)
MOST_VPH_PER_LANE = 2600.0
UNITS = {
    "veh": "veh",
    "vehicles": "veh",
    "辆": "veh",
    "veh/h": "veh/h",
    "vph": "veh/h",
    "辆/小时": "veh/h",
    "pcu/h": "veh/h",
}
ALIASES: Mapping[str, tuple[str, ...]] = {
    "intersection": ("intersection", "intersection_id", "junction", "路口", "路口编号"),
    "lane_group": ("lane_group", "lane_group_id", "movement", "车道组"),
    "start": ("start", "timestamp", "time", "interval_start", "开始时间", "时间"),
    "volume": ("volume", "count", "volume_veh", "volume_vph", "流量"),
    "minutes": ("minutes", "interval_min", "interval", "间隔分钟"),
    "unit": ("unit", "units", "单位"),
}


@dataclass
class CountsReport:
    """What was wrong with a table; the rows concerned were left out, except gaps, which are only counted."""

    rows: int = 0
    used: int = 0
    negative: list[int] = field(default_factory=list)
    absurd: list[int] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    duplicated: list[int] = field(default_factory=list)
    clock_change: list[int] = field(default_factory=list)
    missing_intervals: int = 0

    def problems(self, language: str) -> list[str]:
        """Return one sentence for each kind of problem, with the first line numbers."""
        texts = {
            "negative": ("流量为负", "negative volume"),
            "absurd": ("流量超过物理上限", "more vehicles than a lane can carry"),
            "unreadable": ("无法解析时间或数值", "time or number cannot be read"),
            "duplicated": ("重复的记录", "duplicated row"),
            "clock_change": (
                "处于夏令时切换的不存在或重复的时刻",
                "a local time skipped or repeated by a clock change",
            ),
        }
        found = []
        for name, (zh, en) in texts.items():
            lines = getattr(self, name)
            if lines:
                some = ", ".join(map(str, lines[:5])) + (" …" if len(lines) > 5 else "")
                found.append(
                    f"{len(lines)} 行{zh}（第 {some} 行），已略去。"
                    if language == "zh"
                    else f"{len(lines)} rows: {en} (lines {some}); left out."
                )
        if self.missing_intervals:
            found.append(
                f"缺少 {self.missing_intervals} 个时间段。"
                if language == "zh"
                else f"{self.missing_intervals} intervals are missing."
            )
        return found


@dataclass(frozen=True)
class Counts:
    """A tidy table with columns intersection, lane_group, start (aware), minutes, volume_vph."""

    table: pd.DataFrame
    report: CountsReport
    zone: ZoneInfo

    def intersections(self) -> list[str]:
        """Return the ids of the intersections counted."""
        return sorted(self.table["intersection"].unique())

    def period_vph(
        self, intersection: str, start: time, end: time, weekdays: frozenset[int] = frozenset(range(5))
    ) -> dict[str, float]:
        """Return the mean flow of each lane group in a daily period, in veh/h, over the latest 28 days.

        Args:
            intersection: id of the intersection.
            start: local time at which the period begins.
            end: local time at which it ends.
            weekdays: days of the week, Monday is 0.

        Raises:
            NoDemandError: nothing was counted then.
        """
        table = self.table[self.table["intersection"] == intersection]
        if not table.empty:
            local = table["start"].dt
            minute = local.hour * 60 + local.minute
            low, high = start.hour * 60 + start.minute, end.hour * 60 + end.minute
            inside = (minute >= low) & (minute < high) if low < high else (minute >= low) | (minute < high)
            recent = table["start"] > table["start"].max() - pd.Timedelta(days=28)
            table = table[inside & recent & local.dayofweek.isin(list(weekdays))]
        if table.empty or table["volume_vph"].sum() <= 0:
            raise NoDemandError(
                f"{intersection}：{start:%H:%M}–{end:%H:%M} 没有流量数据，请检查检测器或换一个时段。",
                f"{intersection}: no traffic counted {start:%H:%M}–{end:%H:%M}; check the detectors or choose another period",
            )
        return {str(k): float(v) for k, v in table.groupby("lane_group")["volume_vph"].mean().items()}

    def series(self, intersection: str, minutes: int = 15) -> pd.Series:
        """Return the intersection's total flow in veh/h by time."""
        table = self.table[self.table["intersection"] == intersection]
        total = table.groupby("start")["volume_vph"].sum().sort_index()
        return total.resample(f"{minutes}min").mean() if len(total) else total


def read_counts(
    path: Path | str, zone: ZoneInfo, lanes: Mapping[tuple[str, str], int] | None = None
) -> Counts:
    """Read counts from a CSV, gzipped or plain.

    Args:
        path: the file.
        zone: the city's time zone.
        lanes: number of lanes by (intersection, lane group), for the check of absurd volumes.

    Raises:
        CountsError: the file is missing, is no table, or has no usable row.
        UnknownUnitError: a unit is not known, or there is none.
    """
    path = Path(path)
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise CountsError(
            f"{path}：找不到该文件，请检查路径。", f"{path}: no such file; check the path"
        ) from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise CountsError(
            f"{path}：不是有效的 CSV（{error}）。",
            f"{path}: is no valid CSV ({error}); save it as UTF-8 with commas",
        ) from None
    columns = _columns(raw, path)
    frame = raw.rename(columns={v: k for k, v in columns.items()})
    report = CountsReport(rows=len(frame))
    frame["line"] = np.arange(2, len(frame) + 2)
    frame["number"] = pd.to_numeric(frame["volume"], errors="coerce")
    frame["minutes"] = _minutes(frame, path)
    frame["unit"] = _units(frame, columns, path)
    frame["when"], clock = _times(frame["start"], zone)
    report.clock_change = frame.loc[clock, "line"].tolist()
    frame = frame[~clock]
    bad = frame["number"].isna() | frame["when"].isna() | ~np.isfinite(frame["number"].fillna(0.0))
    report.unreadable = frame.loc[bad, "line"].tolist()
    frame = frame[~bad]
    negative = frame["number"] < 0
    report.negative = frame.loc[negative, "line"].tolist()
    frame = frame[~negative].copy()
    factor = np.where(frame["unit"] == "veh", 60.0 / frame["minutes"], 1.0)
    frame["volume_vph"] = frame["number"] * factor
    most = [
        MOST_VPH_PER_LANE * (lanes or {}).get((i, g), 6 if lanes is None else 3)
        for i, g in zip(frame["intersection"], frame["lane_group"], strict=True)
    ]
    absurd = frame["volume_vph"] > np.asarray(most)
    report.absurd = frame.loc[absurd, "line"].tolist()
    frame = frame[~absurd]
    double = frame.duplicated(["intersection", "lane_group", "when"], keep="first")
    report.duplicated = frame.loc[double, "line"].tolist()
    frame = frame[~double]
    if frame.empty:
        raise CountsError(
            f"{path}：没有可用的数据行。{' '.join(report.problems('zh'))}",
            f"{path}: no usable rows. {' '.join(report.problems('en'))}",
        )
    table = frame[["intersection", "lane_group", "when", "minutes", "volume_vph"]].rename(
        columns={"when": "start"}
    )
    report.used = len(table)
    report.missing_intervals = _missing(table)
    return Counts(table.reset_index(drop=True), report, zone)


def _columns(raw: pd.DataFrame, path: Path) -> dict[str, str]:
    names = {str(name).strip().lower(): str(name) for name in raw.columns}
    found = {}
    for key, aliases in ALIASES.items():
        column = next((names[a] for a in aliases if a in names), None)
        if column is not None:
            found[key] = column
        elif key in {"intersection", "lane_group", "start", "volume"}:
            raise CountsError(
                f"{path} 第 1 行：缺少列 {key}（可用名称：{'、'.join(aliases)}）。",
                f"{path} line 1: column {key} is missing (known names: {', '.join(aliases)})",
            )
    return found


def _minutes(frame: pd.DataFrame, path: Path) -> pd.Series:
    if "minutes" in frame:
        minutes = pd.to_numeric(frame["minutes"], errors="coerce")
        wrong = ~minutes.isin(INTERVALS_MIN)
        if wrong.any():
            line = int(frame.loc[wrong, "line"].iloc[0])
            raise CountsError(
                f"{path} 第 {line} 行：统计间隔须为 5、15 或 60 分钟。",
                f"{path} line {line}: the interval must be 5, 15 or 60 minutes",
            )
        return minutes
    stamps = pd.to_datetime(frame["start"], errors="coerce", utc=True).drop_duplicates().sort_values()
    steps = stamps.diff().dt.total_seconds().dropna() / 60
    step = float(steps.mode().iloc[0]) if len(steps) else 0.0
    if step not in INTERVALS_MIN:
        raise CountsError(
            f"{path}：无法判断统计间隔，请加一列 minutes（5、15 或 60）。",
            f"{path}: the interval is unclear; add a column minutes (5, 15 or 60)",
        )
    return pd.Series(step, index=frame.index)


def _units(frame: pd.DataFrame, columns: Mapping[str, str], path: Path) -> pd.Series:
    if "unit" in frame:
        units = frame["unit"].str.strip().str.lower().map(UNITS)
        if units.isna().any():
            row = frame[units.isna()].iloc[0]
            raise UnknownUnitError(
                f"{path} 第 {row['line']} 行：单位 {row['unit']!r} 未知，请用 veh 或 veh/h。",
                f"{path} line {row['line']}: unknown unit {row['unit']!r}; use veh or veh/h",
            )
        return units
    header = columns["volume"].strip().lower()
    if header.endswith("_vph"):
        return pd.Series("veh/h", index=frame.index)
    if header.endswith("_veh") or header == "count":
        return pd.Series("veh", index=frame.index)
    raise UnknownUnitError(
        f"{path}：没有单位，请加一列 unit（veh 或 veh/h），或把列名写成 volume_veh、volume_vph。",
        f"{path}: no unit; add a column unit (veh or veh/h), or call the column volume_veh or volume_vph",
    )


def _times(raw: pd.Series, zone: ZoneInfo) -> tuple[pd.Series, pd.Series]:
    """Return aware local times, and which rows name a local time that a clock change skipped or repeated."""
    values: dict[str, pd.Timestamp | None] = {}
    doubtful: dict[str, bool] = {}
    for text in raw.unique():
        try:
            when = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        except ValueError:
            values[text], doubtful[text] = None, False
            continue
        if when.tzinfo is None:
            early, late = when.replace(tzinfo=zone), when.replace(tzinfo=zone, fold=1)
            doubtful[text] = early.utcoffset() != late.utcoffset()
            when = early
        else:
            doubtful[text] = False
        values[text] = pd.Timestamp(when.astimezone(zone))
    stamps = pd.to_datetime(raw.map(values), utc=True).dt.tz_convert(zone)
    return stamps, raw.map(doubtful).astype(bool)


def _missing(table: pd.DataFrame) -> int:
    missing = 0
    for _, group in table.groupby(["intersection", "lane_group"]):
        span = (group["start"].max() - group["start"].min()).total_seconds() / 60
        missing += max(0, round(span / float(group["minutes"].iloc[0])) + 1 - len(group))
    return missing
