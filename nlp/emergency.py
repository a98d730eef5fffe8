"""Plain rules that recognise a person in danger now, in Chinese and English."""

from __future__ import annotations

import re
import unicodedata

# Each kind's phrases say that it is happening, not that somebody asks about it.
_RULES: tuple[tuple[str, str], ...] = (
    (
        "medical",
        r"晕倒|昏倒|昏迷|没有?呼吸|不能呼吸|喘不[过上]气|心脏病发|心梗|中风了|大出血|流(?:了)?(?:好多|很多)血|噎住|触电了|中毒了|溺水|落水|掉(?:进|到)(?:河|湖|水|江)里"
        r"|快不行了|要生了|羊水破|被(?:狗|蛇|车).{0,3}(?:咬|撞).{0,6}(?:血|不动|昏|重)"
        r"|unconscious|not breathing|can'?t breathe|cannot breathe|stopped breathing|heart attack|having a stroke|chok(?:ing|ed on)"
        r"|bleeding (?:a lot|badly|heavily|to death)|(?:has|just|dad|mum|mom|wife|husband|he|she|someone|man|woman) collapsed"
        r"|overdos(?:e|ed)|drown(?:ing|ed)|electrocuted|water broke",
    ),
    (
        "fire",
        r"着火了|起火了|失火了|(?:房子|家里|楼[上下里]|厨房|车|屋).{0,6}(?:着火|起火|冒(?:浓)?烟)|火灾了|爆炸了|煤气泄[漏露]|燃气泄[漏露]|闻到.{0,6}(?:煤气|燃气)"
        r"|(?:煤气|燃气|天然气)味(?:很|好|太)?(?:重|浓|大)?$|被困(?:在)?(?:电梯|火|里面)|困在电梯"
        r"|\bon fire\b|there(?:'s| is) a fire\b|caught fire|house is burning|smell(?:s|ing)? (?:of )?gas\b|gas leak(?:ing)?\b(?! (?:check|inspection))|explosion"
        r"|(?:trapped|stuck) in (?:the|an|a) (?:lift|elevator|fire|building)",
    ),
    (
        "crime",
        r"救命|杀人|有人拿刀|持刀|抢劫|被抢了|被绑架|入室|有人(?:闯|撬)|有人(?:在)?(?:打|砍|捅)(?:人|我)|家暴.{0,4}(?:打|正在)|被跟踪|有人要(?:杀|害)我|打起来了.{0,6}(?:刀|血)"
        r"|being robbed|got robbed|with a knife|with a gun|has a (?:knife|gun)|breaking in(?:to)?|broke into|kidnap|being attacked|attacking me"
        r"|trying to kill|stabb(?:ed|ing)|following me|help me(?:!|$)|^help!+$|^sos\b",
    ),
    (
        "traffic",
        r"出(?:了)?车祸|车祸.{0,8}(?:伤|血|流|死|困)|撞(?:到|了)人|有人被(?:车)?撞|被(?:汽)?车撞"
        r"|car (?:crash|accident).{0,30}(?:hurt|injur|blood|trapped)|(?:hit|knocked down) by a (?:car|bus|truck|lorry)|people (?:are )?(?:hurt|injured) in (?:a|the) (?:crash|accident)",
    ),
    (
        "mental",
        r"不想活|想自杀|要自杀|自杀了|想死|活不下去|轻生|要跳楼|想跳楼|割腕|结束(?:自己的)?生命"
        r"|kill myself|suicid(?:e|al)|end my life|want to die|don'?t want to live|cut(?:ting)? my wrists?|jump off (?:a|the) (?:bridge|building|roof)",
    ),
)
_COMPILED = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _RULES)

# Questions about emergencies, prevention and paperwork are for the knowledge base.
_ASKING = re.compile(
    r"怎么(?:办理|申请|预防|避免|逃生|报警|处理|应对|报名|投诉)|如何|预防|演练|知识|培训|保险|理赔|报销|证明|赔偿|几点|在哪(?:里|儿)?(?:学|培训)|电影|小说|梦见"
    r"|\bhow (?:do|can|should|to)\b|\bwhat (?:should|to do|do) .{0,20}\b(?:in case|if|during)\b|\bin case of\b|prevent|insurance|compensation|training|certificate|movie|book about",
    re.IGNORECASE,
)
_NOW = re.compile(
    r"现在|刚刚|正在|救命|快来|马上|快点|快死|\bnow\b|\bhelp me\b|\bright now\b|\bhurry\b|\bplease come\b",
    re.IGNORECASE,
)


def emergency_kind(text: str) -> str | None:
    """Return the kind of emergency that a text tells of, or `None`.

    Args:
        text: the citizen's message; only its first 1,000 characters are looked at.

    Returns:
        "medical", "fire", "crime", "traffic" or "mental".
    """
    sample = unicodedata.normalize("NFKC", text[:1000]).replace("’", "'").strip()
    for kind, pattern in _COMPILED:
        if pattern.search(sample):
            if kind != "mental" and _ASKING.search(sample) and not _NOW.search(sample):
                return None
            return kind
    return None
