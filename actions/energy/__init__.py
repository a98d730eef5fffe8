"""Energy: understand, forecast and lower consumption; outages and bills for citizens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actions.energy.errors import EnergyError, EnergyNotConfigured

if TYPE_CHECKING:
    from actions.energy.service import EnergyService
    from city.settings import Settings

_service: EnergyService | None = None


def configure(service: EnergyService | None) -> None:
    """Set the service that the actions of this process answer from; `None` removes it."""
    global _service
    _service = service


def configure_from(settings: Settings) -> None:
    """Configure from `city.yml`; raises `EnergyError` when the site file is wrong."""
    from actions.energy.service import EnergyService

    configure(EnergyService.load(settings))


def get_service() -> EnergyService:
    """Return the configured service; raises `EnergyNotConfigured` before `configure` was called."""
    if _service is None:
        raise EnergyNotConfigured()
    return _service


__all__ = ["EnergyError", "EnergyNotConfigured", "configure", "configure_from", "get_service"]
