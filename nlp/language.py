"""Language identification for short and mixed texts: script first, then a model, then the conversation."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from langdetect import PROFILES_DIRECTORY, DetectorFactory, LangDetectException

_HAN = re.compile(r"[㐀-䶿一-鿿豈-﫿\U00020000-\U0002ffff]")
_KANA = re.compile(r"[぀-ヿｦ-ﾟ]")
_HANGUL = re.compile(r"[가-힯ᄀ-ᇿ]")
_WORD = re.compile(r"[A-Za-zÀ-ɏ]+(?:['’][A-Za-z]+)?")
_URL = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+\.\S+")

# Words that only somebody writing English uses: they decide where the nouns are borrowed.
_ENGLISH = frozenset(
    """
    a about after again all am an and any are at be because before bus but by can cannot close closed cost
    could did do does doing english fee for from get give go good have hello help her hers hey hi his how i
    i'm if in is isn't it it's know like long many may me more morning most much my near need next no not
    now of off on open or our out please pay should so some sorry speak take tell thank thanks that that's
    the their them there these they this time to today tomorrow too until up want was we were what what's
    when where where's which who why will with work would yes you your bye
    """.split()
)
_CHINESE = re.compile(
    r"[吗呢吧啊呀么嘛啥咋哪谁怎请问的了在是我你他她您这那有没不要能可会想去到给把和跟]"
    r"|几点|多少|什么|怎么|如何|为何|办理|多久|可以|需要|几号|几路"
)
_SYLLABLE = re.compile(
    r"(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uai|uan|ue|ve|ai|ei|ui|ao|ou|"
    r"iu|ie|er|an|en|in|un|vn|ia|ua|uo|a|o|e|i|u|v)"
)
_PINYIN_WORD = re.compile(rf"(?:{_SYLLABLE.pattern})+\Z")


@dataclass(frozen=True)
class Identified:
    """The language of a text.

    `language` is the one to answer in ("zh" or "en"); `detected` the text's own ISO 639-1 code, which may be
    another one, or "und" when the text tells nothing; `method` says what decided.
    """

    language: str
    detected: str
    method: str


@lru_cache(maxsize=1)
def _factory() -> DetectorFactory:
    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    # langdetect samples at random; a fixed seed makes one text always one language.
    factory.seed = 0
    return factory


def _detect(text: str) -> tuple[str, float]:
    detector = _factory().create()
    detector.append(text)
    try:
        best = detector.get_probabilities()
    except LangDetectException:
        return "und", 0.0
    return (best[0].lang.split("-")[0], float(best[0].prob)) if best else ("und", 0.0)


def _is_pinyin(words: list[str]) -> bool:
    lowered = [word.lower() for word in words]
    if any(word in _ENGLISH for word in lowered) or not all(_PINYIN_WORD.match(word) for word in lowered):
        return False
    return sum(len(_SYLLABLE.findall(word)) for word in lowered) >= 3


def identify(text: str, conversation: str | None = None, default: str = "zh") -> Identified:
    """Identify the language of one message.

    Args:
        text: the message, of any length; only its first 1,000 characters are looked at.
        conversation: the language the conversation is held in ("zh" or "en"), for texts that tell nothing.
        default: the language when the conversation has none yet.

    Returns:
        The language to answer in and the language seen.
    """
    sample = _URL.sub(" ", unicodedata.normalize("NFKC", text[:1000]))
    known = conversation if conversation in ("zh", "en") else None
    han = len(_HAN.findall(sample))
    words = _WORD.findall(sample)
    if len(_KANA.findall(sample)) >= 2 and len(_KANA.findall(sample)) * 4 >= han:
        return Identified(known or "en", "ja", "script")
    if len(_HANGUL.findall(sample)) >= 2:
        return Identified(known or "en", "ko", "script")
    if han and not words:
        return Identified("zh", "zh", "script")
    if han:
        return _mixed(sample, han, words)
    if words:
        return _latin(sample, words, known, default)
    if sum(ch.isalpha() for ch in sample) >= 3:
        detected, probability = _detect(sample)
        if probability > 0.8:
            return Identified(known or "en", detected, "model")
    return Identified(known or default, "und", "conversation" if known else "default")


def _mixed(sample: str, han: int, words: list[str]) -> Identified:
    english = sum(word.lower() in _ENGLISH for word in words)
    chinese = len(_CHINESE.findall(sample))
    if english != chinese:
        language = "en" if english > chinese else "zh"
    else:
        language = "en" if len(words) * 2 > han else "zh"
    return Identified(language, language, "script")


def _latin(sample: str, words: list[str], known: str | None, default: str) -> Identified:
    english = sum(word.lower() in _ENGLISH for word in words)
    if _is_pinyin(words):
        return Identified("zh", "zh", "pinyin")
    if english * 3 >= len(words):
        return Identified("en", "en", "words")
    letters = sum(len(word) for word in words)
    if len(words) >= 4 and letters >= 16:
        detected, probability = _detect(sample)
        if detected != "en" and probability >= 0.95:
            return Identified(known or "en", detected, "model")
        return Identified("en", "en", "model")
    # A bare noun or two short ones ("wifi", "VIP", "QR code") are written by people of either language; "library
    # hours" is not.
    phrase = len(words) == 2 and letters >= 9 and min(map(len, words)) >= 3
    if known and len(words) <= 2 and english == 0 and not phrase:
        return Identified(known, "und", "conversation")
    if letters <= 3 and len(words) == 1 and not english:
        return Identified(known or default, "und", "conversation" if known else "default")
    return Identified("en", "en", "words")
