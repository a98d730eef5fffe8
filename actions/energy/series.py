"""A load on a regular grid of time, and the record of what was repaired in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pandas as pd

from actions.energy.errors import BadStep, TooFewRows


@dataclass(frozen=True)
class Note:
    """One kind of repair or remark: how many values, where first and last, and what was done."""

    code: str
    count: int
    zh: str
    en: str
    first: str = ""
    last: str = ""

    def text(self, language: str) -> str:
        """Return the remark in `language`."""
        return self.zh if language == "zh" else self.en


@dataclass
class QualityReport:
    """What came in and what was done to it."""

    rows: int = 0
    unit: str = ""
    native_step_min: float = 0.0
    coverage: float = 1.0
    notes: list[Note] = field(default_factory=list)

    def add(self, code: str, count: int, zh: str, en: str, first: object = "", last: object = "") -> None:
        """Record `count` values treated alike; nothing is recorded for none."""
        if count:
            self.notes.append(
                Note(code, int(count), zh.format(n=count), en.format(n=count), str(first), str(last))
            )

    def count(self, code: str) -> int:
        """Return how many values a kind of remark covers."""
        return sum(note.count for note in self.notes if note.code == code)


@dataclass(frozen=True)
class LoadSeries:
    """Mean power per step.

    Args:
        name: what is measured.
        index: start of each step, time-zone aware, regular in UTC.
        power_kw: mean power of each step in kW, shape (n,), NaN where unknown.
        filled: true where the value was filled in, shape (n,).
        temperature_c: outdoor temperature in °C, shape (n,), or `None`.
        quality: what was repaired.
    """

    name: str
    index: pd.DatetimeIndex
    power_kw: np.ndarray
    filled: np.ndarray
    temperature_c: np.ndarray | None = None
    quality: QualityReport = field(default_factory=QualityReport)

    @property
    def step_min(self) -> int:
        """Length of a step in minutes."""
        if len(self.index) < 2:
            raise TooFewRows(self.name, rows=len(self.index), purpose=("确定步长", "a step"), needed=2)
        return int((self.index[1] - self.index[0]).total_seconds() // 60)

    @property
    def step_h(self) -> float:
        """Length of a step in hours."""
        return self.step_min / 60

    @property
    def per_day(self) -> int:
        """Steps in 24 hours."""
        return max(1, 1440 // self.step_min)

    @property
    def energy_kwh(self) -> np.ndarray:
        """Energy of each step in kWh, shape (n,)."""
        return self.power_kw * self.step_h

    @property
    def end(self) -> pd.Timestamp:
        """The moment at which the last step ends."""
        return self.index[-1] + pd.Timedelta(minutes=self.step_min)

    def __len__(self) -> int:
        return len(self.index)

    def at(self, keep: slice | np.ndarray) -> LoadSeries:
        """Return the steps chosen by a slice or a mask that leaves them contiguous."""
        temperature_c = None if self.temperature_c is None else self.temperature_c[keep]
        return replace(
            self,
            index=self.index[keep],
            power_kw=self.power_kw[keep],
            filled=self.filled[keep],
            temperature_c=temperature_c,
        )

    def between(self, start: datetime | pd.Timestamp, end: datetime | pd.Timestamp) -> LoadSeries:
        """Return the steps that begin in [start, end), both aware."""
        low, high = self.index.searchsorted(pd.Timestamp(start)), self.index.searchsorted(pd.Timestamp(end))
        return self.at(slice(int(low), int(high)))

    def to_step(self, step_min: int) -> LoadSeries:
        """Return the series at a coarser step (means; a step more than half unknown stays unknown).

        Raises:
            BadStep: when `step_min` is finer than the series or no multiple of its step.
        """
        if step_min == self.step_min:
            return self
        if step_min % self.step_min:
            raise BadStep(
                self.name,
                step=f"{self.step_min} min",
                needed=f"{step_min} min",
                purpose=("换算", "resampling"),
            )
        frame = pd.DataFrame({"kw": self.power_kw, "filled": self.filled.astype(float)}, index=self.index)
        if self.temperature_c is not None:
            frame["t"] = self.temperature_c
        rule = pd.Timedelta(minutes=step_min)
        grouped = frame.tz_convert("UTC").resample(rule, origin="start_day" if step_min < 1440 else "start")
        out, known = grouped.mean(), grouped["kw"].count()
        kw = out["kw"].where(known * 2 >= step_min / self.step_min)
        return replace(
            self,
            index=pd.DatetimeIndex(out.index).tz_convert(self.index.tz),
            power_kw=kw.to_numpy(),
            filled=(out["filled"] > 0).to_numpy(),
            temperature_c=out["t"].to_numpy() if "t" in out else None,
        )

    def complete(self) -> np.ndarray:
        """Return power with the last unknown stretches filled from the same time a week or a day before or after.

        For models that need every value; shape (n,), kW.
        """
        values = pd.Series(self.power_kw.copy())
        for lag in (7 * self.per_day, self.per_day):
            for sign in (1, -1):
                values = values.fillna(values.shift(sign * lag))
        return values.interpolate(limit_direction="both").fillna(0.0).to_numpy()


def need_days(series: LoadSeries, days: float, purpose: tuple[str, str]) -> None:
    """Raise `TooFewRows` unless `series` covers `days` days with at least half of its steps known."""
    known = int(np.isfinite(series.power_kw).sum())
    needed = int(np.ceil(days * 24 * 60 / (series.step_min if len(series) > 1 else 60)))
    if len(series) < needed or known * 2 < needed:
        raise TooFewRows(series.name, rows=known, purpose=purpose, needed=needed)


def need_load(series: LoadSeries) -> None:
    """Raise `AllZeros` when nothing but zero was ever measured."""
    from actions.energy.errors import AllZeros

    if not np.nanmax(np.abs(series.power_kw), initial=0.0) > 0:
        raise AllZeros(series.name)
