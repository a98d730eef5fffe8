"""What a platform can show."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Unit(enum.Enum):
    """How a platform counts the length of a text."""

    CHARACTERS = "characters"
    UTF16 = "utf16"
    BYTES = "bytes"

    def count(self, text: str) -> int:
        """Return the length of a text in this unit."""
        if self is Unit.BYTES:
            return len(text.encode("utf-8", "replace"))
        if self is Unit.UTF16:
            return len(text.encode("utf-16-le", "replace")) // 2
        return len(text)


@dataclass(frozen=True)
class Shape:
    """The limits of one platform.

    Args:
        dialect: key of `channels.fitting.markdown.DIALECTS`.
        limit: longest text of one message, in `unit`.
        buttons: most buttons the platform shows natively under one message; more become numbered choices.
        title_limit: longest title of a button, in characters.
        payload_limit: longest hidden payload of a button, in bytes.
        images: whether pictures are sent as such; else their link is written.
        says_titles: whether a pressed button sends its title as the person's own words.
        max_parts: most messages one reply may become; what is left is cut with a hint.
    """

    dialect: str = "plain"
    limit: int = 4000
    unit: Unit = Unit.CHARACTERS
    buttons: int = 0
    title_limit: int = 20
    payload_limit: int = 256
    images: bool = False
    says_titles: bool = False
    max_parts: int = 10


PLAIN = Shape()
