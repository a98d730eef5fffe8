"""Dates and times in Chinese and English, relative ones too: where they stand, and a normal form.

The normal form is a space-separated list that needs no clock: `now`, `+30min`, `day+1`, `week+1 weekday=3`,
`month=10`, `date=2026-05-01`, `part=morning`, `08:30`, `holiday=春节`, `span=past-7d`. `nlp.entities.clock` turns
it into dates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nlp.entities.numbers import ENGLISH_NUMBER, number


@dataclass(frozen=True)
class TimeMatch:
    """A time expression at `[start, end)`, its normal form, and whether it is one beyond doubt.

    A bare part of the day, "now" or a season may as well be a greeting or a figure of speech.
    """

    start: int
    end: int
    normal: str
    sure: bool


_N = r"(?:\d{1,3}|[零一二两三四五六七八九十]{1,3})"
_DAYS_ZH = {
    "大前": -3, "前天": -2, "昨": -1, "今": 0, "当天": 0, "明": 1, "后天": 2, "大后": 3,
}  # fmt: skip
_ZH_DAY = r"大前天|前天|昨[天日]|今[天日儿]|当天|明[天日儿](?!白)|后天(?![性])|大后天|[今明昨][早晚](?:上)?"
_ZH_WEEK = r"(?:上上|上|这|本|(?<!一)下下|下|每)个?(?:周|星期|礼拜)[一二三四五六日天末]?|(?:周|星期|礼拜)[一二三四五六日天末](?!边)"
_ZH_MONTH = (
    r"(?:上|这|本|下)个?月[底初中]?"
    r"|(?:\d{4}年)?(?:1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])月(?:份|底|初|中)?(?:\d{1,2}|[一二三四五六七八九十]{1,3})?[日号]?"
)
_ZH_YEAR = r"[去今明前]年|本年度|年底前?|年初|(?:上|下|后|前)半年|(?:上|这|本|下)一?个?季度|\d{4}年"
_ZH_QUARTER = r"(?:[去今明]年|\d{4}年)?第?[一二三四]季度"
_ZH_HOLIDAY = (
    r"国庆(?:节|长假|假期)?|春节|元旦|清明(?:节)?|五一(?:假期)?|劳动节"
    r"|端午(?:节)?|中秋(?:节)?|[寒暑]假|法定节假日|节假日|工作日|春天|夏天|秋天|冬天"
)
_ZH_PART = r"凌晨|清晨|早晨|早上|上午|中午|下午|傍晚|晚上|夜里|夜间|半夜|深夜|大清早|[早晚]高峰|[上下]班高峰"
_ZH_CLOCK = rf"{_N}点(?:钟|半|整|[一三]刻|{_N}分?)?|\d{{1,2}}[:：]\d{{2}}"
_ZH_DATE = rf"(?:{_ZH_QUARTER}|{_ZH_DAY}|{_ZH_WEEK}|{_ZH_MONTH}|{_ZH_YEAR}|{_ZH_HOLIDAY})"
_ZH_SPAN = (
    rf"(?:未来|接下来|今后|最近|过去|近)(?:的)?(?:{_N}|几)个?(?:分钟|小时|天|日|周|星期|月|年)"
    rf"|(?:{_N}|半|几)个?(?:半)?(?:分钟|小时|钟头|天|周|星期|月)(?:以后|之后|后|以内|之内|内|以前|之前|前)|最近(?!的)"
)
_ZH_NOW = r"现在|此刻|这会儿|目前|眼下|刚才(?![的那说])|当前"
_ZH = re.compile(
    rf"(?P<date>{_ZH_DATE})(?:的?(?P<part>{_ZH_PART}))?(?:的?(?P<clock>{_ZH_CLOCK}))?"
    rf"|(?P<part2>{_ZH_PART})(?P<clock2>{_ZH_CLOCK})?|(?P<clock3>{_ZH_CLOCK})|(?P<span>{_ZH_SPAN})|(?P<now>{_ZH_NOW})"
)

_EN_N = rf"(?:\d{{1,3}}|{ENGLISH_NUMBER}|an?|half an|a few|few|several)"
_WEEKDAY = r"(?:mon|tues?|wednes|thurs?|fri|satur|sun)days?"
_MONTHS = "january february march april may june july august september october november december".split()
_EN_MONTH = r"(?:january|february|march|april|june|july|august|september|october|november|december)"
_EN_HOLIDAY = (
    r"national day|spring festival|chinese new year|new year'?s(?: day)?|(?:winter|summer) (?:holiday|vacation|break)s?"
    r"|public holidays?|labou?r day|mid-autumn festival|dragon boat festival"
)
_EN_PART = (
    r"early morning|morning rush(?: hour)?|evening rush(?: hour)?|(?:morning|evening) peak"
    r"|rush hour|morning|noon|midday|afternoon|evening|midnight|night|middle of the night"
)
_EN_CLOCK = (
    rf"(?:half past|quarter (?:past|to)) (?:\d{{1,2}}|{ENGLISH_NUMBER})|\d{{1,2}}[:.]\d{{2}} ?(?:[ap]\.?m\b\.?)?"
    r"|\d{1,2} ?(?:[ap]\.?m\b\.?|o'?clock)|noon|midnight"
)
_EN_DAY = (
    rf"day (?:after tomorrow|before yesterday)|today|tomorrow|yesterday|tonight|last night|tmrw|tmr"
    rf"|(?:next|last|this|coming|past) (?:{_WEEKDAY}|week(?:end)?|month|year|quarter|few days|{_EN_PART})"
    rf"|{_WEEKDAY}|weekends?|{_EN_MONTH}(?: \d{{1,2}}(?:st|nd|rd|th)?)?|(?:1|2\d|3[01]|\d)(?:st|nd|rd|th)? (?:of )?{_EN_MONTH}"
    r"|end of the (?:month|year)|year end|(?:first|second) half of the year"
)
_EN_SPAN = (
    rf"in (?:half an hour|{_EN_N} (?:minutes?|mins?|hours?|days?|weeks?|months?))|half an hour (?:later|from now)"
    rf"|{_EN_N} (?:minutes?|mins?|hours?|days?|weeks?|months?) (?:later|from now|ago)"
    rf"|(?:next|past|last|coming) {_EN_N} (?:minutes?|hours?|days?|weeks?|months?|years?)"
)
_EN_NOW = r"right now|at the moment|currently|now(?!adays)|just now"
_EN = re.compile(
    rf"\b(?:(?P<span>{_EN_SPAN})"
    rf"|(?P<clock0>{_EN_CLOCK})(?: (?:on )?(?P<date0>{_EN_DAY}))(?: (?P<part0>{_EN_PART}))?"
    rf"|(?P<date>{_EN_DAY}|{_EN_HOLIDAY})(?: (?P<part>{_EN_PART}))?(?: (?:at )?(?P<clock>{_EN_CLOCK}))?"
    rf"|(?P<part2>{_EN_PART})|(?P<clock3>{_EN_CLOCK})|(?P<now>{_EN_NOW}))(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"good (?:morning|afternoon|evening|night)|周末愉快|[早晚]上好|上午好|下午好|节日?快乐|for now", re.I
)
_WEAK = re.compile(r"now|part=\S+|holiday=\S+|year[+-]\d+|month=5|span=past-7d")
_SPOILED = re.compile(r"[有快早晚多少差][一]点|一点(?!钟|半|[一二三四五\d])")


def find_times(prepared: str) -> list[TimeMatch]:
    """Return the time expressions of a prepared text, without overlaps, in their order."""
    found: list[TimeMatch] = []
    for pattern, normal in ((_ZH, _normal_zh), (_EN, _normal_en)):
        for match in pattern.finditer(prepared):
            if match["clock3"] and _SPOILED.match(prepared, max(0, match.start() - 1)):
                continue  # "有一点堵" is no one o'clock
            if match["clock3"] and _SPOILED.match(prepared, match.start()):
                continue
            form = normal(match)
            if _GREETING.search(prepared, max(0, match.start() - 5), match.end() + 2):
                continue
            found.append(TimeMatch(match.start(), match.end(), form, not _WEAK.fullmatch(form)))
    found.sort(key=lambda item: (item.start, -item.end))
    kept: list[TimeMatch] = []
    for item in found:
        if not kept or item.start >= kept[-1].end:
            kept.append(item)
    return kept


_PARTS = (
    ("dawn", r"凌晨|early morning"),
    ("morning-peak", r"早高峰|上班高峰|morning (?:rush|peak)"),
    ("evening-peak", r"晚高峰|下班高峰|evening (?:rush|peak)|rush hour"),
    ("midnight", r"半夜|深夜|midnight|middle of the night"),
    ("morning", r"早|清晨|上午|morning"),
    ("noon", r"中午|noon|midday"),
    ("afternoon", r"下午|afternoon"),
    ("evening", r"傍晚|晚|evening|tonight"),
    ("night", r"夜|night"),
)


def _part(text: str) -> str | None:
    return next((name for name, pattern in _PARTS if re.search(pattern, text, re.IGNORECASE)), None)


def _clock(text: str, part: str | None) -> str | None:
    text = text.strip().lower().replace("：", ":")
    if text in ("noon", "midday"):
        return "12:00"
    if text == "midnight":
        return "00:00"
    minute = 0
    if match := re.match(r"(\d{1,2})[:.](\d{2})", text):
        hour: int | None = int(match[1])
        minute = int(match[2])
    elif match := re.match(r"(half past|quarter past|quarter to) (\S+)", text):
        hour = number(match[2])
        minute = {"half past": 30, "quarter past": 15, "quarter to": -15}[match[1]]
    elif "点" in text:
        head, tail = text.split("点", 1)
        hour = number(head)
        tail = tail.rstrip("分钟整")
        minute = {"半": 30, "一刻": 15, "三刻": 45}.get(tail, number(tail) or 0)
    else:
        head_match = re.match(r"\d{1,2}", text)
        hour = int(head_match[0]) if head_match else None
    if hour is None:
        return None
    late = re.search(r"p\.?m", text) or part in ("afternoon", "evening", "evening-peak", "night")
    if late and hour < 12:
        hour += 12
    elif hour == 12 and (re.search(r"a\.?m", text) or part in ("dawn", "midnight", "night")):
        hour = 0
    total = (60 * hour + minute) % 1440
    return f"{total // 60:02d}:{total % 60:02d}" if hour <= 24 and minute < 60 else None


def _joined(date: str | None, part: str | None, clock: str | None) -> str:
    time = _clock(clock, part) if clock else None
    pieces = [date, time or (f"part={part}" if part else None)]
    return " ".join(piece for piece in pieces if piece)


def _normal_zh(match: re.Match[str]) -> str:
    if match["now"]:
        return "now"
    if match["span"]:
        return _span_zh(match["span"])
    date_text = match["date"] or ""
    part = _part(match["part"] or match["part2"] or "") or (
        _part(date_text[1:]) if date_text[:1] in "今明昨" else None
    )
    clock = match["clock"] or match["clock2"] or match["clock3"]
    return _joined(_date_zh(date_text), part, clock)


def _date_zh(text: str) -> str | None:
    if not text:
        return None
    years = {"去年": -1, "今年": 0, "本年度": 0, "明年": 1, "前年": -2}
    if match := re.match(r"(?:(.年)|(\d{4})年)?第?([一二三四])季度$", text):
        year = f"year={match[2]} " if match[2] else f"year{years[match[1]]:+d} " if match[1] in years else ""
        return f"{year}quarter={'一二三四'.index(match[3]) + 1}"
    for prefix, days in sorted(_DAYS_ZH.items(), key=lambda item: -len(item[0])):
        if text.startswith(prefix) and not text.endswith("年"):
            return f"day{days:+d}"
    if match := re.match(r"(上上|上|这|本|下下|下|每)?个?(?:周|星期|礼拜)([一二三四五六日天末])?$", text):
        offset = {"上上": -2, "上": -1, "下": 1, "下下": 2}.get(match[1] or "", 0)
        week = f"week{offset:+d}" if match[1] and match[1] != "每" else ""
        if match[2] == "末":
            return f"{week or 'week+0'} weekend"
        day = f"weekday={'一二三四五六日'.index(match[2].replace('天', '日')) + 1}" if match[2] else ""
        return f"{week} {day}".strip()
    if match := re.match(r"(上|这|本|下)个?月([底初中])?$", text):
        return f"month{ {'上': -1, '下': 1}.get(match[1], 0):+d}"
    if match := re.match(
        r"(?:(\d{4})年)?(\d{1,2}|[一二三四五六七八九十]+)月(?:份|底|初|中)?(?:(\d{1,2}|[一二三四五六七八九十]+))?[日号]?$",
        text,
    ):
        in_year, date = number(match[2]), number(match[3] or "")
        if in_year is None:
            return None
        given = f"year={match[1]} " if match[1] else ""
        return f"{given}month={in_year}" + (f" dayofmonth={date}" if date else "")
    if text in years:
        return f"year{years[text]:+d}"
    if match := re.match(r"(\d{4})年$", text):
        return f"year={match[1]}"
    if "季度" in text:
        return f"quarter{ {'上': -1, '下': 1}.get(text[0], 0):+d}"
    return f"holiday={text}"


def _span_zh(text: str) -> str:
    unit = next((code for word, code in _UNITS_ZH if word in text), "d")
    if text == "最近":
        return "span=past-7d"
    match = re.search(rf"{_N}|半|几", text)
    raw = match[0] if match else "1"
    count = (
        3 if raw == "几" else 30 if raw == "半" and unit == "h" else 15 if raw == "半" else number(raw) or 1
    )
    if raw == "半":
        unit = "min" if unit == "h" else "d"
    if re.match(r"未来|接下来|今后", text):
        return f"span=next-{count}{unit}"
    if re.match(r"最近|过去|近", text):
        return f"span=past-{count}{unit}"
    if text.endswith("前"):
        return f"-{count}{unit}"
    return f"span=next-{count}{unit}" if text.endswith("内") else f"+{count}{unit}"


_UNITS_ZH = (
    ("分钟", "min"), ("小时", "h"), ("钟头", "h"), ("星期", "w"), ("周", "w"), ("月", "mo"), ("年", "y"), ("天", "d"), ("日", "d"),
)  # fmt: skip
_UNITS_EN = (("min", "min"), ("hour", "h"), ("day", "d"), ("week", "w"), ("month", "mo"), ("year", "y"))


def _normal_en(match: re.Match[str]) -> str:
    if match["now"]:
        return "now"
    if match["span"]:
        return _span_en(match["span"].lower())
    date_text = (match["date"] or match["date0"] or "").lower()
    part = _part(match["part"] or match["part0"] or match["part2"] or "") or (
        _part(date_text) if re.search("night|morning|afternoon|evening", date_text) else None
    )
    clock = match["clock"] or match["clock0"] or match["clock3"]
    return _joined(_date_en(date_text), part, clock)


def _date_en(text: str) -> str | None:
    if not text:
        return None
    days = {"today": 0, "tonight": 0, "tomorrow": 1, "tmrw": 1, "tmr": 1, "yesterday": -1, "last night": -1}
    if text in days:
        return f"day{days[text]:+d}"
    if "day after tomorrow" in text or "day before yesterday" in text:
        return "day+2" if "after" in text else "day-2"
    offset = -1 if re.match("last|past", text) else 1 if re.match("next|coming", text) else 0
    if match := re.search(r"(mon|tue|wed|thu|fri|sat|sun)\w*day", text):
        week = f"week{offset:+d} " if re.match("last|next", text) else ""
        return f"{week}weekday={('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun').index(match[1]) + 1}"
    if "weekend" in text:
        return f"week{offset:+d} weekend"
    for unit in ("week", "month", "year", "quarter"):
        if re.search(rf"(?:next|last|this|coming|past) {unit}$", text):
            return f"{unit}{offset:+d}"
    for at, month in enumerate(_MONTHS, 1):
        if month in text:
            day = re.search(r"\d{1,2}", text)
            return f"month={at}" + (f" dayofmonth={day[0]}" if day else "")
    if re.match("this ", text):
        return "day+0"
    return f"holiday={text}"


def _span_en(text: str) -> str:
    unit = next((code for word, code in _UNITS_EN if word in text), "d")
    if "half an hour" in text:
        return "+30min"
    match = re.search(rf"\b({_EN_N}) (?:min|hour|day|week|month|year)", text)
    count = (number(match[1]) if match else None) or 3
    if re.search("past|last", text):
        return f"span=past-{count}{unit}"
    if re.search("next|coming", text):
        return f"span=next-{count}{unit}"
    return f"-{count}{unit}" if text.endswith("ago") else f"+{count}{unit}"
