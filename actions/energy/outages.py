"""Planned outages of power, water, gas and heating, by district."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from actions.energy.errors import BadSite, FileUnreadable

UTILITIES = ("power", "water", "gas", "heating")
_COLUMNS = ("id", "utility", "district", "start", "end", "area_zh", "area_en", "reason_zh", "reason_en")


@dataclass(frozen=True)
class Outage:
    """One planned interruption; times aware."""

    id: str
    utility: str
    district: str
    start: datetime
    end: datetime
    area_zh: str
    area_en: str
    reason_zh: str
    reason_en: str

    def area(self, language: str) -> str:
        """Return the streets concerned in `language`."""
        return self.area_zh if language == "zh" else self.area_en

    def reason(self, language: str) -> str:
        """Return why, in `language`."""
        return self.reason_zh if language == "zh" else self.reason_en


def read_outages(
    text: str, zone: ZoneInfo, where: str = "outages.csv", today: datetime | None = None
) -> list[Outage]:
    """Read the table of outages.

    Args:
        text: CSV with the columns id, utility, district, start, end, area_zh, area_en, reason_zh, reason_en. A time is
            `2026-03-01 09:00`, or, in the demo, `+2 09:00` for two days from today.
        zone: of the times.
        where: name for messages.
        today: what `+0` means; default: the clock.

    Raises:
        BadSite: names the row and the column.
    """
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    missing = [name for name in _COLUMNS if name not in (rows.fieldnames or [])]
    if missing:
        raise BadSite(where, key=", ".join(missing), reason=("缺少此列", "this column is missing"))
    today = (today or datetime.now(zone)).astimezone(zone)
    out = []
    for line, row in enumerate(rows, 2):
        utility = (row["utility"] or "").strip()
        if utility not in UTILITIES:
            raise BadSite(
                where,
                key=f"{line}.utility",
                reason=(f"应为 {', '.join(UTILITIES)}", f"use one of {', '.join(UTILITIES)}"),
            )
        start, end = (_moment(row[name], zone, today, where, f"{line}.{name}") for name in ("start", "end"))
        if end <= start:
            raise BadSite(where, key=f"{line}.end", reason=("早于开始时间", "lies before the start"))
        rest = (str(row[name] or "").strip() for name in _COLUMNS[5:])
        out.append(Outage(str(row["id"]), utility, (row["district"] or "").strip(), start, end, *rest))
    return sorted(out, key=lambda outage: outage.start)


def load_outages(path: Path, zone: ZoneInfo, today: datetime | None = None) -> list[Outage]:
    """Read a file of outages; raises `FileUnreadable` or `BadSite`."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadable(str(path), reason=str(error)) from error
    return read_outages(text, zone, path.name, today)


def upcoming(
    outages: list[Outage],
    now: datetime,
    district: str = "",
    utility: str = "",
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[Outage]:
    """Return the outages not yet over, of one district and utility, that touch [start, end) where given."""
    return [
        outage
        for outage in outages
        if outage.end > now
        and (not district or outage.district in (district, "all"))
        and (not utility or outage.utility == utility)
        and (start is None or outage.end > start)
        and (end is None or outage.start < end)
    ]


def _moment(text: str | None, zone: ZoneInfo, today: datetime, where: str, key: str) -> datetime:
    text = (text or "").strip()
    try:
        if text.startswith("+"):
            days, clock = text[1:].split()
            day = today.date() + timedelta(days=int(days))
            return datetime.combine(day, datetime.strptime(clock, "%H:%M").time(), zone)
        return datetime.fromisoformat(text).replace(tzinfo=zone)
    except ValueError as error:
        raise BadSite(
            where,
            key=key,
            reason=(f"{text!r} 应写成 2026-03-01 09:00", f"{text!r} must be written as 2026-03-01 09:00"),
        ) from error
