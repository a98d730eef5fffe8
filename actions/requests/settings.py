"""The `requests:` section of city.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Extra, Field, validator


class _Section(BaseModel):
    class Config:
        extra = Extra.forbid
        allow_mutation = False


class FloodSection(_Section):
    """How much one conversation, and everybody together, may file."""

    reports_per_hour: int = Field(6, ge=1)
    reports_per_day: int = Field(20, ge=1)
    details_per_hour: int = Field(30, ge=1)
    wrong_numbers_per_hour: int = Field(5, ge=1)
    all_reports_per_minute: int = Field(300, ge=1)


class PhotosSection(_Section):
    """Limits on photos; what is stored is drawn anew without any metadata."""

    max_bytes: int = Field(10 * 1024 * 1024, ge=10_000, le=64 * 1024 * 1024)
    max_pixels: int = Field(50_000_000, ge=100_000)
    max_side_px: int = Field(1600, ge=200, le=8000)
    per_request: int = Field(5, ge=1, le=50)
    unfiled_per_conversation: int = Field(10, ge=1, le=100)
    keep_unfiled_h: float = Field(72.0, gt=0)


class Open311ClientSection(_Section):
    """A city's existing Open311 server that reports are filed at; the key comes from OPEN311_API_KEY."""

    url: str
    jurisdiction_id: str = ""
    services: dict[str, str] = {}
    default_service: str = ""
    timeout_s: float = Field(15.0, gt=0, le=120)
    poll_s: float = Field(300.0, ge=1)
    first_retry_s: float = Field(30.0, ge=0)
    last_retry_s: float = Field(3600.0, ge=0)
    at_once: int = Field(4, ge=1, le=32)

    @validator("url")
    def _http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError(f"{value!r} is no HTTP address; write it as https://city.example/open311/v2")
        return value.rstrip("/")


class Open311ServerSection(_Section):
    """Our own GeoReport v2 server under /open311/v2; keys come from OPEN311_KEYS (comma-separated).

    `public` lets everybody read reports, personal data masked, as many cities do; else reading needs a key too.
    `photos` says who is given the addresses of reports' photos; `public_url` is our address as others write it.
    """

    enabled: bool = True
    jurisdiction_id: str = ""
    public: bool = False
    photos: Literal["keys", "everybody", "nobody"] = "keys"
    public_url: str = Field("", regex=r"^(https?://\S+)?$")
    page_size: int = Field(50, ge=1, le=500)
    posts_per_minute: int = Field(120, ge=1)


class RequestsSection(_Section):
    """Files and limits of the requests module; relative paths start from city.yml's folder."""

    categories: Path
    prefix: str = Field("LC", regex=r"^[A-Z]{2,4}$")
    store_url: str = ""
    gazetteer: Path | None = None
    places: Path | None = None
    streets: Path | None = None
    intersections: Path | None = None
    map_url: str = "https://www.openstreetmap.org/?mlat={lat}&mlon={lon}#map=17/{lat}/{lon}"
    # South, west, north, east in degrees; a shared position outside is asked about.
    bounds: tuple[float, float, float, float] | None = None
    sure_route: float = Field(0.55, gt=0, lt=1)
    draft_h: float = Field(72.0, gt=0)
    reopen_days: int = Field(30, ge=0)
    duplicate_days: int = Field(30, ge=1)
    flood: FloodSection = FloodSection.parse_obj({})
    photos: PhotosSection = PhotosSection.parse_obj({})
    open311: Open311ServerSection = Open311ServerSection.parse_obj({})
    remote: Open311ClientSection | None = None
