"""Traffic: signal plans that a simulator has proven, and how the roads are now and will be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actions.traffic.errors import TrafficError, TrafficNotConfigured

if TYPE_CHECKING:
    from actions.traffic.service import TrafficService

_service: TrafficService | None = None


def configure(service: TrafficService | None) -> None:
    """Set the service that the actions of this process answer from; `None` removes it."""
    global _service
    _service = service


def get_service() -> TrafficService:
    """Return the configured service; raises `TrafficNotConfigured` before `configure` was called."""
    if _service is None:
        raise TrafficNotConfigured()
    return _service


__all__ = ["TrafficError", "TrafficNotConfigured", "configure", "get_service"]
