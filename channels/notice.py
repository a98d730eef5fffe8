"""The notice that every citizen sees: the one staff set a moment ago, or the one of the settings file.

Pages show it as a banner. Where there is no banner, in chat apps and on the telephone, it is said once in each
conversation, before the next answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from channels.config import Bilingual
from city.live import LiveSettings
from city.messages import Reply

KEY = "notice"
# Its page shows the banner.
PAGE = "web"


@dataclass(frozen=True)
class Notice:
    """A banner in both languages; an `urgent` one is announced to screen readers at once. `id` tells it from others."""

    zh: str
    en: str
    urgent: bool = False
    id: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            digest = hashlib.sha256(f"{self.zh}\n{self.en}".encode("utf-8", "replace")).hexdigest()
            object.__setattr__(self, "id", digest[:32])

    def text(self, language: str) -> str:
        """Return what is said where there is no banner."""
        if language == "en":
            return f"{'Emergency notice' if self.urgent else 'Notice'}: {self.en}"
        return f"{'紧急通知' if self.urgent else '通知'}：{self.zh}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"zh": self.zh, "en": self.en, "urgent": self.urgent}


def _now() -> datetime:
    return datetime.now(timezone.utc)


class NoticeBoard:
    """Knows the notice of this moment.

    Args:
        live: where staff set it: `{"id", "zh", "en", "urgent", "until"}`, `until` in ISO 8601 with an offset or "",
            or `None`. The same text set anew has another `id`.
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
                return Notice(zh, en, bool(value.get("urgent")), str(value.get("id") or "")[:64])
        return Notice(self._fixed.zh, self._fixed.en) if self._fixed is not None else None


def said_first(notice: Notice, replies: Sequence[Reply], language: str | None) -> tuple[Reply, ...]:
    """Return replies with a notice before them; the numbers to call in an emergency stay first.

    Args:
        notice: what is said.
        replies: the answer.
        language: "zh" or "en"; `None` where it is not known says the notice in both.
    """
    spoken = [language] if language else ["zh", "en"]
    first = Reply("\n\n".join(notice.text(code) for code in spoken), "emergency")
    urgent = [reply for reply in replies if reply.source == "emergency"]
    return (*urgent, first, *(reply for reply in replies if reply.source != "emergency"))
