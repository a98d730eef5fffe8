"""The `energy:` section of `city.yml`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Extra, Field, validator


class EnergySection(BaseModel):
    """What `city.yml` says about energy.

    Args:
        site: file that names buildings, meters, tariffs and outages (see `actions/energy/demo/site.yml`).
        country: ISO 3166 code whose public holidays count; "" for none.
        co2_kg_per_kwh: of the grid's electricity.
        refresh_minutes: how long read meters are kept before they are read again.
    """

    class Config:
        extra = Extra.forbid
        allow_mutation = False

    site: Path = Path("actions/energy/demo/site.yml")
    country: str = "CN"
    co2_kg_per_kwh: float = Field(default=0.5366, ge=0, le=3)
    refresh_minutes: int = Field(default=30, ge=1, le=1440)

    @validator("country")
    def _known(cls, value: str) -> str:
        from actions.energy.calendars import known_country

        if not known_country(value):
            raise ValueError(
                f"{value!r} is no country whose holidays are known; use a code such as CN, or leave it empty"
            )
        return value
