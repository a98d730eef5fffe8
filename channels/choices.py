"""Understands a choice: a number written in answer to numbered choices, or a short payload of a button."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from channels.fitting.fit import is_numbered, short_payload, shorten
from channels.fitting.shape import Shape
from channels.records import StoredMessage
from city.messages import Button

_NUMBER = re.compile(
    r"\s*(?:回复|选择?|第|reply|option|choose|number)?\s*(?:(\d{1,2})|([一二两三四五六七八九十]))\s*(?:个|项|号|条)?\s*[.。、)）!！]?\s*",
    re.IGNORECASE,
)
_SHORT = re.compile(r"~(\d{1,3})@([0-9a-f]{8})")
_HAN = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
LOOK_BACK = 30


def may_choose(text: str, shape: Shape) -> bool:
    """Return whether a text may be a choice, so that the history is worth reading."""
    return shape.says_titles or bool(
        _SHORT.fullmatch(text) or _NUMBER.fullmatch(unicodedata.normalize("NFKC", text))
    )


def chosen(text: str, history: Sequence[StoredMessage], shape: Shape) -> Button | None:
    """Return the button that a text stands for, `None` when it is an ordinary message.

    Args:
        text: what the citizen sent.
        history: the last messages, oldest first.
        shape: of the channel that showed them.
    """
    short = _SHORT.fullmatch(text)
    if short is not None:
        return _by_payload(int(short.group(1)) - 1, short.group(0), history)
    match = _NUMBER.fullmatch(unicodedata.normalize("NFKC", text))
    answered = [message for message in history if message.replies]
    if not answered:
        return None
    shown = [button for reply in answered[-1].replies or () for button in reply.buttons]
    if shape.says_titles:
        named = (button for button in shown if shorten(button.title, shape.title_limit) == text.strip())
        button = next(named, None)
        if button is not None:
            return button
    if match is None:
        return None
    number = int(match.group(1)) if match.group(1) else _HAN[match.group(2)]
    offered = [
        button
        for reply in answered[-1].replies or ()
        if reply.buttons and (is_numbered(reply, shape) or shape.says_titles)
        for button in reply.buttons
    ]
    return offered[number - 1] if 0 < number <= len(offered) else None


def _by_payload(index: int, payload: str, history: Sequence[StoredMessage]) -> Button | None:
    for message in reversed(history):
        if short_payload(message.message_id, index) == payload:
            buttons = [button for reply in message.replies or () for button in reply.buttons]
            return buttons[index] if index < len(buttons) else None
    return None
