"""What comes with a message beside text: positions in degrees (WGS 84) and pictures that can be fetched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

PHOTO_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
# GCJ-02 bends positions inside this box only (degrees); the ellipsoid is Krasovsky's (SK-42), a in m.
_WEST, _EAST, _SOUTH, _NORTH = 72.004, 137.8347, 0.8293, 55.8271
_A, _EE = 6378245.0, 0.00669342162296594323
_ROUNDS = 4


def position(lat: Any, lon: Any, *, gcj02: bool = False) -> dict[str, float] | None:
    """Return a position as metadata carries it, `None` when the numbers are no place on earth.

    Args:
        lat, lon: degrees, as numbers or texts.
        gcj02: the platform draws them on the maps of China (GCJ-02).
    """
    if isinstance(lat, bool) or isinstance(lon, bool):
        return None
    try:
        lat, lon = float(lat), float(lon)
    except (TypeError, ValueError):
        return None
    if not (math.isfinite(lat) and math.isfinite(lon) and -90 <= lat <= 90 and -180 <= lon <= 180):
        return None
    if gcj02:
        lat, lon = _straight(lat, lon)
    return {"lat": round(lat, 6), "lon": round(lon, 6)}


def on_host(url: str, *hosts: str) -> bool:
    """Return whether an address is HTTPS on one of some hosts or below it, or on the very server of another address.

    Args:
        hosts: names such as "fbcdn.net", or addresses such as "https://api.example/v1".
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        port = parts.port
    except ValueError:
        return False
    for known in hosts:
        if "://" in known:
            server = urlsplit(known)
            if (parts.scheme, host, port) == (server.scheme, server.hostname, server.port):
                return True
        elif parts.scheme == "https" and (host == known or host.endswith(f".{known}")):
            return True
    return False


def stand_in(metadata: Mapping[str, Any]) -> str:
    """Return the words for a message without any: what the history shows, and any channel can read."""
    where = metadata.get("location")
    return f"📍 {where['lat']:.5f}, {where['lon']:.5f}" if where else "📷"


def _straight(lat: float, lon: float) -> tuple[float, float]:
    """Undo GCJ-02 by fixed-point iteration over its published approximation; right to about a metre."""
    if not (_WEST <= lon <= _EAST and _SOUTH <= lat <= _NORTH):
        return lat, lon
    straight_lat, straight_lon = lat, lon
    for _ in range(_ROUNDS):
        bent_lat, bent_lon = bend(straight_lat, straight_lon)
        straight_lat, straight_lon = straight_lat - (bent_lat - lat), straight_lon - (bent_lon - lon)
    return straight_lat, straight_lon


def bend(lat: float, lon: float) -> tuple[float, float]:
    """Return the GCJ-02 position of a WGS 84 one, both in degrees."""
    x, y = lon - 105.0, lat - 35.0
    waves = 20.0 * (math.sin(6 * math.pi * x) + math.sin(2 * math.pi * x)) * 2 / 3
    north = -100.0 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + waves
    north += (20.0 * math.sin(math.pi * y) + 40.0 * math.sin(math.pi * y / 3)) * 2 / 3
    north += (160.0 * math.sin(math.pi * y / 12) + 320.0 * math.sin(math.pi * y / 30)) * 2 / 3
    east = 300.0 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + waves
    east += (20.0 * math.sin(math.pi * x) + 40.0 * math.sin(math.pi * x / 3)) * 2 / 3
    east += (150.0 * math.sin(math.pi * x / 12) + 300.0 * math.sin(math.pi * x / 30)) * 2 / 3
    phi = math.radians(lat)
    magic = 1 - _EE * math.sin(phi) ** 2
    metres_north = _A * (1 - _EE) / (magic * math.sqrt(magic))
    metres_east = _A / math.sqrt(magic) * math.cos(phi)
    return lat + math.degrees(north / metres_north), lon + math.degrees(east / metres_east)
