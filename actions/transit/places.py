"""Landmarks of the city, from a CSV table: name_zh, name_en, lat, lon and, if wanted, aliases split by "|"."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

from actions.transit.errors import PlacesError

EARTH_M = 6_371_008.8
_REQUIRED = ("name_zh", "name_en", "lat", "lon")
_MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class Place:
    """A landmark; lat, lon in degrees (WGS 84)."""

    zh: str
    en: str
    lat: float
    lon: float
    aliases: tuple[str, ...] = ()

    def name(self, language: str) -> str:
        """Return the name in `language`, else in the other one."""
        return (self.zh or self.en) if language == "zh" else (self.en or self.zh)


def distance_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Return the great-circle distance in metres (haversine formula, mean Earth radius)."""
    a, b = math.radians(lat_a), math.radians(lat_b)
    half = (
        math.sin((b - a) / 2) ** 2
        + math.cos(a) * math.cos(b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    )
    return 2 * EARTH_M * math.asin(min(1.0, math.sqrt(half)))


def load_places(path: Path | str) -> list[Place]:
    """Read the table; raises `PlacesError` naming the line and the mend."""
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PlacesError(
                path, None, f"is larger than {_MAX_BYTES >> 20} MiB", "Keep only the city's landmarks."
            )
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise PlacesError(path, None, "no such file", "Point transit.places in city.yml at it.") from None
    except UnicodeDecodeError as error:
        raise PlacesError(path, None, f"is not UTF-8 (byte {error.start})", "Save it as UTF-8.") from None
    except OSError as error:
        raise PlacesError(
            path, None, f"cannot be read ({error.strerror})", "Check its permissions."
        ) from None
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    missing = [c for c in _REQUIRED if c not in (reader.fieldnames or [])]
    if missing:
        raise PlacesError(
            path, 1, f"the header lacks {', '.join(missing)}", "Name the columns in the first line."
        )
    try:
        return [_place(path, reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise PlacesError(
            path, reader.line_num, f"not valid CSV ({error})", "Check the quotation marks."
        ) from None


def _place(path: Path, line: int, row: dict[str, str]) -> Place:
    zh, en = (row["name_zh"] or "").strip(), (row["name_en"] or "").strip()
    if not zh and not en:
        raise PlacesError(path, line, "no name", "Fill in name_zh or name_en.")
    try:
        lat, lon = float(row["lat"]), float(row["lon"])
        if not (-90 <= lat <= 90 and -180 <= lon <= 180):
            raise ValueError
    except (TypeError, ValueError):
        mend = "Give lat and lon in degrees, e.g. 29.000000,124.500000."
        raise PlacesError(
            path, line, f"lat {row['lat']!r}, lon {row['lon']!r} is no position", mend
        ) from None
    other = tuple(a.strip() for a in (row.get("aliases") or "").split("|") if a.strip())
    return Place(zh, en, lat, lon, other)
