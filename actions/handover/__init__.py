"""Hand-over to people: the queue, the operators' desk, and when a person is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actions.handover.errors import HandoverError, HandoverNotConfigured

if TYPE_CHECKING:
    from actions.handover.service import HandoverService

_service: HandoverService | None = None


def configure(service: HandoverService | None) -> None:
    """Set the desk of this process; `None` removes it."""
    global _service
    _service = service


def configured() -> bool:
    """Return whether this city has a desk."""
    return _service is not None


def get_service() -> HandoverService:
    """Return the desk; raises `HandoverNotConfigured` before `configure` was called."""
    if _service is None:
        raise HandoverNotConfigured()
    return _service


__all__ = ["HandoverError", "HandoverNotConfigured", "configure", "configured", "get_service"]
