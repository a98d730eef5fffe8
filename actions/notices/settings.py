"""The `notices:` section of city.yml."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Extra, Field, validator

from city.settings import Bilingual


class _Section(BaseModel):
    class Config:
        extra = Extra.forbid
        allow_mutation = False


class DistrictSection(_Section):
    """A part of the city that people subscribe for: its names, its centre in degrees (WGS 84), its reach in km."""

    id: str = Field(regex=r"^[a-z][a-z0-9-]{0,30}$")
    name: Bilingual
    lat: float | None = Field(None, ge=-90, le=90)
    lon: float | None = Field(None, ge=-180, le=180)
    radius_km: float = Field(4.0, gt=0, le=500)
    codes: list[str] = []


class CapSection(_Section):
    """Where CAP alerts come from: a folder of files, addresses that are asked, and signed POSTs.

    `senders` lists who is believed; left empty, everyone is who comes by one of these ways. The secret that POSTs are
    signed with is in the environment, `CHENGDA_CAP_SECRET`.
    """

    folder: Path | None = None
    urls: list[str] = []
    senders: list[str] = []
    poll_s: float = Field(60.0, ge=1, le=86_400)
    timeout_s: float = Field(15.0, gt=0, le=120)
    max_bytes: int = Field(1_000_000, ge=1_000, le=50_000_000)
    default_hours: float = Field(24.0, gt=0, le=720)

    @validator("urls", each_item=True)
    def _http(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError(f"{value!r} is no HTTP address; write it as https://alerts.example.org/cap.xml")
        return value


class NoticesSection(_Section):
    """Districts, and where alerts come from."""

    districts: list[DistrictSection] = []
    cap: CapSection = CapSection.parse_obj({})
    store_url: str = ""
    keep_days: int = Field(365, ge=1, le=3650)

    @validator("districts")
    def _different(cls, value: list[DistrictSection]) -> list[DistrictSection]:
        if len({item.id for item in value}) < len(value):
            raise ValueError("holds the same id twice; give each its own")
        return value
