"""Public opinion: posts and complaints read as they arrive, weighed, grouped, and brought to the right people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actions.opinion.errors import OpinionError, OpinionNotConfigured

if TYPE_CHECKING:
    from actions.opinion.service import OpinionService

_service: OpinionService | None = None


def configure(service: OpinionService | None) -> None:
    """Set the service that the actions of this process answer from; `None` removes it."""
    global _service
    _service = service


def get_service() -> OpinionService:
    """Return the configured service; raises `OpinionNotConfigured` before `configure` was called."""
    if _service is None:
        raise OpinionNotConfigured()
    return _service


__all__ = ["OpinionError", "OpinionNotConfigured", "configure", "get_service"]
