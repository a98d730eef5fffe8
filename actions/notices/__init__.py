"""Proactive notices: staff's own and CAP alerts, for those who asked for them."""

from __future__ import annotations

from actions.notices.errors import NoticesError, NoticesNotConfigured

__all__ = ["NoticesError", "NoticesNotConfigured"]
