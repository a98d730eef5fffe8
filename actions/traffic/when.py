"""The time that a question about traffic is about: now, a moment, or a daily peak period."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

_DAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
PEAKS = {
    "morning": (time(7, 30), time(8, 30)),
    "midday": (time(11, 30), time(13, 0)),
    "evening": (time(17, 30), time(18, 30)),
    "night": (time(22, 0), time(5, 0)),
    "all_day": (time(7, 0), time(19, 0)),
}
PEAK_NAMES = {
    "morning": {"zh": "早高峰", "en": "morning peak"},
    "midday": {"zh": "中午", "en": "midday"},
    "evening": {"zh": "晚高峰", "en": "evening peak"},
    "night": {"zh": "夜间", "en": "night"},
    "all_day": {"zh": "白天", "en": "daytime"},
}
_PEAK_WORDS = (
    ("morning", r"早高峰|早上|上午|上班高峰|morning|a\.?m\.? peak"),
    ("evening", r"晚高峰|傍晚|下班|evening|p\.?m\.? peak|rush hour"),
    ("midday", r"中午|午间|midday|noon|lunch"),
    ("night", r"夜间|深夜|半夜|overnight|late night"),
)


@dataclass(frozen=True)
class When:
    """A moment. `now` says that the present was meant; `day_only` that no time of day was given."""

    at: datetime
    now: bool
    day_only: bool = False


def peak_period(text: str) -> str | None:
    """Return "morning", "midday", "evening" or "night" when a text names that part of the day."""
    low = text.lower()
    return next((name for name, pattern in _PEAK_WORDS if re.search(pattern, low)), None)


def weekend(text: str) -> bool:
    """Return whether a text asks about the weekend."""
    return bool(re.search(r"周末|周六|周日|星期[六日天]|礼拜[六日天]|weekend|saturday|sunday", text.lower()))


@dataclass(frozen=True)
class Parts:
    """What a question says of time: a span from now, a day, a time of day; `None` for what it leaves out."""

    later: timedelta | None = None
    day: date | None = None
    clock: time | None = None

    def __bool__(self) -> bool:
        return self.later is not None or self.day is not None or self.clock is not None


def parse_parts(text: str, now: datetime) -> Parts:
    """Return the parts of time that a question names."""
    low = text.lower()
    later = _later(low)
    return Parts(later) if later is not None else Parts(None, _day(low, now.date()), _clock(low))


def moment(parts: Parts, now: datetime) -> When:
    """Return the moment that parts of time mean; `now` (aware) when there are none."""
    if parts.later is not None:
        return When(now + parts.later, False)
    if not parts:
        return When(now, True)
    target = parts.day or now.date()
    if parts.clock is None:
        return When(datetime.combine(target, now.time(), now.tzinfo), target == now.date(), day_only=True)
    at = datetime.combine(target, parts.clock, now.tzinfo)
    if parts.day is None and at < now - timedelta(minutes=30):
        at += timedelta(days=1)
    return When(at, False)


def parse_when(text: str, now: datetime) -> When:
    """Return the moment that a question is about; `now` (aware) when it names none."""
    return moment(parse_parts(text, now), now)


def _later(low: str) -> timedelta | None:
    if re.search(r"半(个)?小时(之)?后|in half an hour|half an hour from now", low):
        return timedelta(minutes=30)
    match = re.search(r"([\d一二两三四五六七八九十]+)\s*(个)?(小时|钟头|分钟)(之)?后", low)
    if match:
        number = _number(match.group(1))
        return timedelta(minutes=number) if match.group(3) == "分钟" else timedelta(hours=number)
    match = re.search(r"in (an|\d+) (hour|minute|min)s?", low)
    if match:
        number = 1 if match.group(1) == "an" else int(match.group(1))
        return (
            timedelta(hours=min(number, 168))
            if match.group(2) == "hour"
            else timedelta(minutes=min(number, 9999))
        )
    return None


def _day(low: str, today: date) -> date | None:
    if re.search(r"后天|day after tomorrow", low):
        return today + timedelta(days=2)
    if re.search(r"明[天早晚日]|tomorrow", low):
        return today + timedelta(days=1)
    match = re.search(r"(下)?(?:周|星期|礼拜)([一二三四五六日天])", low)
    if match:
        ahead = (_DAYS[match.group(2)] - today.weekday()) % 7
        start = today - timedelta(days=today.weekday())
        return (
            start + timedelta(days=7 + _DAYS[match.group(2)])
            if match.group(1)
            else today + timedelta(days=ahead)
        )
    for number, name in enumerate(_WEEKDAYS):
        if re.search(rf"\b{name}\b", low):
            return today + timedelta(days=(number - today.weekday()) % 7)
    if re.search(r"周末|weekend", low):
        return today + timedelta(days=(5 - today.weekday()) % 7)
    if re.search(r"今[天早晚日]|today|tonight|this (morning|afternoon|evening)", low):
        return today
    return None


def _clock(low: str) -> time | None:
    match = re.search(r"\b(\d{1,2}):(\d{2})\s*(am|pm)?", low) or re.search(r"\b(\d{1,2})()\s*(am|pm)\b", low)
    if match and int(match.group(1)) < 24 and int(match.group(2) or 0) < 60:
        hour = int(match.group(1)) % 12 if match.group(3) else int(match.group(1))
        return time(hour + (12 if match.group(3) == "pm" else 0), int(match.group(2) or 0))
    match = re.search(
        r"([\d一二两三四五六七八九十]{1,3})\s*[点點时](半|[\d一二三四五六七八九十]{1,3}分?)?", low
    )
    if match:
        hour, rest = _number(match.group(1)), match.group(2)
        minute = 30 if rest == "半" else _number(rest.rstrip("分")) if rest else 0
        if hour < 12 and re.search(r"下午|晚|傍晚", low):
            hour += 12
        if hour < 24 and minute < 60:
            return time(hour, minute)
    for pattern, clock in (
        (r"下午|afternoon", time(15, 0)),
        (r"今晚|晚上|tonight", time(19, 0)),
    ):
        if re.search(pattern, low):
            return clock
    peak = peak_period(low)
    return PEAKS[peak][0] if peak else None


def _number(text: str) -> int:
    if text.isdigit():
        return int(text)
    if "十" in text:
        tens, _, ones = text.partition("十")
        return (_DIGITS.get(tens, 1) if tens else 1) * 10 + (_DIGITS.get(ones, 0) if ones else 0)
    return _DIGITS.get(text[:1], 0)
