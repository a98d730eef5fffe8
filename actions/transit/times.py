"""Reads when a citizen wants to travel, in Chinese and English, relative to a given moment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from actions.transit.numerals import EN_NUMBER, ZH_NUMBER, number

_N = rf"(?:[0-9]{{1,2}}|{ZH_NUMBER}{{1,3}})"
_PERIODS_ZH = {
    "凌晨": ("night", 0), "半夜": ("night", 0), "深夜": ("late", 23), "清晨": ("am", 6), "早上": ("am", 7),
    "早晨": ("am", 7), "明早": ("am", 7), "今早": ("am", 7), "上午": ("am", 9), "中午": ("noon", 12),
    "下午": ("pm", 13), "傍晚": ("pm", 17), "晚上": ("pm", 19), "今晚": ("pm", 19), "明晚": ("pm", 19),
    "晚间": ("pm", 19), "夜里": ("late", 22), "早高峰": ("am", 7), "晚高峰": ("pm", 17),
}  # fmt: skip
_PERIOD_ZH = "|".join(sorted(_PERIODS_ZH, key=len, reverse=True))
_DAYS_ZH = {
    "今天": 0,
    "今日": 0,
    "今晚": 0,
    "今早": 0,
    "明天": 1,
    "明日": 1,
    "明早": 1,
    "明晚": 1,
    "后天": 2,
    "大后天": 3,
}
_DAY_ZH = re.compile("大后天|后天|今天|今日|今晚|今早|明天|明日|明早|明晚")
_WEEKDAY_ZH = re.compile("(?P<next>下个?)?(?:周|星期|礼拜)(?P<day>[一二三四五六日天末])")
_DATE_ZH = re.compile(rf"(?:(?P<year>20\d\d)年)?(?P<month>{_N})月(?P<day>{_N})[日号]?")
_CLOCK_ZH = re.compile(
    rf"(?P<period>{_PERIOD_ZH})?的?\s*(?:(?P<h>{_N})\s*(?:点钟?|时(?![间候刻])|:(?=[0-5]\d))"
    rf"(?P<m>半|一刻|三刻|{_N}(?=分)|[0-5]\d|零?{ZH_NUMBER}{{1,3}}(?!站|路|班))?分?)"
)
_IN_ZH = re.compile(rf"(?P<n>{_N}|半)个?(?P<half>半)?(?P<unit>分钟|小时|钟头)(?:之?后|以后)")
_ISO = re.compile(r"(?<!\d)(?P<year>20\d\d)-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?!\d)")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAY_EN = re.compile(
    r"\b(?P<next>next\s+)?(?:on\s+)?(?P<day>mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs(?:day)?)?|fri(?:day)?|"
    r"sat(?:urday)?|sun(?:day)?|weekend)s?\b"
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = r"(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE_EN = (
    re.compile(rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)"),
    re.compile(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}\b"),
)
_DAY_EN = re.compile(
    r"\b(day after tomorrow|tomorrow|tmrw|tonight|today|this (?:morning|afternoon|evening))\b"
)
_HALF_EN = re.compile(rf"\b(?P<part>half|quarter|\d{{1,2}}) (?P<way>past|to) (?P<h>\d{{1,2}}|{EN_NUMBER})\b")
_CLOCK_EN = re.compile(
    r"(?<![\d:.])(?P<h>\d{1,2})(?:[:.](?P<m>[0-5]\d))?\s*(?P<half>am|pm|a\.m\.?|p\.m\.?|o'?clock)(?![a-z])"
    r"|(?<![\d:.])(?P<h2>[01]?\d|2[0-4]):(?P<m2>[0-5]\d)(?![\d:])"
    rf"|(?<![\d:.])(?P<h4>\d{{1,2}})(?= in the (?:morning|afternoon|evening))"
    rf"|\b(?:at|after|before|from|around|by|past)\s+(?P<h3>\d{{1,2}}|{EN_NUMBER})(?!\s*(?:min|hour|stop|station|路|号|[a-z]*\d|:|\.\d))"
    r"(?=\s*(?:$|[,.?!]|in the|tomorrow|tonight|today|from|on|at|to)\b|\s*$|\s*[?!,.])"
)
_PERIOD_EN = re.compile(
    r"\b(early morning|morning|noon|midday|midnight|afternoon|evening|tonight|(?<!the )night|rush hour|peak)\b(?! bus)"
)
_IN_EN = re.compile(
    rf"\bin (?:(?P<half>half an hour)|(?P<n>\d{{1,3}}|an?|{EN_NUMBER}) (?P<unit>minutes?|mins?|hours?|hrs?))\b"
)
_HALF_LATER = re.compile("(?<!个)半(?:个)?小时(?:之?后|以后)")
_NOW = re.compile(r"现在|此刻|目前|马上|\bnow\b|\bright now\b|\bcurrently\b")
_PERIODS_EN = {
    "early morning": ("am", 6), "morning": ("am", 7), "noon": ("noon", 12), "midday": ("noon", 12),
    "midnight": ("night", 0), "afternoon": ("pm", 13), "evening": ("pm", 18), "tonight": ("pm", 19),
    "night": ("pm", 21), "rush hour": ("am", 7), "peak": ("am", 7),
}  # fmt: skip
_HOLIDAYS = (
    ("元旦", 1, 1),
    ("new year's day", 1, 1),
    ("国庆", 10, 1),
    ("national day", 10, 1),
    ("五一节", 5, 1),
    ("劳动节", 5, 1),
)


@dataclass(frozen=True)
class When:
    """A wish about time. `moment`: from when on; `day`: the day named, if one was; `spans`: where it stood."""

    moment: datetime | None = None
    day: date | None = None
    is_now: bool = False
    spans: tuple[tuple[int, int], ...] = ()


def read_when(folded: str, now: datetime) -> When | None:
    """Return the time wish in a folded text, or `None` when it names none.

    An hour from 1 to 12 without morning or evening means its next occurrence after `now`; with a later day named,
    it means the hour as said. `now` is aware, in the zone of the city.
    """
    soon = _soon(folded, now)
    if soon is not None:
        return soon
    spans: list[tuple[int, int]] = []
    day = _day(folded, now, spans)
    clock = _clock(folded, spans)
    period = _period(folded, spans) if clock is None or clock[2] == "" else None
    if clock is None and period is None:
        if day is not None:
            return When(day=day, spans=tuple(spans))
        match = _NOW.search(folded)
        return When(moment=now, is_now=True, spans=(match.span(),)) if match else None
    if clock is None:
        assert period is not None
        kind, hour = period
        start = _at(day or now.date(), hour, 0, now)
        if kind == "night":
            start = _at(
                (day or now.date()) + timedelta(days=1 if day in (None, now.date()) and now.hour >= 5 else 0),
                hour,
                0,
                now,
            )
        grace = timedelta(hours=1 if kind == "noon" else 5)
        if day is None and kind != "night" and now - start > grace:
            start += timedelta(days=1)
        return When(
            moment=max(start, now) if start.date() == now.date() else start, day=day, spans=tuple(spans)
        )
    hour, minute, kind = clock
    kind = kind or (period[0] if period else "")
    moment = _resolve(hour, minute, kind, day, now)
    return When(moment=moment, day=day, spans=tuple(spans)) if moment else None


def _at(day: date, hour: int, minute: int, now: datetime) -> datetime:
    extra, hour = divmod(hour, 24)
    return datetime.combine(day + timedelta(days=extra), time(hour, minute), tzinfo=now.tzinfo)


def _soon(folded: str, now: datetime) -> When | None:
    if match := _HALF_LATER.search(folded):
        return When(moment=now + timedelta(minutes=30), spans=(match.span(),))
    if match := _IN_ZH.search(folded):
        amount = 0.5 if match["n"] == "半" else float(number(match["n"]) or 0)
        amount += 0.5 if match["half"] else 0
        minutes = amount * (1 if match["unit"] == "分钟" else 60)
    elif match := _IN_EN.search(folded):
        amount = float(1 if match["n"] in ("a", "an") else number(match["n"] or "") or 0)
        minutes = 30.0 if match["half"] else amount * (60 if (match["unit"] or "").startswith("h") else 1)
    else:
        return None
    return When(moment=now + timedelta(minutes=minutes), spans=(match.span(),))


def _day(folded: str, now: datetime, spans: list[tuple[int, int]]) -> date | None:
    today = now.date()
    for pattern in (_ISO, _DATE_ZH, *_DATE_EN):
        match = pattern.search(folded)
        if match:
            found = _calendar_day(match.groupdict(), today)
            if found:
                spans.append(match.span())
                return found
    if match := _WEEKDAY_ZH.search(folded):
        spans.append(match.span())
        wanted = "一二三四五六日".find(match["day"].replace("天", "日").replace("末", "六"))
        return _weekday(today, wanted, bool(match["next"]))
    if match := _WEEKDAY_EN.search(folded):
        spans.append(match.span())
        name = match["day"]
        wanted = (
            5 if name == "weekend" else next(n for n, w in enumerate(_WEEKDAYS) if w.startswith(name[:3]))
        )
        return _weekday(today, wanted, bool(match["next"]))
    if match := _DAY_ZH.search(folded):
        spans.append(match.span())
        return today + timedelta(days=_DAYS_ZH[match[0]])
    if match := _DAY_EN.search(folded):
        spans.append(match.span())
        ahead = {"tomorrow": 1, "tmrw": 1, "day after tomorrow": 2}.get(match[0], 0)
        return today + timedelta(days=ahead)
    for name, month, number_ in _HOLIDAYS:
        at = folded.find(name)
        if at >= 0:
            spans.append((at, at + len(name)))
            first = date(today.year, month, number_)
            return first if first >= today else date(today.year + 1, month, number_)
    return None


def _calendar_day(parts: dict[str, str | None], today: date) -> date | None:
    text = parts["month"] or ""
    month = _MONTHS.index(text) + 1 if text in _MONTHS else number(text)
    day, year = number(parts["day"] or ""), parts.get("year")
    try:
        found = date(int(year) if year else today.year, month or 0, day or 0)
        if not year and found < today - timedelta(days=30):
            found = found.replace(year=today.year + 1)
    except ValueError:
        return None
    return found


def _weekday(today: date, wanted: int, next_week: bool) -> date:
    if next_week:
        return today - timedelta(days=today.weekday()) + timedelta(days=7 + wanted)
    return today + timedelta(days=(wanted - today.weekday()) % 7)


def _clock(folded: str, spans: list[tuple[int, int]]) -> tuple[int, int, str] | None:
    """Return (hour, minute, period kind or "") as said."""
    for match in _CLOCK_ZH.finditer(folded):
        hour = number(match["h"] or "")
        if hour is None or hour > 27:
            continue
        said = match["m"] or ""
        minute = {"半": 30, "一刻": 15, "三刻": 45}.get(said)
        if minute is None:
            minute = number(said.lstrip("零")) or 0 if said else 0
        vague = match["h"] == "一" and not said and not match["period"]
        if minute > 59 or (
            vague and folded[max(0, match.start("h") - 1) : match.start("h")] in tuple("近晚早快慢远好多少有")
        ):
            continue
        rest = folded[match.end() :]
        if re.match(r"\s*(?:am|pm|a\.m|p\.m)", rest):
            continue
        spans.append(match.span())
        return hour, minute, _PERIODS_ZH[match["period"]][0] if match["period"] else ""
    if half_match := _HALF_EN.search(folded):
        hour = number(half_match["h"]) or 0
        part = {"half": 30, "quarter": 15}.get(half_match["part"]) or number(half_match["part"]) or 0
        spans.append(half_match.span())
        if half_match["way"] == "to":
            return (hour - 1) % 24, 60 - min(59, part), ""
        return hour % 25, min(59, part), ""
    for match in _CLOCK_EN.finditer(folded):
        hour = number(match["h"] or match["h2"] or match["h3"] or match["h4"] or "") or 0
        if hour > 24:
            continue
        half = (match["half"] or "").replace(".", "")
        spans.append(match.span())
        kind = {"am": "night" if hour == 12 else "am", "pm": "noon" if hour == 12 else "pm"}.get(half, "")
        return hour, int(match["m"] or match["m2"] or 0), kind
    return None


def _period(folded: str, spans: list[tuple[int, int]]) -> tuple[str, int] | None:
    if match := re.search(_PERIOD_ZH, folded):
        spans.append(match.span())
        return _PERIODS_ZH[match[0]]
    if match := _PERIOD_EN.search(folded):
        spans.append(match.span())
        return _PERIODS_EN[match[0]]
    return None


def _resolve(hour: int, minute: int, kind: str, day: date | None, now: datetime) -> datetime | None:
    base = day or now.date()
    if kind == "pm" and hour == 12:
        hour = 24
    elif (kind == "pm" and hour < 12) or (kind == "late" and 6 <= hour <= 12):
        hour += 12
    elif kind in ("night", "am") and hour == 12:
        hour = 0 if kind == "night" else 12
    elif (kind == "night" and 9 <= hour < 12) or (kind == "noon" and hour < 6):
        hour += 12
    moment = _at(base, hour, minute, now)
    if kind == "" and 1 <= hour <= 12 and (day is None or day == now.date()):
        later = _at(base, hour + 12, minute, now)
        grace = now - timedelta(minutes=1)
        if moment < grace:
            moment = later if later >= grace else moment + timedelta(days=1 if day is None else 0)
        return moment
    if moment < now - timedelta(minutes=1) and (
        day is None or (day == now.date() and kind in ("night", "late"))
    ):
        moment += timedelta(days=1)
    return moment
