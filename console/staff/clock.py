"""The time as the console's tables keep it."""

from __future__ import annotations

from datetime import datetime, timezone


def utc_now() -> datetime:
    """Return the time in UTC, without a zone as databases keep it."""
    return datetime.now(timezone.utc).replace(tzinfo=None)
