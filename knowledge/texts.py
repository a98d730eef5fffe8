"""What the answerer says in its own words, in both languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from city.settings import ContactSection

_TEXTS: Mapping[str, Mapping[str, str]] = {
    "empty": {
        "zh": "我没有看到文字。请用一句话写下您想办的事，例如“身份证丢了怎么补办？”。",
        "en": "I can't see any words. Please write what you need in a sentence, for example “How do I replace a lost ID card?”",
    },
    "long": {
        "zh": "这段文字太长，我抓不住重点。请用一两句话说说您想问什么。",
        "en": "That is too long for me to find the point. Please put your question in one or two sentences.",
    },
    "repeated": {
        "zh": "您把同样的话说了很多遍，我不知道您想问什么。请用一句话说说，例如“护照怎么办？”。",
        "en": "You say the same words over and over, and I can't tell what you need. Please put it in one sentence, for "
        "example “How do I apply for a passport?”",
    },
    "about_what": {
        "zh": "您问的是哪件事？请把它和问题一起说，例如“办借书证要多少钱？”。",
        "en": "Which matter do you mean? Please name it with your question, for example “How much is a library card?”",
    },
    "which": {"zh": "您想问的是下面哪一项？", "en": "Which of these do you mean?"},
    "which_about": {
        "zh": "关于“{title}”，下面几项都说到这一点。您想问的是哪一项？",
        "en": "On “{title}”, each of these says something about that. Which one do you mean?",
    },
    "maybe": {
        "zh": "我不太确定您要问什么。是下面的某一项吗？",
        "en": "I am not sure what you are asking. Is it one of these?",
    },
    "unknown": {
        "zh": "抱歉，这个问题我没有可靠的资料，不敢乱答。",
        "en": "Sorry, I have no reliable information on that, and I would rather not guess.",
    },
    "unknown_about": {
        "zh": "抱歉，关于“{title}”，我没有查到您问的这一点。",
        "en": "Sorry, I could not find that about “{title}”.",
    },
    "department": {"zh": "这类事情可以问：{contact}。", "en": "For this kind of matter, ask: {contact}."},
    "hotline": {"zh": "您也可以拨打{number}（{name}）。", "en": "You can also call {number} ({name})."},
    "hotline_only": {"zh": "请拨打{number}（{name}）咨询。", "en": "Please call {number} ({name})."},
    "only_zh": {
        "zh": "",
        "en": "This information exists only in Chinese so far; here is the original:",
    },
    "only_en": {"zh": "这条信息目前只有英文，以下是原文：", "en": ""},
}


def say(key: str, language: str, **values: str) -> str:
    """Return a text in "zh" or "en", filled in."""
    return _TEXTS[key]["en" if language == "en" else "zh"].format(**values)


def where_to_turn(contact: ContactSection, language: str, department: str = "") -> str:
    """Return whom to ask instead: the department when it is known, and the city's hotline."""
    name = contact.en if language == "en" else contact.zh
    if department:
        parts: Sequence[str] = (
            say("department", language, contact=department),
            say("hotline", language, number=contact.number, name=_bare(name)),
        )
    else:
        parts = (say("hotline_only", language, number=contact.number, name=_bare(name)),)
    return (" " if language == "en" else "").join(parts)


def _bare(name: str) -> str:
    """A name that ends in brackets would stand in brackets twice."""
    for opening, closing in (("（", "）"), ("(", ")")):
        if name.endswith(closing) and opening in name:
            head, _, tail = name[:-1].rpartition(opening)
            return f"{head.strip()}{'，' if opening == '（' else ', '}{tail}"
    return name
