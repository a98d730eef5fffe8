"""What the telephone says by itself, and the words by which a caller steers it."""

from __future__ import annotations

import re
from collections.abc import Mapping

PHRASES: Mapping[str, Mapping[str, str]] = {
    "greeting": {
        "zh": "您好，这里是{city}市民热线，我是智能助手{assistant}。普通话服务请按一，或直接说出您的问题。",
        "en": "For English, press two, or just ask your question.",
    },
    "closed": {
        "zh": "您好，这里是{city}市民热线，智能助手暂停服务。",
        "en": "The assistant is not available at the moment.",
    },
    "ready": {"zh": "请说出您的问题。", "en": "Please ask your question."},
    "menu": {
        "zh": "您可以直接提问。重听请按八，说慢一点请按七，听更多请按九，转人工请按零。",
        "en": "Just ask your question. To hear it again press eight, slower press seven, more press nine, a person press zero.",
    },
    "more": {"zh": "想听更多，请说“继续”，或按九。", "en": "To hear more, say “more” or press nine."},
    "no_more": {
        "zh": "没有更多内容了。请问还有什么问题？",
        "en": "That is all. What else would you like to know?",
    },
    "anything_else": {"zh": "请问还有什么可以帮您？", "en": "Is there anything else?"},
    "option": {"zh": "{title}，请按{number}。", "en": "For {title}, press {number}."},
    "silence": {"zh": "您还在吗？请说出您的问题。", "en": "Are you still there? Please ask your question."},
    "silence_again": {
        "zh": "我没有听到声音。转人工请按零。",
        "en": "I cannot hear you. For a person, press zero.",
    },
    "noise": {
        "zh": "抱歉，没有听清，请再说一遍。",
        "en": "Sorry, I did not catch that. Please say it again.",
    },
    "noise_again": {
        "zh": "还是没有听清。请换个说法，或者按零转人工。",
        "en": "I still did not catch it. Try other words, or press zero for a person.",
    },
    "no_option": {"zh": "没有这个选项。", "en": "That is no option."},
    "confirm": {
        "zh": "您说的是：{text}。对吗？对请按一，不对请按二。",
        "en": "You said: {text}. Is that right? Press one for yes, two for no.",
    },
    "again": {"zh": "好的，请再说一遍。", "en": "All right, please say it again."},
    "slower": {"zh": "好的，我说慢一点。", "en": "All right, I will speak slower."},
    "language": {"zh": "好的，我说普通话。", "en": "All right, I will speak English."},
    "transfer": {
        "zh": "正在为您转接人工服务，请稍候。",
        "en": "I am putting you through to a person. Please hold.",
    },
    "no_person": {
        "zh": "现在无法转接人工，您可以继续问我，或稍后再拨。",
        "en": "I cannot put you through at the moment. You can go on asking me, or call again later.",
    },
    "call_back": {
        "zh": "现在没有人能接电话，我帮您登记，工作人员会给您回电。请说出要办的事；换号码请先按键输入。不需要请说“不用”。",
        "en": "Nobody can take your call now; staff will call you back. Please say what it is about. For another "
        "number, type it in first. If you do not want this, say no.",
    },
    "call_back_number": {
        "zh": "现在没有人能接电话，我帮您登记，工作人员会给您回电。请按键输入您的号码，再说出要办的事。不需要请说“不用”。",
        "en": "Nobody can take your call now; staff will call you back. Please type in your number, then say what it "
        "is about. If you do not want this, say no.",
    },
    "number_noted": {
        "zh": "号码记下了：{number}。请说出要办的事。",
        "en": "I have noted {number}. Please say what it is about.",
    },
    "called_back": {
        "zh": "已为您登记，编号 {number}。工作人员会尽快给您回电。",
        "en": "It is filed under {number}. Staff will call you back soon.",
    },
    "called_back_kept": {
        "zh": "已记下您的留言，工作人员会尽快给您回电。",
        "en": "Your message is kept. Staff will call you back soon.",
    },
    "goodbye": {"zh": "感谢来电，再见。", "en": "Thank you for calling. Goodbye."},
    "failed": {
        "zh": "抱歉，系统暂时没有回答出来，请再说一遍，或按零转人工。",
        "en": "Sorry, the system could not answer. Please say it again, or press zero for a person.",
    },
    "summary": {
        "zh": "市民来电转接。对方说中文。{topics}",
        "en": "A transferred call. The caller speaks English. {topics}",
    },
    "summary_topics": {"zh": "刚才问了：{topics}。", "en": "They asked: {topics}."},
    "summary_none": {"zh": "对方还没有说出问题。", "en": "They have not said what it is about."},
}

_WISHES: Mapping[str, re.Pattern[str]] = {
    name: re.compile("|".join(patterns), re.I)
    for name, patterns in {
        "person": (
            r"转?人工|真人|接线员|客服|话务员|找个人",
            r"\b(operator|agent|human|representative|(speak|talk) to (a |some)?(person|body|one))\b",
        ),
        "repeat": (
            r"^(请|麻烦)?(你|您)?(再说|重复|再讲|重说|重听)(一?[遍次下])?|没听清|没听见",
            r"^(please )?(repeat|say (that|it) again|again|pardon|what did you say)\b",
        ),
        "slower": (r"慢一?点|慢些|太快", r"slower|slow down|too fast"),
        "more": (
            r"^(请|你|您)?(继续|接着|往下|下一段|还有呢|更多|说下去)",
            r"^(go on|(say |tell me )?more|continue|next|carry on)\b",
        ),
        "goodbye": (
            r"^(没有了|没了|不用了|没事了|再见|拜拜|挂了)",
            r"^(no,? thanks?|no,? that.?s all|good ?bye|bye)\b",
        ),
        "english": (r"^(请)?(说|讲|用)?(英文|英语)", r"^(in )?english( please)?\W*$|speak english"),
        "chinese": (
            r"^(请)?(说|讲|用)?(中文|汉语|普通话|国语)\W*$",
            r"^(in )?(chinese|mandarin)( please)?\W*$",
        ),
    }.items()
}
_YES = re.compile(r"^(是|对|嗯|好|没错|正确|可以|yes|yeah|yep|right|correct|that.?s right|ok)", re.I)
_NO = re.compile(r"^(不|没有|错|no\b|nope|wrong|not)", re.I)
_DECLINES = re.compile(
    r"^(不用|不要|不需要|算了|取消|没事|不)(了|吧|谢谢|，|,|啊)*[。.!！]?$"
    r"|^(no|nope|cancel|never ?mind|forget it)(,? thanks?|,? thank you)?[.!]?$",
    re.I,
)
# What must not be misheard: long numbers, in digits or in spoken ones.
_CRITICAL = re.compile(
    r"\d[\d\s-]{4,}\d|[零〇一幺二两三四五六七八九]{6,}"
    r"|(?:\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)\b\W*){6,}",
    re.I,
)
_LONGEST_WISH = 20


def phrase(key: str, language: str, **values: str) -> str:
    """Return a phrase in a language."""
    return PHRASES[key][language].format(**values)


def wish(text: str) -> str:
    """Return what a caller wants of the telephone itself ("repeat", "slower", …), "" when it is a question."""
    words = text.strip()
    if len(words) > _LONGEST_WISH * (1 if not words.isascii() else 2):
        return ""
    return next((name for name, pattern in _WISHES.items() if pattern.search(words)), "")


def yes_or_no(text: str) -> bool | None:
    """Return whether a caller agreed; `None` when neither was said."""
    words = text.strip()
    if _NO.search(words):
        return False
    return True if _YES.search(words) else None


def declines(text: str) -> bool:
    """Return whether a caller does not want what was offered."""
    return len(text.strip()) <= _LONGEST_WISH and _DECLINES.search(text.strip()) is not None


def is_critical(text: str) -> bool:
    """Return whether a text holds data that must be read back before it is used."""
    return _CRITICAL.search(text) is not None
