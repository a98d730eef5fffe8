"""Settings that staff change while the city is being served; every room reads them without a restart."""

from city.live.store import LiveSettings

__all__ = ["LiveSettings"]
