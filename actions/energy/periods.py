"""Reads spans of time such as 上周, 周二, 最近七天, last month or 12 March from a question."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

_ZH_DIGITS = {
    "一": 1,
    "二": 2,
    "两": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
    "十": 10,
    "十一": 11,
    "十二": 12,
}
_ZH_DAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6}
_EN_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EN_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMBERS = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "ten": 10,
    "fourteen": 14,
    "thirty": 30,
}


@dataclass(frozen=True)
class Span:
    """Days from `first` to `last`, both included, and what to call them."""

    first: date
    last: date
    zh: str
    en: str

    def label(self, language: str) -> str:
        """Return the name in `language` with the dates."""
        name = self.zh if language == "zh" else self.en
        if self.first == self.last:
            dates = (
                f"{self.first.month}月{self.first.day}日"
                if language == "zh"
                else f"{self.first:%d %b}".lstrip("0")
            )
        elif language == "zh":
            dates = f"{self.first.month}月{self.first.day}日–{self.last.month}月{self.last.day}日"
        else:
            dates = f"{self.first:%d %b} – {self.last:%d %b}"
        return f"{name}（{dates}）" if language == "zh" else f"{name} ({dates})"

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.last - self.first).days + 1

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return the aware moments [start, end)."""
        start = datetime.combine(self.first, datetime.min.time(), zone)
        return start, datetime.combine(self.last + timedelta(days=1), datetime.min.time(), zone)

    def to_state(self) -> dict[str, str]:
        """Return a form for the tracker."""
        return {"first": self.first.isoformat(), "last": self.last.isoformat(), "zh": self.zh, "en": self.en}

    @classmethod
    def from_state(cls, state: dict[str, str]) -> Span:
        """Read `to_state`'s form back."""
        return cls(
            date.fromisoformat(state["first"]), date.fromisoformat(state["last"]), state["zh"], state["en"]
        )


def find_span(text: str, today: date, within: Span | None = None) -> Span | None:
    """Return the span that a question names, or `None`.

    Args:
        text: the question, zh or en.
        today: in the city's time zone.
        within: the span talked about before; "Tuesday" then means the one in it.
    """
    low = text.lower()
    monday = today - timedelta(days=today.weekday())
    day = timedelta(days=1)
    weekday = _weekday(low)
    if weekday is not None:
        if re.search(r"上上周|上上星期|week before last", low):
            return _one(monday - 14 * day + weekday * day)
        if re.search(r"上周|上星期|上个?礼拜|last week|last (?:mon|tue|wed|thu|fri|sat|sun)", low):
            return _one(monday - 7 * day + weekday * day)
        if re.search(r"下周|下星期|下个?礼拜|next week|next (?:mon|tue|wed|thu|fri|sat|sun)", low):
            return _one(monday + 7 * day + weekday * day)
        if within is not None and within.days >= 2:
            inside = [
                within.first + k * day
                for k in range(within.days)
                if (within.first + k * day).weekday() == weekday
            ]
            if inside:
                return _one(inside[-1])
        latest = today - ((today.weekday() - weekday) % 7 or 7) * day
        return _one(latest)
    for pattern, first, last, zh, en in (
        (r"大前天", today - 3 * day, today - 3 * day, "大前天", "three days ago"),
        (r"前天|day before yesterday", today - 2 * day, today - 2 * day, "前天", "the day before yesterday"),
        (r"昨天|昨日|昨晚|昨夜|yesterday|last night", today - day, today - day, "昨天", "yesterday"),
        (r"后天|day after tomorrow", today + 2 * day, today + 2 * day, "后天", "the day after tomorrow"),
        (r"明天|明日|明早|明晚|明儿|tomorrow|tmrw", today + day, today + day, "明天", "tomorrow"),
        (r"今天|今日|今晚|今儿|现在|目前|today|tonight|right now", today, today, "今天", "today"),
        (
            r"上上周|上上星期|week before last",
            monday - 14 * day,
            monday - 8 * day,
            "上上周",
            "the week before last",
        ),
        (r"上周末|last weekend", monday - 2 * day, monday - day, "上周末", "last weekend"),
        (
            r"上周|上星期|上个?礼拜|last week|previous week",
            monday - 7 * day,
            monday - day,
            "上周",
            "last week",
        ),
        (r"下周|下星期|下个?礼拜|next week", monday + 7 * day, monday + 13 * day, "下周", "next week"),
        (r"本周末|这周末|周末|weekend", monday + 5 * day, monday + 6 * day, "周末", "the weekend"),
        (r"本周|这周|这星期|本星期|this week", monday, monday + 6 * day, "本周", "this week"),
        (
            r"未来一周|接下来一周|next 7 days|next seven days",
            today + day,
            today + 7 * day,
            "未来七天",
            "the next seven days",
        ),
        (r"过去一周|最近一周|past week", today - 7 * day, today - day, "最近七天", "the last seven days"),
        (
            r"过去一个月|最近一个月|past month",
            today - 30 * day,
            today - day,
            "最近三十天",
            "the last 30 days",
        ),
    ):
        if re.search(pattern, low):
            return Span(first, last, zh, en)
    return _counted(low, today) or _month(low, today) or _dated(low, today)


def _weekday(low: str) -> int | None:
    found = re.search(r"(?:周|星期|礼拜)([一二三四五六日天])", low)
    if found:
        return _ZH_DAYS[found[1]]
    for number, name in enumerate(_EN_DAYS):
        if re.search(rf"\b{name[:3]}(?:{name[3:]}|s|rs|nes|ur)?\b(?!\s*\d)", low) and not (
            name[:3] in {"sun", "sat"} and not re.search(rf"\b{name}", low)
        ):
            return number
    return None


def _one(when: date) -> Span:
    return Span(when, when, "周" + "一二三四五六日"[when.weekday()], _EN_DAYS[when.weekday()].capitalize())


def _counted(low: str, today: date) -> Span | None:
    day = timedelta(days=1)
    found = re.search(
        r"(最近|过去|近|未来|接下来)(\d+|[一二两三四五六七八九十]{1,2})(天|日|周|星期|个?月|小时)", low
    )
    if found:
        count = int(found[2]) if found[2].isdigit() else _ZH_DIGITS.get(found[2], 7)
        ahead, unit = found[1] in {"未来", "接下来"}, found[3]
    else:
        english = re.search(
            r"(last|past|previous|next|coming)\s+(\d+|[a-z]+)\s*(days?|weeks?|months?|hours?)", low
        )
        if not english:
            return None
        count = int(english[2]) if english[2].isdigit() else _NUMBERS.get(english[2], 0)
        ahead, unit = english[1] in {"next", "coming"}, english[3]
    size = 30 if "月" in unit or "month" in unit else 7 if unit[0] in "周星w" else 1
    days = max(1, -(-count // 24)) if "时" in unit or "hour" in unit else count * size
    if not 1 <= days <= 730:
        return None
    first, last = (today + day, today + days * day) if ahead else (today - days * day, today - day)
    return Span(
        first,
        last,
        f"{'未来' if ahead else '最近'}{days}天",
        f"the {'next' if ahead else 'last'} {days} days",
    )


def _month(low: str, today: date) -> Span | None:
    first = today.replace(day=1)
    previous = (first - timedelta(days=1)).replace(day=1)
    if re.search(r"上上个?月|month before last", low):
        return _whole_month(
            (previous - timedelta(days=1)).replace(day=1), "上上个月", "the month before last"
        )
    if re.search(r"上个?月|last month|previous month", low):
        return _whole_month(previous, "上个月", "last month")
    if re.search(r"下个?月|next month", low):
        return _whole_month(_next_month(first), "下个月", "next month")
    if re.search(r"本月|这个?月|当月|this month", low):
        return _whole_month(first, "本月", "this month")
    if re.search(r"去年|last year", low):
        return Span(date(today.year - 1, 1, 1), date(today.year - 1, 12, 31), "去年", "last year")
    if re.search(r"今年|本年度|this year", low):
        return Span(date(today.year, 1, 1), today, "今年", "this year")
    if re.search(r"全年|一年|annual|past year", low):
        return Span(today - timedelta(days=365), today - timedelta(days=1), "最近一年", "the last year")
    return None


def _dated(low: str, today: date) -> Span | None:
    iso = re.search(r"(\d{4})[-/年](\d{1,2})[-/月](\d{1,2})", low)
    zh = re.search(r"(\d{1,2}|[一二三四五六七八九十]{1,2})月(?:份)?(?:(\d{1,2})[日号])?", low)
    en = re.search(
        rf"\b(?:(\d{{1,2}})(?:st|nd|rd|th)?\s+)?({'|'.join(_EN_MONTHS)})[a-z]*\b(?:\s+(\d{{1,2}})(?!\d))?",
        low,
    )
    try:
        if iso:
            when = date(int(iso[1]), int(iso[2]), int(iso[3]))
            return Span(when, when, "当天", "that day")
        if zh:
            month = int(zh[1]) if zh[1].isdigit() else _ZH_DIGITS[zh[1]]
            return _past(month, int(zh[2]) if zh[2] else None, today)
        if en and not (
            en[2] == "may" and not (en[1] or en[3] or re.search(r"\b(?:in|for|of|during) may\b", low))
        ):
            number = en[1] or en[3]
            return _past(_EN_MONTHS.index(en[2]) + 1, int(number) if number else None, today)
    except (ValueError, KeyError):
        return None
    return None


def _past(month: int, day: int | None, today: date) -> Span:
    year = today.year if (month, day or 1) <= (today.month, today.day) else today.year - 1
    if day is None:
        return _whole_month(date(year, month, 1), f"{month}月", f"{date(year, month, 1):%B}")
    when = date(year, month, day)
    return Span(when, when, "当天", "that day")


def _whole_month(first: date, zh: str, en: str) -> Span:
    return Span(first, _next_month(first) - timedelta(days=1), zh, en)


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)
