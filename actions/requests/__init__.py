"""Service requests: what citizens report, complain of, suggest and praise, until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actions.requests.errors import RequestsError, RequestsNotConfigured

if TYPE_CHECKING:
    from actions.requests.service import RequestService

_service: RequestService | None = None


def configure(service: RequestService | None) -> None:
    """Set the service that this process files requests with; `None` removes it."""
    global _service
    _service = service


def configured() -> bool:
    """Return whether this city takes requests."""
    return _service is not None


def get_service() -> RequestService:
    """Return the configured service; raises `RequestsNotConfigured` before `configure` was called."""
    if _service is None:
        raise RequestsNotConfigured()
    return _service


__all__ = ["RequestsError", "RequestsNotConfigured", "configure", "configured", "get_service"]
