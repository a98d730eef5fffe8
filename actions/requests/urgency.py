"""How urgent a report is: danger to life first, then words that tell of danger, then its category."""

from __future__ import annotations

import re

from actions.requests.catalogue import Category
from nlp.emergency import emergency_kind

LEVELS = ("low", "normal", "urgent", "critical")
_DANGER = re.compile(
    r"危险|漏电|冒火花|触电|快(?:要)?(?:掉|倒|塌)|要倒|往下掉|砸到|摔(?:伤|倒|了)|受伤|流血|伤人|咬人|爆管|塌方|塌陷|悬空|裸露"
    r"|老人.{0,6}摔|小孩.{0,6}(?:掉|摔|碰)|起火|冒烟|堵(?:住|了)?(?:消防|救护)|消防通道"
    r"|danger|spark|live wire|about to (?:fall|collapse)|falling|fell (?:in|off|over)|injur|hurt|bleeding|bitten|burst|collapse|caved in"
    r"|hanging down|exposed|electrocut|fire lane|ambulance",
    re.IGNORECASE,
)
_HARMLESS = re.compile(r"(?:不|没有?|无)危险|not dangerous|no danger", re.IGNORECASE)


def danger_of(text: str) -> str | None:
    """Return the kind of danger to life that a text tells of ("fire", "medical", …), or `None`."""
    return emergency_kind(text)


def urgency_of(text: str, category: Category) -> str:
    """Return how urgent a report is, one of `LEVELS`; never less than its category says."""
    if danger_of(text):
        return "critical"
    if category.kind in ("suggestion", "praise"):
        return category.urgency
    dangerous = _DANGER.search(text) and not _HARMLESS.search(text)
    wanted = "urgent" if dangerous and category.kind == "report" else category.urgency
    return max(wanted, category.urgency, key=LEVELS.index)
