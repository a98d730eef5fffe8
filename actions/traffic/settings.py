"""The `traffic:` section of city.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Extra, Field, validator


class _Section(BaseModel):
    class Config:
        extra = Extra.forbid
        allow_mutation = False


class LiveSection(_Section):
    """Where live observations come from.

    `kind`: "demo" makes plausible ones up and says so, "ngsi-ld" asks a FIWARE context broker, "json" and "csv" fetch a
    table over HTTP, "none" leaves only forecasts.
    """

    kind: Literal["none", "demo", "ngsi-ld", "json", "csv"] = "none"
    url: str = ""
    parking_url: str = ""
    tenant: str = ""
    timeout_s: float = Field(4.0, gt=0, le=60)
    retries: int = Field(2, ge=0, le=5)
    cache_s: float = Field(60.0, ge=0)
    stale_after_s: float = Field(900.0, gt=0)

    @validator("url", "parking_url")
    def _http(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError(f"{value!r} is no HTTP address; write it as https://broker.example.org")
        return value.rstrip("/")


class TrafficSection(_Section):
    """Files and limits of the traffic module; relative paths start from city.yml's folder."""

    intersections: Path
    counts: Path
    streets: Path | None = None
    street_history: Path | None = None
    roadworks: Path | None = None
    parking: Path | None = None
    places: Path | None = None
    network: Path | None = None
    demand: Path | None = None
    live: LiveSection = LiveSection.parse_obj({})
    min_cycle_s: float = Field(40.0, ge=20, le=300)
    max_cycle_s: float = Field(120.0, ge=30, le=300)
    search_s: float = Field(60.0, ge=5, le=3600)
    seeds: int = Field(5, ge=3, le=50)

    @validator("max_cycle_s")
    def _order(cls, value: float, values: dict[str, float]) -> float:
        if value < values.get("min_cycle_s", 0):
            raise ValueError("is under min_cycle_s; give a longer one")
        return value
