"""Damaged questions for the robustness measures; written apart from the training noise on purpose."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable
from functools import lru_cache

import opencc

# Words that people in Chinese cities really say in English, and the other way round.
MIXED = {
    "天气": "weather", "今天": "today", "明天": "tomorrow", "电影": "movie", "音乐": "music", "酒店": "hotel",
    "老师": "teacher", "学校": "school", "工作": "work", "电话": "phone", "时间": "time", "问题": "problem",
    "朋友": "friend", "咖啡": "coffee", "汽车": "car", "火车": "train", "公司": "company", "家": "home",
    "会议": "meeting", "钱": "money", "书": "book", "房间": "room", "医生": "doctor", "医院": "hospital",
    "喜欢": "like", "知道": "know", "想": "want", "买": "buy", "帮助": "help", "谢谢": "thanks",
    "什么": "what", "哪里": "where", "为什么": "why", "法语": "French", "汤姆": "Tom", "玛丽": "Mary",
}  # fmt: skip
_TO_ENGLISH = sorted(MIXED.items(), key=lambda item: -len(item[0]))
_TO_CHINESE = {english.lower(): chinese for chinese, english in MIXED.items()}
_KEYBOARD = {
    "a": "s",
    "e": "r",
    "i": "o",
    "o": "p",
    "t": "y",
    "n": "m",
    "s": "d",
    "r": "t",
    "h": "j",
    "l": "k",
}
_SAME_SOUND = {
    "在": "再",
    "的": "得",
    "他": "她",
    "是": "事",
    "做": "作",
    "吗": "嘛",
    "了": "啦",
    "想": "响",
    "没": "每",
    "很": "狠",
}


def drop_punctuation(text: str, rng: random.Random) -> str:
    """Remove every punctuation mark; `rng` is unused."""
    return "".join(c for c in text if not unicodedata.category(c).startswith("P")) or text


def typo(text: str, rng: random.Random) -> str:
    """Make one slip: a neighbouring key or a homophone, else a swap of two characters."""
    table = _KEYBOARD if text.isascii() else _SAME_SOUND
    places = [i for i, c in enumerate(text) if c in table]
    if places and rng.random() < 0.6:
        place = rng.choice(places)
        return text[:place] + table[text[place]] + text[place + 1 :]
    if len(text) < 4:
        return text
    place = rng.randrange(len(text) - 2)
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


@lru_cache(maxsize=1)
def _taiwan() -> opencc.OpenCC:
    return opencc.OpenCC("s2tw")


def traditional(text: str, rng: random.Random) -> str:
    """Write in traditional characters with Taiwan's forms; `rng` is unused."""
    return str(_taiwan().convert(text))


def mixed(text: str, rng: random.Random) -> str:
    """Say up to two words in the other language; `rng` is unused."""
    if text.isascii():
        words = text.split(" ")
        for place, word in enumerate(words):
            bare = word.strip(".,?!").lower()
            if bare in _TO_CHINESE:
                words[place] = _TO_CHINESE[bare]
                break
        return " ".join(words)
    count = 0
    for chinese, english in _TO_ENGLISH:
        if chinese in text and count < 2:
            text = text.replace(chinese, f" {english} ", 1)
            count += 1
    return text.strip()


DAMAGES: dict[str, Callable[[str, random.Random], str]] = {
    "typo": typo,
    "no punctuation": drop_punctuation,
    "mixed language": mixed,
    "traditional": traditional,
}


def damage(texts: list[str], kind: str, seed: int = 5) -> list[str]:
    """Return the texts damaged in one way; repeatable."""
    rng = random.Random(seed)
    return [DAMAGES[kind](text, rng) for text in texts]
