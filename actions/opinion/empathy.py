"""What a citizen who complains hears first: that somebody understood, and what happens next."""

from __future__ import annotations

import re

from city.messages import Reply

_UPSET = re.compile(
    r"气死|气人|生气|愤怒|恼火|火大|受不了|忍无可忍|忍不了|太差|恶劣|过分|离谱|欺负|骂|无语|寒心|失望|没人(?:管|理|修|清)|踢皮球|推诿"
    r"|furious|angry|outrag|unacceptable|fed up|sick of|terribl|awful|disgust|disgrac|ridiculous|\brude|yelled|shouted"
    r"|insult|nobody cares|no ?one cares|had enough|appalling|ignored|disappointed",
    re.IGNORECASE,
)
_NEXT = {
    "zh": "我来帮您登记并转给负责的部门，登记后会给您一个编号，随时可以查进度。",
    "en": "I will file it for you: it goes to the department in charge, and you get a number to follow it with.",
}
_SORRY = {
    ("zh", True): "遇到这样的事，换了谁都会生气，让您受委屈了，很抱歉。",
    ("zh", False): "给您带来不便，很抱歉，谢谢您告诉我们。",
    ("en", True): "Anyone would be upset about that, and I am sorry it happened to you. ",
    ("en", False): "I am sorry about the trouble, and thank you for telling us. ",
}


def sympathy(text: str, intent: str, language: str) -> Reply | None:
    """Return what to say before anything is asked; `None` for a report, an idea or praise told calmly.

    Args:
        text: what the citizen wrote.
        intent: what it was understood as; a complaint always gets a word.
        language: "zh" or "en".
    """
    upset = _UPSET.search(text) is not None
    if intent not in ("complain", "report_problem") or (intent != "complain" and not upset):
        return None
    code = "zh" if language == "zh" else "en"
    return Reply(_SORRY[code, upset] + _NEXT[code], "requests")
