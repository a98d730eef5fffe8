"""Mends slips of the keyboard: misspelt English words, and Chinese words written with a wrong character of the same sound.

Only the articles' own words are offered, and only for what is no word of the language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import jieba
from pypinyin import lazy_pinyin
from rapidfuzz import process
from rapidfuzz.distance import OSA

from knowledge.text import STOP_EN

_ENGLISH = re.compile(r"[a-z]{4,}")
_ENGLISH_IN = re.compile(r"[A-Za-z]{4,}")
_HAN_RUN = re.compile(r"[㐀-䶿一-鿿]+")
MAX_WORDS = 60_000
# Characters that stand beside others by grammar, not by a slip.
_GRAMMAR = frozenset("的了是不吗呢吧一这那我你他她有没在要能会就都也和跟给把被让去来几个些点上下里怎么什啥")


def surface_words(texts: Iterable[str]) -> list[str]:
    """Return the words that texts are written in: English ones of four letters on, Chinese ones of two characters on."""
    words: dict[str, int] = {}
    for text in texts:
        for word in _ENGLISH.findall(text.lower()):
            words[word] = words.get(word, 0) + 1
        for run in _HAN_RUN.findall(text):
            for word in jieba.cut(run):
                if 2 <= len(word) <= 5:
                    words[word] = words.get(word, 0) + 1
    return sorted(words, key=lambda word: (-words[word], word))[:MAX_WORDS]


class Speller:
    """Knows the words of one segment of the index.

    Args:
        words: from `surface_words`.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._by_initial: dict[str, list[str]] = {}
        for word in words:
            if word.isascii() and len(word) >= 4:
                self._by_initial.setdefault(word[0], []).append(word)
        self.known = frozenset(words)
        self._by_sound: dict[tuple[str, ...], list[str]] = {}
        for word in words:
            if not word.isascii():
                self._by_sound.setdefault(tuple(lazy_pinyin(word)), []).append(word)

    def english_word(self, word: str) -> str | None:
        """Return the known word that differs from `word` by a slip or two, or `None`."""
        slips = 1 if len(word) < 6 else 2
        # Hardly anybody mistypes the first letter.
        alike = self._by_initial.get(word[0], ())
        found = process.extractOne(word, alike, scorer=OSA.distance, score_cutoff=slips)
        return None if found is None else str(found[0])

    def chinese_word(self, window: str) -> str | None:
        """Return the known word of the same sound that shares all but one character, or `None`."""
        for word in self._by_sound.get(_sound(window), ()):
            wrong = [written for right, written in zip(word, window, strict=True) if right != written]
            if len(wrong) == 1 and wrong[0] not in _GRAMMAR and word[0] not in _GRAMMAR:
                return word
        return None


def mend(text: str, spellers: Sequence[Speller], is_word: Callable[[str], bool] | None = None) -> str:
    """Return the text with slips mended, or as it was.

    Args:
        text: a cleaned question.
        spellers: who knows the words.
        is_word: whether an English word is one of the language, though of no article.
    """

    def english(found: re.Match[str]) -> str:
        word = found.group().lower()
        if (
            word in STOP_EN
            or any(word in speller.known for speller in spellers)
            or (is_word and is_word(word))
        ):
            return found.group()
        for speller in spellers:
            better = speller.english_word(word)
            if better:
                return better
        return found.group()

    text = _ENGLISH_IN.sub(english, text)
    return _HAN_RUN.sub(lambda found: _mend_chinese(found.group(), spellers), text)


def _mend_chinese(run: str, spellers: Sequence[Speller]) -> str:
    tokens = list(jieba.cut(run))
    if all(len(token) > 1 for token in tokens):
        return run
    start = 0
    while start < len(tokens):
        for count in (3, 2, 1):
            part = tokens[start : start + count]
            window = "".join(part)
            # A slip breaks a word into fragments; whole words beside each other are none.
            if (
                len(part) < count
                or not 2 <= len(window) <= 5
                or (count > 1 and all(len(token) > 1 for token in part))
            ):
                continue
            if any(window in speller.known for speller in spellers) or jieba.dt.FREQ.get(window):
                continue
            better = next(
                (word for word in (speller.chinese_word(window) for speller in spellers) if word), None
            )
            if better:
                tokens[start : start + count] = [better]
                break
        start += 1
    return "".join(tokens)


@lru_cache(maxsize=20_000)
def _sound(window: str) -> tuple[str, ...]:
    return tuple(lazy_pinyin(window))
