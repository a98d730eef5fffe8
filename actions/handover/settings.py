"""The `handover:` section of city.yml."""

from __future__ import annotations

import re
from datetime import date, time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Extra, Field, root_validator, validator

from city.settings import Bilingual

DayName = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"]
_CLOCK = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)$|^24:00$")


class _Section(BaseModel):
    class Config:
        extra = Extra.forbid
        allow_mutation = False
        allow_population_by_field_name = True


class WindowSection(_Section):
    """Hours on some days; `to` before `from` ends on the next day, "24:00" is midnight."""

    days: list[DayName] = Field(min_items=1)
    begin: str = Field(alias="from")
    end: str = Field(alias="to")

    @validator("begin", "end")
    def _clock(cls, value: str) -> str:
        if not _CLOCK.match(value):
            raise ValueError(f"{value!r} is no time of day; write it as 08:30")
        return value

    @root_validator(skip_on_failure=True)
    def _some_time(cls, values: dict[str, str]) -> dict[str, str]:
        if values["begin"] == values["end"] or values["begin"] == "24:00":
            raise ValueError("from and to must differ, and from must be before 24:00")
        return values


class TeamSection(_Section):
    """Operators who answer some topics. A team without operators is answered by all."""

    id: str = Field(regex=r"^[a-z][a-z0-9-]{0,30}$")
    name: Bilingual
    topics: list[str] = []
    operators: list[str] = []


class ReasonSection(_Section):
    """Why a conversation was closed."""

    id: str = Field(regex=r"^[a-z][a-z0-9-]{0,30}$")
    name: Bilingual


_ALL_DAYS: list[DayName] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"]
_ALWAYS = WindowSection.parse_obj({"days": _ALL_DAYS, "from": "00:00", "to": "24:00"})
_REASONS = [
    ReasonSection(id="solved", name=Bilingual(zh="已解决", en="Solved")),
    ReasonSection(id="informed", name=Bilingual(zh="已解答", en="Informed")),
    ReasonSection(id="referred", name=Bilingual(zh="已转其他部门", en="Referred to another office")),
    ReasonSection(id="no-answer", name=Bilingual(zh="市民未回应", en="The citizen did not answer")),
    ReasonSection(id="abuse", name=Bilingual(zh="骚扰或辱骂", en="Abuse")),
]


class HandoverSection(_Section):
    """Who is there when, and how long things may take; times ending in `_s` are seconds."""

    hours: list[WindowSection] = [_ALWAYS]
    holidays: str = Field("", regex=r"^([A-Z]{2})?$")
    closed: list[date] = []
    opened: list[date] = []
    teams: list[TeamSection] = []
    close_reasons: list[ReasonSection] = _REASONS
    canned: Path | None = None
    rules: Path | None = None
    offer_after_misses: int = Field(2, ge=0, le=20)
    hand_over_after_misses: int = Field(4, ge=0, le=20)
    most_per_operator: int = Field(4, ge=1, le=50)
    queue_limit: int = Field(200, ge=1, le=100_000)
    asks_per_hour: int = Field(6, ge=1, le=1000)
    presence_timeout_s: float = Field(60.0, ge=1, le=3600)
    give_up_after_s: float = Field(900.0, ge=1, le=86_400)
    idle_close_s: float = Field(1800.0, ge=10, le=604_800)
    handling_s: float = Field(360.0, ge=10, le=86_400)
    pickup_s: float = Field(30.0, ge=0, le=3600)
    rate_within_h: float = Field(24.0, gt=0, le=720)
    keep_days: int = Field(180, ge=1, le=3650)
    request_category: str = "other_report"
    telephone_channels: list[str] = ["phone"]
    store_url: str = ""

    @validator("holidays")
    def _country(cls, value: str) -> str:
        from holidays import list_supported_countries

        if value and value not in list_supported_countries():
            raise ValueError(f"{value!r} is no country whose holidays are known; use a code such as CN")
        return value

    @validator("teams", "close_reasons")
    def _different(cls, value: list[TeamSection]) -> list[TeamSection]:
        names = [item.id for item in value]
        if len(set(names)) < len(names):
            raise ValueError("holds the same id twice; give each its own")
        return value


def clock(value: str) -> tuple[time, int]:
    """Return a time of day and how many days later it is ("24:00" is 00:00 one day later)."""
    if value == "24:00":
        return time(0, 0), 1
    return time.fromisoformat(value), 0
