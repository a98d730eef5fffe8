"""Proactive notices: staff's own and CAP alerts, for those who asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actions.notices.errors import NoticesError, NoticesNotConfigured

if TYPE_CHECKING:
    from actions.notices.service import NoticeService

_service: NoticeService | None = None


def configure(service: NoticeService | None) -> None:
    """Set the notices of this process; `None` removes them."""
    global _service
    _service = service


def configured() -> bool:
    """Return whether this city sends notices."""
    return _service is not None


def get_service() -> NoticeService:
    """Return the notices; raises `NoticesNotConfigured` before `configure` was called."""
    if _service is None:
        raise NoticesNotConfigured()
    return _service


__all__ = ["NoticesError", "NoticesNotConfigured", "configure", "configured", "get_service"]
