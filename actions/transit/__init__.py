"""Public transport answers from a GTFS timetable: stops, departures and lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actions.transit.errors import TransitNotConfigured

if TYPE_CHECKING:
    from actions.transit.service import TransitService

_service: TransitService | None = None


def configure(service: TransitService | None) -> None:
    """Set the service that the actions of this process answer from; `None` removes it."""
    global _service
    _service = service


def get_service() -> TransitService:
    """Return the configured service; raises `TransitNotConfigured` before `configure` was called."""
    if _service is None:
        raise TransitNotConfigured()
    return _service


__all__ = ["TransitNotConfigured", "configure", "get_service"]
