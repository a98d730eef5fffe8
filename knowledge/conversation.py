"""What a conversation is about: its state, and how a follow-up is completed from it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

from knowledge.facets import _PATTERNS, asked_facets
from knowledge.text import STOP_ZH, clean, has_han, search_words

STATE_SECONDS = 30 * 60

_OPENING = re.compile(
    r"^(?:那么?|然后|还有|另外|再问|顺便|要是|如果是|换成|对了)"
    r"|^(?:and|also|what about|how about|what if|so|then|ok(?:ay)?|but)\b",
    re.IGNORECASE,
)
_POINTER = re.compile(
    r"这个|那个|这种|这些|它|该证|这证|上面|刚才|此事|^(?:这|那)(?:要|得|需|能|可|有|是|里)"
    r"|\b(?:it|its|that|this|they|them|there|those|these|one)\b",
    re.IGNORECASE,
)
_ENDING = re.compile(r"呢[?？]?$")
_TO_ENGLISH = re.compile(
    r"^(?:那|and|please)?[\s,，]*(?:用|请用|能用|可以用)?(?:in|say (?:it|that) in)?\s*(?:英[文语]版?|english)"
    r"(?:\s*(?:呢|吗|说|讲|回答|再说一遍|please|version))*[\s?？。.!！]*$",
    re.IGNORECASE,
)
_TO_CHINESE = re.compile(
    r"^(?:那|and|please)?[\s,，]*(?:用|请用|能用|可以用)?(?:in|say (?:it|that) in)?\s*(?:中[文语]版?|汉语|普通话|chinese|mandarin)"
    r"(?:\s*(?:呢|吗|说|讲|回答|再说一遍|please|version))*[\s?？。.!！]*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class State:
    """What was last answered; travels with the conversation as JSON.

    `anchor` is the article that answered the last question which stood alone; `at` is in seconds since 1970.
    """

    article: str
    anchor: str
    topic: str
    question: str
    language: str
    at: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None, now: float) -> State | None:
        """Read the JSON form; `None` when there is none, it is no state, or it has expired."""
        try:
            assert data is not None
            state = cls(
                str(data["article"]),
                str(data["anchor"]),
                str(data["topic"]),
                str(data["question"]),
                str(data["language"]),
                float(data["at"]),
            )
        except (AssertionError, KeyError, TypeError, ValueError):
            return None
        return state if 0 <= now - state.at <= STATE_SECONDS else None


@dataclass(frozen=True)
class Reading:
    """How a message stands to what was said before.

    `leaning` says how much it leans on it: 0 stands alone, 1 may lean, 2 surely does. `wanted_language` is set when it
    asks only for the same in another language.
    """

    leaning: int
    own_words: tuple[str, ...]
    wanted_language: str | None = None


def read(text: str, follow_up: bool) -> Reading:
    """Read a message's form: does it lean on what was said before, and what does it name itself?

    Args:
        text: the message.
        follow_up: whether the language model took it for a follow-up.
    """
    text = clean(text)
    if _TO_ENGLISH.match(text):
        return Reading(2, (), "en")
    if _TO_CHINESE.match(text):
        return Reading(2, (), "zh")
    own = own_words(text)
    leaning = 0
    if _OPENING.search(text) or _ENDING.search(text) or follow_up:
        leaning = 2
    elif _POINTER.search(text) or not own:
        leaning = 2 if len(own) <= 2 else 1
    elif len(own) <= 1 and asked_facets(text):
        leaning = 1
    return Reading(leaning, own)


def own_words(text: str) -> tuple[str, ...]:
    """Return the words of a question that name a subject, without those that ask for its price, hours and so on."""
    bare = clean(text).lower()
    for pattern in _PATTERNS.values():
        bare = pattern.sub(" ", bare)
    words = [word for word in search_words(bare) if not word.startswith("_")]
    return tuple(
        word for word in dict.fromkeys(words) if word not in STOP_ZH and (len(word) > 1 or not has_han(word))
    )


def complete(text: str, subject: str) -> str:
    """Return a follow-up as a question of its own: its words together with what it is about."""
    bare = _OPENING.sub("", clean(text)).strip(" ,，、")
    bare = _ENDING.sub("", bare)
    return f"{subject} {bare}".strip()


def facet_phrase(question: str) -> str:
    """Return the words with which a question asked for its facets ("多少钱", "how much does it cost")."""
    spans = sorted(
        found.span()
        for name, pattern in _PATTERNS.items()
        if name != "how-to"
        for found in pattern.finditer(question)
    )
    return question[spans[0][0] : spans[-1][1]] if spans else ""


@lru_cache(maxsize=512)
def common_subject(titles: tuple[str, ...], language: str) -> str:
    """Return what the titles of a topic's articles have in common ("residence permit"), or the first title.

    Args:
        titles: titles in one language, the last answer's first.
        language: "zh" or "en".
    """
    first = titles[0]
    if len(titles) < 2:
        return first
    shared = _common_zh(titles) if language == "zh" else _common_en(titles)
    return shared or first


def _common_zh(titles: Sequence[str]) -> str:
    shared = titles[0]
    for title in titles[1:]:
        match = SequenceMatcher(None, shared, title, autojunk=False).find_longest_match(
            0, len(shared), 0, len(title)
        )
        shared = shared[match.a : match.a + match.size]
    shared = shared.strip("的和与、及 ")
    return shared if len(shared) >= 2 else ""


def _common_en(titles: Sequence[str]) -> str:
    counts: dict[str, int] = {}
    for title in titles:
        for stem in set(search_words(title)):
            counts[stem] = counts.get(stem, 0) + 1
    kept: dict[str, str] = {}
    for title in titles:
        for word in re.findall(r"[A-Za-z0-9'’-]+", title):
            stems = search_words(word)
            if stems and not asked_facets(word) and counts.get(stems[0], 0) * 3 >= len(titles) * 2:
                kept.setdefault(stems[0], word)
    return " ".join(kept.values())
