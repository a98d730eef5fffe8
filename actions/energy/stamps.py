"""Parses columns of times, batch by batch, in the notations that meters and spreadsheets write."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from actions.energy.errors import AmbiguousDates, MixedTimeZones

DateOrder = Literal["", "dmy", "mdy"]
UNKNOWN = np.iinfo(np.int64).min

_OFFSET = r"(?:[+-]\d{2}:?\d{2}|[+-]\d{2}|Z|z)$"
_AWARE = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*" + _OFFSET)
_SLASHED = re.compile(r"^(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4})")
_YEAR_FIRST = re.compile(r"^\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}")
_FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


@dataclass
class Stamps:
    """Seconds since 1970 of every row; local wall time when `aware` is false. `UNKNOWN` marks unreadable ones."""

    seconds: np.ndarray
    aware: bool
    bad: int
    example: tuple[int, str] = (0, "")
    offsets: set[str] = field(default_factory=set)


def parse_stamps(
    values: pd.Series, order: DateOrder = "", first_row: int = 2, aware: bool | None = None
) -> Stamps:
    """Parse one batch of a time column.

    Args:
        values: the cells as text (or numbers, or datetimes), shape (n,).
        order: for dates such as 01/02/2026, whether the day or the month comes first; "" decides from the data.
        first_row: row number of the first cell, for messages.
        aware: whether earlier batches carried offsets.

    Raises:
        AmbiguousDates, MixedTimeZones.
    """
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return Stamps(
            _seconds(values.dt.tz_convert("UTC").dt.tz_localize(None)), True, int(values.isna().sum())
        )
    if values.dtype.kind == "M":
        return Stamps(_seconds(values), False, int(values.isna().sum()))
    text = values.astype("string").str.strip()
    sample = text.dropna()
    sample = sample[sample != ""].head(500)
    if sample.empty:
        return Stamps(np.full(len(text), UNKNOWN), bool(aware), 0)
    if sample.str.fullmatch(r"\d{9,13}(\.0+)?").mean() > 0.9 and not sample.str.fullmatch(r"2\d{11}").all():
        return _epoch(text, first_row)
    if sample.str.fullmatch(r"\d{8}|\d{12}|\d{14}").mean() > 0.9:
        width = int(sample.str.len().mode()[0])
        return _done(text, pd.to_datetime(text, format=_FORMATS[width], errors="coerce"), first_row, False)
    return _calendar(text, sample, order, first_row, aware)


def _epoch(text: pd.Series, first_row: int) -> Stamps:
    number = pd.to_numeric(text, errors="coerce").to_numpy(float, na_value=np.nan)
    scale = 1000.0 if np.nanmedian(number) > 1e11 else 1.0
    seconds = np.where(np.isfinite(number), np.nan_to_num(number) / scale, UNKNOWN).astype(np.int64)
    bad = ~np.isfinite(number) & (text.fillna("") != "").to_numpy(bool)
    where = int(np.argmax(bad)) if bad.any() else 0
    return Stamps(seconds, True, int(bad.sum()), (first_row + where, str(text.iloc[where])))


def _calendar(
    text: pd.Series, sample: pd.Series, order: DateOrder, first_row: int, aware: bool | None
) -> Stamps:
    odd = sample.str.contains(r"[年/.]|24:00", regex=True).any() or bool(sample.str.match(_SLASHED).any())
    if odd or text.str.contains("24:00", regex=False).any():
        text = _plain(text, order)
    tail = text.str.slice(-6)
    looks_aware = tail.str.contains(r"[+-]\d{2}:?\d{2}$|[Zz]$", regex=True).fillna(False).to_numpy(bool)
    if looks_aware.any():  # "2016-07-01" also ends in -01: ask the full pattern
        looks_aware = text.str.contains(_AWARE).fillna(False).to_numpy(bool)
    filled = (text.fillna("") != "").to_numpy(bool)
    if (looks_aware.any() and (filled & ~looks_aware).any()) or (
        aware is not None and filled.any() and bool(looks_aware.any()) != aware
    ):
        parses = pd.to_datetime(text[filled & ~looks_aware], errors="coerce", format="mixed")
        if (aware is not None and bool(looks_aware.any()) != aware) or parses.notna().any():
            aware_text = str(text[looks_aware].iloc[0]) if looks_aware.any() else "…+08:00"
            naive = parses.dropna()
            raise MixedTimeZones(
                aware=aware_text,
                naive=str(text[naive.index[0]]) if len(naive) else str(text[filled].iloc[0]),
            )
    is_aware = bool(looks_aware.any())
    parsed = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=is_aware)
    if parsed.isna().sum() > (~filled).sum():
        rest = parsed.isna().to_numpy() & filled
        parsed = parsed.copy()
        parsed[rest] = pd.to_datetime(text[rest], errors="coerce", format="mixed", utc=is_aware)
    result = _done(text, parsed, first_row, is_aware)
    if is_aware:
        result.offsets = set(text[looks_aware].str.extract(f"({_OFFSET})")[0].dropna().unique())
    return result


def _plain(text: pd.Series, order: DateOrder) -> pd.Series:
    """Rewrite 2016年7月1日 8时, 2016/7/1 8:00, 1/7/2016 and 24:00 in ISO form."""
    text = text.str.replace(r"[年月]", "-", regex=True).str.replace(r"日\s*", " ", regex=True)
    text = text.str.replace(r"时(\d{1,2})分?", r":\1", regex=True).str.replace("时", ":00", regex=False)
    text = text.str.replace(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", r"\1-\2-\3", regex=True)
    parts = text.str.extract(_SLASHED)
    if parts[0].notna().any():
        first, second = parts[0].dropna().astype(int), parts[1].dropna().astype(int)
        if not order:
            if first.max() > 12 and second.max() <= 12:
                order = "dmy"
            elif second.max() > 12 and first.max() <= 12:
                order = "mdy"
            else:
                raise AmbiguousDates(value=str(text[parts[0].notna()].iloc[0]))
        swap = r"\3-\2-\1" if order == "dmy" else r"\3-\1-\2"
        text = text.str.replace(_SLASHED, swap, regex=True)
    text = text.str.replace(r"^(\d{4})-(\d)(?=-)", r"\1-0\2", regex=True)
    text = text.str.replace(r"^(\d{4}-\d{2})-(\d)(?!\d)", r"\1-0\2", regex=True)
    text = text.str.replace(r"[ T](\d):", r" 0\1:", regex=True).str.strip()
    midnight = text.str.contains(r"[ T]24:00(?::00)?", regex=True).fillna(False).to_numpy(bool)
    if midnight.any():  # the end of a day is the start of the next
        days = pd.to_datetime(text[midnight].str.slice(0, 10), errors="coerce") + pd.Timedelta(days=1)
        text = text.copy()
        text[midnight] = days.dt.strftime("%Y-%m-%d 00:00")
    return text


def _done(text: pd.Series, parsed: pd.Series, first_row: int, aware: bool) -> Stamps:
    if aware:
        parsed = parsed.dt.tz_localize(None)
    bad = parsed.isna().to_numpy() & (text.fillna("") != "").to_numpy(bool)
    where = int(np.argmax(bad)) if bad.any() else 0
    return Stamps(_seconds(parsed), aware, int(bad.sum()), (first_row + where, str(text.iloc[where])))


def _seconds(naive: pd.Series) -> np.ndarray:
    values = naive.to_numpy().astype("datetime64[s]")
    seconds = values.astype(np.int64)
    seconds[np.isnat(values)] = UNKNOWN
    return seconds


def looks_like_time(values: list[str]) -> bool:
    """Return whether most of a few cells read as moments."""
    cells = [value.strip() for value in values if value.strip()]
    hits = sum(
        bool(
            _YEAR_FIRST.match(c)
            or _SLASHED.match(c)
            or re.fullmatch(r"(1\d{9}|1\d{12}|[12]\d{11}|[12]\d{13})", c)
        )
        for c in cells
    )
    return bool(cells) and hits * 10 >= len(cells) * 8
