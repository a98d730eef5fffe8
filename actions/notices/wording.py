"""What is said of notices, and the words on buttons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from actions.notices.records import CAP, Notice
from actions.notices.settings import DistrictSection
from city.messages import Button, Reply

STOP = {"zh": "退订通知", "en": "Stop notices"}
_START_ALL = {"zh": "订阅全市通知", "en": "Subscribe to notices for the whole city"}
_START = {"zh": "订阅{name}的通知", "en": "Subscribe to notices for {name}"}
_SEVERITIES = {
    "Extreme": ("特别严重", "extreme"),
    "Severe": ("严重", "severe"),
    "Moderate": ("较重", "moderate"),
    "Minor": ("一般", "minor"),
}
_BUTTONS = 8


def text_of(notice: Notice, language: str) -> tuple[Mapping[str, str], bool]:
    """Return a notice's texts in a language, else in the one that it has; and whether it is the one wanted."""
    texts = notice.texts.get(language)
    if texts is not None:
        return texts, True
    return next(iter(notice.texts.values())), False


def reply_of(notice: Notice, language: str, zone: ZoneInfo) -> Reply:
    """Tell a notice. An alert's instruction stands word for word as its sender wrote it."""
    texts, fits = text_of(notice, language)
    english = language == "en"
    severity = _SEVERITIES.get(notice.severity)
    mark = "⚠️ " if notice.kind == CAP else ""
    level = f" ({severity[1]})" if severity and english else f"（{severity[0]}）" if severity else ""
    parts = [f"{mark}**{texts['title']}**{level}"]
    if not fits:
        parts.insert(0, "This notice is in Chinese only." if english else "本通知仅有英文版本。")
    if texts.get("area"):
        parts.append(f"Where: {texts['area']}" if english else f"范围：{texts['area']}")
    if texts.get("text"):
        parts.append(texts["text"])
    if texts.get("instruction"):
        parts += ["What to do:" if english else "应对措施：", texts["instruction"]]
    parts.append(_source(notice, texts, english, zone))
    if texts.get("web"):
        parts.append(texts["web"])
    return Reply("\n\n".join(parts), "emergency" if notice.kind == CAP else "requests")


def _source(notice: Notice, texts: Mapping[str, str], english: bool, zone: ZoneInfo) -> str:
    until = when(notice.expires_at, zone)
    source = texts.get("source") or ""
    if english:
        return f"{f'Source: {source}. ' if source else ''}Valid until {until}."
    return f"{f'来源：{source}。' if source else ''}有效至 {until}。"


def end_reply(notice: Notice, language: str) -> Reply:
    """Tell that a notice holds no longer."""
    title = text_of(notice, language)[0]["title"]
    source = "emergency" if notice.kind == CAP else "requests"
    return Reply(f"No longer in force: {title}" if language == "en" else f"已解除：{title}", source)


def when(moment: datetime, zone: ZoneInfo) -> str:
    """Show a moment (UTC) in the city's time."""
    from datetime import timezone

    return moment.replace(tzinfo=timezone.utc).astimezone(zone).strftime("%Y-%m-%d %H:%M")


def start_button(district: DistrictSection | None, language: str) -> Button:
    """Return the button that subscribes to a district, or to the whole city."""
    key = "en" if language == "en" else "zh"
    text = _START_ALL[key] if district is None else _START[key].format(name=district.name.get(language))
    title = text if district is None else district.name.get(language)
    return Button(title, text)


def stop_button(language: str) -> Button:
    """Return the button that ends the subscription."""
    text = STOP["en" if language == "en" else "zh"]
    return Button(text, text)


def choose_reply(districts: Sequence[DistrictSection], language: str) -> Reply:
    """Ask what to subscribe to."""
    buttons = [
        start_button(None, language),
        *(start_button(item, language) for item in districts[: _BUTTONS - 1]),
    ]
    text = (
        "I can tell you about water cuts, road closures, weather warnings and the like as soon as the city announces "
        "them. For which part of the city?"
        if language == "en"
        else "停水、停电、封路、恶劣天气等通知发布后，我可以第一时间告诉您。请选择要关注的区域："
    )
    return Reply(text, "requests", buttons=buttons)


def names(districts: Sequence[DistrictSection], chosen: Sequence[str], language: str) -> str:
    """Name districts; none is the whole city."""
    found = [item.name.get(language) for item in districts if item.id in chosen]
    if not found:
        return "the whole city" if language == "en" else "全市"
    return (", " if language == "en" else "、").join(found)


def subscribed_reply(area: str, language: str) -> Reply:
    """Confirm a subscription."""
    text = (
        f"Done: you will get notices for {area} here, in English. You can stop them at any time."
        if language == "en"
        else f"已订阅：{area}的通知会发到这里。您可以随时退订。"
    )
    return Reply(text, "requests", buttons=[stop_button(language)])


def unsubscribed_reply(was: bool, language: str) -> Reply:
    """Confirm the end of a subscription."""
    if language == "en":
        text = "You will get no more notices." if was else "You are not subscribed to notices."
    else:
        text = "已退订，不会再收到通知。" if was else "您没有订阅通知。"
    return Reply(text, "requests", buttons=[start_button(None, language)])


def state_reply(area: str | None, language: str, districts: Sequence[DistrictSection]) -> Reply:
    """Say what somebody is subscribed to."""
    if area is None:
        return choose_reply(districts, language)
    text = f"You are subscribed to notices for {area}." if language == "en" else f"您订阅了{area}的通知。"
    return Reply(text, "requests", buttons=[stop_button(language)])
