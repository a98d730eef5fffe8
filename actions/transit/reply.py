"""Words for transit answers, in Chinese and English. Every timetable answer names its source and service day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from actions.transit.departures import Departure
from actions.transit.lines import Line
from actions.transit.model import ASK_DRIVER, PHONE_AHEAD, Fare, Feed
from city.messages import Button, Reply

MAX_BUTTONS = 6
_WEEK_ZH = "一二三四五六日"
_WEEK_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTH_EN = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def day_text(day: date, language: str) -> str:
    """Return a day in words."""
    if language == "zh":
        return f"{day.year}年{day.month}月{day.day}日（周{_WEEK_ZH[day.weekday()]}）"
    return f"{_WEEK_EN[day.weekday()]} {day.day} {_MONTH_EN[day.month - 1]} {day.year}"


def short_day(day: date, today: date, language: str) -> str:
    """Return "" for today, a word for tomorrow and yesterday, else the day and month."""
    ahead = (day - today).days
    if language == "zh":
        return {0: "", 1: "明天 ", -1: "昨天 "}.get(ahead, f"{day.month}月{day.day}日 ")
    words = {0: "", 1: "tomorrow ", -1: "yesterday "}
    return words.get(ahead, f"{day.day} {_MONTH_EN[day.month - 1]} ")


def metres_text(metres: float, language: str) -> str:
    """Return a distance rounded as one says it."""
    if metres < 950:
        return f"{max(10, round(metres / 10) * 10)} {'米' if language == 'zh' else 'm'}"
    return f"{metres / 1000:.1f} {'公里' if language == 'zh' else 'km'}"


def fare_text(fare: Fare, language: str) -> str:
    """Return a price or price range."""
    amount = f"{fare.low:g}" if fare.low == fare.high else f"{fare.low:g}–{fare.high:g}"
    if fare.currency == "CNY":
        return f"{amount} 元" if language == "zh" else f"{amount} yuan"
    return f"{amount} {fare.currency}"


def source_text(feed: Feed, days: Iterable[date], language: str) -> str:
    """Return the line that names the data: publisher, scheduled not live, service days."""
    shown = sorted(set(days))
    special = any(feed.calendar.differs_from_week(d) for d in shown)
    publisher = feed.publisher_name(language)
    if language == "zh":
        text = f"来源：{publisher}时刻表，计划时间，非实时。"
        if shown:
            text += "运营日：" + "、".join(day_text(d, language) for d in shown)
            text += "（当日有特别安排，如节假日）。" if special else "。"
        return text
    text = f"Source: {publisher} timetable; scheduled times, not live."
    if shown:
        word = "Service day" if len(shown) == 1 else "Service days"
        text += f" {word}: " + ", ".join(day_text(d, language) for d in shown)
        text += " (special arrangements that day, e.g. a holiday)." if special else "."
    return text


def clock(feed: Feed, departure: Departure, now: datetime, language: str, *, countdown: bool) -> str:
    """Return one departure: "08:05 (in 3 min)"; "about" where the timetable is only rough."""
    local_today = now.astimezone(departure.when.tzinfo).date()
    text = short_day(departure.when.date(), local_today, language) + f"{departure.when:%H:%M}"
    if departure.approximate:
        text = ("约 " if language == "zh" else "about ") + text
    minutes = int((departure.epoch - now.timestamp()) // 60)
    if countdown and 0 <= minutes < 60:
        if minutes == 0:
            text += "（即将发车）" if language == "zh" else " (due now)"
        else:
            text += f"（{minutes} 分钟后）" if language == "zh" else f" (in {minutes} min)"
    flags = int(feed.row_flags[departure.row])
    if flags & PHONE_AHEAD:
        text += "（须先打电话预约）" if language == "zh" else " (phone ahead)"
    if flags & ASK_DRIVER:
        text += "（须与司机约定）" if language == "zh" else " (arrange with the driver)"
    return text


def end_clock(departure: Departure, language: str) -> str:
    """Return a first or last departure; past midnight it says that it is the next day."""
    text = f"{departure.when:%H:%M}"
    if departure.when.date() > departure.service_day:
        text += "（次日）" if language == "zh" else " (next day)"
    return ("约 " if language == "zh" else "about ") + text if departure.approximate else text


def by_headsign(
    feed: Feed, found: Sequence[Departure], now: datetime, language: str, each: int, *, countdown: bool = True
) -> list[str]:
    """Return one text line per direction, with up to `each` times."""
    signs: dict[str, list[Departure]] = {}
    for departure in found:
        signs.setdefault(feed.headsign(departure.row, language), []).append(departure)
    lines = []
    for sign, some in signs.items():
        times = [
            clock(feed, d, now, language, countdown=countdown and n == 0) for n, d in enumerate(some[:each])
        ]
        lines.append(
            f"往 {sign}：{'、'.join(times)}" if language == "zh" else f"To {sign}: {', '.join(times)}"
        )
    return lines


def by_line(
    feed: Feed, lines: dict[int, Line], found: Sequence[Departure], now: datetime, language: str, limit: int
) -> tuple[list[str], list[Departure]]:
    """Return one text line per line and direction, soonest first, with up to two times; and the departures shown."""
    rows: dict[tuple[int, str], list[Departure]] = {}
    for departure in found:
        rows.setdefault((lines[departure.route].index, feed.headsign(departure.row, language)), []).append(
            departure
        )
    texts: list[str] = []
    shown: list[Departure] = []
    for (_, sign), some in list(rows.items())[:limit]:
        name = lines[some[0].route].name(language)
        shown += some[:2]
        times = [clock(feed, d, now, language, countdown=n == 0) for n, d in enumerate(some[:2])]
        if language == "zh":
            texts.append(f"{name} 往 {sign}：{'、'.join(times)}")
        else:
            texts.append(f"{name} to {sign}: {', '.join(times)}")
    return texts, shown


def question(
    language: str,
    *,
    line: str = "",
    stop: str = "",
    code: str = "",
    to: str = "",
    which: str = "",
    when: str = "",
) -> str:
    """Return a departure question as a citizen would type it; buttons send it back as their payload."""
    if language == "zh":
        where = stop + (f"（站点{code}）" if code else "")
        towards = f"往{to}方向" if to else ""
        ending = {"last": "末班车几点", "first": "首班车几点", "both": "首末班几点"}.get(which, "下一班几点")
        parts = [when, line, f"在{where}" if where else "", towards]
        return "".join(p for p in parts if p) + ("的" if line or where or towards else "") + ending
    where = stop + (f" (stop {code})" if code else "")
    what = {"last": "last", "first": "first", "both": "first and last"}.get(which, "next")
    vehicle = line or "bus"
    parts = [
        f"When is the {what} {vehicle}",
        f"from {where}" if where else "",
        f"towards {to}" if to else "",
        when,
    ]
    return " ".join(p for p in parts if p) + "?"


def ask(text: str, buttons: Iterable[tuple[str, str]]) -> Reply:
    """Return a clarifying question with its choices, at most `MAX_BUTTONS`."""
    return Reply(text, "clarify", buttons=tuple(Button(t, p) for t, p in list(buttons)[:MAX_BUTTONS]))


def say(text: str, buttons: Iterable[tuple[str, str]] = ()) -> Reply:
    """Return an answer."""
    return Reply(text, "transit", buttons=tuple(Button(t, p) for t, p in list(buttons)[:MAX_BUTTONS]))


def expired_text(feed: Feed, day: date, language: str) -> str:
    """Return what to say about a day that the timetable does not cover."""
    first, last = feed.coverage()
    publisher = feed.publisher_name(language)
    if day > last:
        if language == "zh":
            return (
                f"抱歉，手头的{publisher}时刻表只到{day_text(last, 'zh')}，查不到{day_text(day, 'zh')}的班次。"
                "请以站牌或运营方公布的为准。"
            )
        return (
            f"Sorry, the {publisher} timetable I have ended on {day_text(last, 'en')}, so I cannot tell times for "
            f"{day_text(day, 'en')}. Please check the notice at the stop or with the operator."
        )
    if language == "zh":
        return f"抱歉，手头的{publisher}时刻表从{day_text(first, 'zh')}起才生效，查不到{day_text(day, 'zh')}的班次。"
    return (
        f"Sorry, the {publisher} timetable I have begins only on {day_text(first, 'en')}, so I cannot tell times for "
        f"{day_text(day, 'en')}."
    )
