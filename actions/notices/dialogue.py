"""What somebody wants with notices, told from buttons and plain words: to get them, to stop them, to hear what holds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from actions.notices import wording
from actions.notices.areas import districts_in
from actions.notices.settings import DistrictSection

START, STOP, STATE = "start", "stop", "state"
MAX_CHARS = 200

_HAN = re.compile(r"[\u3400-\u9fff]")
# Words for what is told, and for wanting it. A wish needs one of each; a question about notices has no verb of these.
_NOUNS = (
    *("通知", "预警", "警报", "公告", "停水", "停电", "停气", "封路", "台风", "暴雨", "恶劣天气"),
    *("notice", "notification", "alert", "warning", "water cut", "power cut", "outage", "closure", "typhoon"),
)
_VERBS = (
    *("订阅", "推送给我", "推送到", "发给我"),
    *("subscribe", "sign me up", "opt in", "notify me", "alert me", "keep me informed", "keep me posted"),
)
# "通知我" asks for it only with a please of some kind: "停水了怎么不通知我" is a complaint.
_SOFT_VERBS = ("通知我", "提醒我", "告诉我一声", "let me know", "tell me", "send me")
_PLEASE = (
    *("请", "帮我", "麻烦", "希望", "能不能", "能否", "以后", "一旦", "有的话"),
    *("please", "can you", "could you", "whenever", "when there"),
)
_COMPLAINT = (
    *("怎么不", "为什么不", "为啥不", "也不", "没有通知", "没通知"),
    *("why didn't", "why did nobody", "nobody told", "no one told"),
)
_STOP_WORDS = (
    *(
        "退订",
        "取消订阅",
        "取消通知",
        "关闭通知",
        "停止通知",
        "不要通知了",
        "别再发通知",
        "不要再发通知",
        "不想再收到通知",
    ),
    *(
        "unsubscribe",
        "stop notices",
        "stop the notices",
        "stop sending me notices",
        "no more notices",
        "opt out",
    ),
    *("cancel my subscription", "stop the alerts", "stop alerts", "no more alerts"),
)
_STATE_WORDS = (
    *(
        "我的订阅",
        "订阅了哪些",
        "订阅了什么",
        "有没有订阅",
        "订阅情况",
        "有什么预警",
        "有没有预警",
        "有哪些预警",
        "当前预警",
    ),
    *(
        "现在有什么通知",
        "有哪些通知",
        "有什么通知",
        "my subscription",
        "am i subscribed",
        "any alerts",
        "current alerts",
    ),
    *(
        "any warnings",
        "current warnings",
        "what alerts",
        "what warnings",
        "any notices",
        "current notices",
        "what notices",
    ),
)
_WHOLE_CITY = (
    "全市",
    "整个城市",
    "所有区",
    "各区",
    "whole city",
    "entire city",
    "all districts",
    "city-wide",
    "citywide",
)


@dataclass(frozen=True)
class Wish:
    """What a message asks for. `districts` is empty for the whole city, `None` when none was named."""

    kind: str
    language: str
    districts: Sequence[str] | None = None


def wish_in(text: str, districts: Sequence[DistrictSection], language: str | None = None) -> Wish | None:
    """Return what a message wants with notices, `None` when it is about something else.

    Args:
        language: of the conversation, where the text's script does not tell.
    """
    pressed = _from_button(text.strip(), districts)
    if pressed is not None:
        return pressed
    if len(text) > MAX_CHARS:
        return None
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    spoken = "zh" if _HAN.search(text) else (language or "en")
    if _any(_STOP_WORDS, folded):
        return Wish(STOP, spoken)
    if _any(_STATE_WORDS, folded):
        return Wish(STATE, spoken)
    if not _any(_NOUNS, folded) or _any(_COMPLAINT, folded):
        return None
    if _any(_VERBS, folded) or (_any(_SOFT_VERBS, folded) and _any(_PLEASE, folded)):
        return Wish(START, spoken, _area(text, folded, districts))
    return None


def district_alone(text: str, districts: Sequence[DistrictSection], language: str) -> Wish | None:
    """Return the wish of somebody who was asked which part of the city, and says that and nothing else."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip(" 。.!！")
    if len(folded) > 40:
        return None
    if folded in _WHOLE_CITY or folded in ("全部", "都要", "all", "everywhere", "all of them"):
        return Wish(START, language, [])
    found = districts_in(text, districts)
    rest = folded
    for item in districts:
        if item.id in found:
            for name in (item.name.get("zh"), item.name.get("en"), item.name.get("zh").removesuffix("区")):
                rest = rest.replace(name.casefold(), "")
    rest = re.sub(r"[\s,，、和及就在是的吧区]|\band\b|\bdistrict\b|\bplease\b|\bthe\b", "", rest)
    return Wish(START, language, found) if found and not rest else None


def _from_button(said: str, districts: Sequence[DistrictSection]) -> Wish | None:
    for language in ("zh", "en"):
        if said == wording.stop_button(language).payload:
            return Wish(STOP, language)
        if said == wording.start_button(None, language).payload:
            return Wish(START, language, [])
        for item in districts:
            if said == wording.start_button(item, language).payload:
                return Wish(START, language, [item.id])
    return None


def _area(text: str, folded: str, districts: Sequence[DistrictSection]) -> list[str] | None:
    found = districts_in(text, districts)
    if found:
        return found
    return [] if not districts or _any(_WHOLE_CITY, folded) else None


def _any(words: Sequence[str], folded: str) -> bool:
    return any(word in folded for word in words)
