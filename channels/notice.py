"""The notice that every citizen sees: the one staff set a moment ago, or the one of the settings file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from channels.config import Bilingual
from city.live import LiveSettings

KEY = "notice"


@dataclass(frozen=True)
class Notice:
    """A banner in both languages; an `urgent` one is announced to screen readers at once."""

    zh: str
    en: str
    urgent: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"zh": self.zh, "en": self.en, "urgent": self.urgent}


def _now() -> datetime:
    return datetime.now(timezone.utc)


class NoticeBoard:
    """Knows the notice of this moment.

    Args:
        live: where staff set it: `{"zh", "en", "urgent", "until"}`, `until` in ISO 8601 with an offset or "", or `None`.
        fixed: shown while staff have set none.
        now: the time with a zone.
    """

    def __init__(
        self, live: LiveSettings | None, fixed: Bilingual | None, now: Callable[[], datetime] = _now
    ) -> None:
        self._live = live
        self._fixed = fixed
        self._now = now

    def current(self) -> Notice | None:
        """Return the notice to show now."""
        value = self._live.get(KEY) if self._live is not None else None
        if isinstance(value, dict) and (value.get("zh") or value.get("en")):
            until = value.get("until")
            if not until or datetime.fromisoformat(until) > self._now():
                zh, en = value.get("zh") or value["en"], value.get("en") or value["zh"]
                return Notice(zh, en, bool(value.get("urgent")))
        return Notice(self._fixed.zh, self._fixed.en) if self._fixed is not None else None
