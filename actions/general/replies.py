"""Plain domain code of the general actions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from city.messages import Button, Reply
from city.settings import ContactSection, EmergencyNumber

_ENGLISH = re.compile(r"英[文语]|english|inglés|anglais|yingwen|yingyu", re.IGNORECASE)
_CHINESE = re.compile(r"中[文语]|汉语|普通话|国语|chinese|mandarin|putonghua|zhongwen|hanyu", re.IGNORECASE)

_ADVICE = {
    "medical": {
        "zh": "请先确保安全，不要随意移动伤者，保持电话畅通，告诉接线员准确地址。",
        "en": "Stay safe, do not move an injured person unnecessarily, keep your line free and tell the operator the exact address.",
    },
    "fire": {
        "zh": "请立即撤离到安全处，不要乘坐电梯；闻到燃气味时不要开关电器、不要在室内打电话。",
        "en": "Get out to a safe place now and do not use lifts; if you smell gas, touch no switches and make the call outside.",
    },
    "crime": {
        "zh": "请尽快到安全的地方，尽量不要与对方发生冲突，记住对方的特征和去向。",
        "en": "Get to a safe place, avoid confronting anyone, and remember what they look like and where they went.",
    },
    "traffic": {
        "zh": "请打开双闪、撤到路边，有人受伤先拨打急救电话。",
        "en": "Switch on your hazard lights and move to the roadside; if anyone is hurt, call the ambulance first.",
    },
    "mental": {
        "zh": "您不是一个人。请现在就打电话，和愿意倾听的人说说。如果身边有人，也请告诉他们您现在的感受。",
        "en": "You are not alone. Please call now and talk to someone who will listen. If someone is near you, tell them how you feel.",
    },
    "general": {
        "zh": "请先确保自身安全，告诉接线员准确地址和情况。",
        "en": "Make sure you are safe first, then tell the operator the exact address and what happened.",
    },
}
_FIRST = {
    "medical": ("medical",),
    "fire": ("fire",),
    "crime": ("crime",),
    "traffic": ("medical", "traffic"),
    "mental": ("mental", "medical", "crime"),
}


def emergency_reply(numbers: Sequence[EmergencyNumber], kind: str | None, language: str) -> Reply:
    """Compose the emergency answer.

    Args:
        numbers: the city's emergency numbers.
        kind: what `nlp.emergency.emergency_kind` found, or `None`.
        language: "zh" or "en".

    Returns:
        A reply of source `emergency`: the fitting numbers first, then all others, then what to do.
    """
    wanted = _FIRST.get(kind or "", ())
    ordered = sorted(
        numbers, key=lambda n: min((wanted.index(k) for k in n.kinds if k in wanted), default=len(wanted))
    )
    advice = _ADVICE[kind if kind in _ADVICE else "general"][language]
    if language == "en":
        lines = "\n".join(f"- **{n.number}** {n.en}" for n in ordered)
        text = f"This sounds like an emergency. Please call now:\n{lines}\n\n{advice}"
    else:
        lines = "\n".join(f"- **{n.number}** {n.zh}" for n in ordered)
        text = f"这听起来是紧急情况，请马上拨打：\n{lines}\n\n{advice}"
    return Reply(text, "emergency", buttons=[Button(n.number, f"tel:{n.number}") for n in ordered])


def handoff_reply(contact: ContactSection, language: str) -> Reply:
    """Say where to find a person."""
    if language == "en":
        hours = f" ({contact.hours.en})" if contact.hours.en else ""
        return Reply(f"To speak to a person, call {contact.number}{hours}: {contact.en}.", "handoff")
    hours = f"（{contact.hours.zh}）" if contact.hours.zh else ""
    return Reply(f"如需人工服务，请拨打 {contact.number}{hours}，{contact.zh}。", "handoff")


def wished_language(text: str) -> str | None:
    """Return the language that a text asks to go on in, or `None` when it names none we speak."""
    english, chinese = _ENGLISH.search(text), _CHINESE.search(text)
    if english and chinese:
        # "别说中文了，说英文" and "not Chinese, English please": the last one named is the wish.
        return "en" if english.start() > chinese.start() else "zh"
    if english:
        return "en"
    return "zh" if chinese else None


def language_reply(language: str | None, current: str) -> Reply:
    """Confirm the change of language, in the new language."""
    if language == "en":
        return Reply("Sure, I'll answer in English. What would you like to know?", "smalltalk")
    if language == "zh":
        return Reply("好的，我用中文回答。请问您想了解什么？", "smalltalk")
    if current == "en":
        return Reply("I can answer in Chinese and in English. Just ask in either language.", "smalltalk")
    return Reply("我可以用中文或英文回答，您用哪种语言提问，我就用哪种语言回答。", "smalltalk")
