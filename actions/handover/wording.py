"""What the desk says to citizens, what its buttons send, and the words that citizens answer with."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime

from actions.handover.records import Ticket
from city.messages import Button, Reply
from city.settings import ContactSection

CANCEL = {"zh": "取消排队", "en": "Stop waiting"}
END = {"zh": "结束人工服务", "en": "End the chat"}
LEAVE = {"zh": "给工作人员留言", "en": "Leave a message for staff"}
PERSON = {"zh": "转人工", "en": "Talk to a person"}
STARS = (5, 4, 3, 2, 1)
_RATED = {"zh": "人工服务评价：{}分", "en": "Rate the staff: {} of 5"}
_STAR_NAMES = {
    "zh": ("", "很不满意", "不满意", "一般", "满意", "很满意"),
    "en": ("", "Very poor", "Poor", "Fair", "Good", "Very good"),
}
_RATING = re.compile(r"^(?:人工服务评价[:：] ?([1-5]) ?分?|rate the staff[:：] ?([1-5])(?: of 5)?)$")
_CANCEL_WORDS = frozenset(
    [
        *(
            "取消排队",
            "取消",
            "不等了",
            "不用了",
            "不排了",
            "算了",
            "退出排队",
            "返回机器人",
            "回到机器人",
            "取消人工",
        ),
        *("stop waiting", "cancel", "never mind", "nevermind", "back to the bot", "back to the assistant"),
        *("back to bot", "forget it", "i won't wait"),
    ]
)
_END_WORDS = frozenset(
    ["结束人工服务", "结束对话", "结束服务", "结束人工", "end the chat", "end chat", "end this chat"]
)
_LEAVE_WORDS = frozenset(
    ["给工作人员留言", "我要留言", "留言", "leave a message for staff", "leave a message"]
)
_TRIM = re.compile(r"^[\s\W_]+|[\s\W_]+$")


def plain(text: str) -> str:
    """Return a text for comparing: full-width forms folded, lower case, no marks around it."""
    return _TRIM.sub("", unicodedata.normalize("NFKC", text).lower())


def wants_cancel(text: str) -> bool:
    """Return whether a waiting citizen wants to go back to the bot."""
    return plain(text) in _CANCEL_WORDS


def wants_end(text: str) -> bool:
    """Return whether a citizen ends the conversation with the operator."""
    return plain(text) in _END_WORDS


def wants_message(text: str) -> bool:
    """Return whether a citizen wants to leave a message."""
    return plain(text) in _LEAVE_WORDS


def rating_in(text: str) -> int | None:
    """Return the stars of a rating button, `None` for any other text."""
    found = _RATING.match(plain(text))
    return int(found[1] or found[2]) if found else None


def handoff(language: str, zh: str, en: str, buttons: Sequence[Button] = ()) -> Reply:
    """Return a reply of the desk."""
    return Reply(en if language == "en" else zh, "handoff", buttons=tuple(buttons))


def button(texts: dict[str, str], language: str) -> Button:
    """Return a button that sends its own title."""
    text = texts["en" if language == "en" else "zh"]
    return Button(text, text)


def wait_text(seconds: float | None, language: str) -> str:
    """Say how long it will take, in whole minutes."""
    if seconds is None:
        return ""
    minutes = math.ceil(seconds / 60)
    if minutes <= 1:
        return "about a minute" if language == "en" else "约 1 分钟"
    return f"about {minutes} minutes" if language == "en" else f"约 {minutes} 分钟"


def place_text(position: int, wait_s: float | None, language: str) -> str:
    """Say the place in the queue and the expected wait."""
    wait = wait_text(wait_s, language)
    if language == "en":
        others = "is one person" if position == 2 else f"are {position - 1} people"
        ahead = "You are next." if position <= 1 else f"There {others} before you."
        return f"{ahead} Expected wait: {wait}." if wait else ahead
    ahead = "您是下一位。" if position <= 1 else f"您前面还有 {position - 1} 位。"
    return f"{ahead}预计等待{wait}。" if wait else ahead


def when_text(moment: datetime, language: str) -> str:
    """Name a moment in the city's time."""
    if language == "en":
        return f"{moment:%A} {moment.day} {moment:%B}, {moment:%H:%M}"
    return f"{moment.month}月{moment.day}日（周{'一二三四五六日'[moment.weekday()]}）{moment:%H:%M}"


def ticket_reply(ticket: Ticket, contact: ContactSection, language: str, give_up_s: float) -> Reply:
    """Say what became of the wish to speak to a person."""
    hotline = contact.number
    if ticket.kind in (Ticket.QUEUED, Ticket.ALREADY):
        place = place_text(ticket.position, ticket.wait_s, language)
        minutes = math.ceil(give_up_s / 60)
        zh = f"正在为您转接人工服务。{place}等待时您可以继续补充情况，工作人员都会看到。"
        en = (
            f"I am connecting you to a person. {place} You can add details while you wait; they will be read."
        )
        if ticket.kind == Ticket.ALREADY:
            zh, en = f"您已在排队。{place}", f"You are in the queue. {place}"
        if ticket.wait_s is None:
            zh += f"目前坐席都不在线；{minutes} 分钟内无人应答，我会为您登记，工作人员之后会处理。急事请拨打 {hotline}。"
            en += (
                f" Nobody is at the desk right now. If no one answers within {'a minute' if minutes == 1 else f'{minutes} minutes'}, "
                f"your question is filed and staff will deal with it later. If it is urgent, call {hotline}."
            )
        return handoff(language, zh, en, [button(CANCEL, language)])
    leave = [button(LEAVE, language)]
    if ticket.kind == Ticket.SHUT:
        opens = when_text(ticket.opens_at, language) if ticket.opens_at else ""
        zh = f"现在不是人工服务时间{f'，下次开始：{opens}' if opens else ''}。您可以留言，或拨打 {hotline}（{contact.zh}）。"
        en = (
            f"Nobody is at the desk at this hour{f'; it opens on {opens}' if opens else ''}. "
            f"You can leave a message, or call {hotline}: {contact.en}."
        )
        return handoff(language, zh, en, leave)
    if ticket.kind == Ticket.FULL:
        return handoff(
            language,
            f"现在排队的人很多，暂时无法接入。您可以留言，或拨打 {hotline}。",
            f"The queue is full at the moment. You can leave a message, or call {hotline}.",
            leave,
        )
    return handoff(
        language,
        f"您近一小时内已多次请求人工服务，请稍后再试，或拨打 {hotline}。",
        f"You have asked for a person many times within the hour. Try again later, or call {hotline}.",
    )


def rating_reply(language: str, said: str = "") -> Reply:
    """Ask how the person at the desk did."""
    zh = f"{said}\n\n请评价本次人工服务：" if said else "请评价本次人工服务："
    en = f"{said}\n\nHow was the service of our staff?" if said else "How was the service of our staff?"
    names = _STAR_NAMES["en" if language == "en" else "zh"]
    payload = _RATED["en" if language == "en" else "zh"]
    return handoff(language, zh, en, [Button(names[stars], payload.format(stars)) for stars in STARS])
