"""Words that mean danger, urgency, vulnerable people, and the known request categories; read from a YAML file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from actions.opinion.errors import OpinionError

FILE = Path(__file__).parent / "lexicon.yml"
OTHER = "other"
_LATIN = re.compile("[a-z0-9_]+")
# A negation this many characters before a word takes its weight away ("没有起火", "no smoke").
_BEFORE = 8


@dataclass(frozen=True)
class Category:
    """A known kind of request with the department that answers for it."""

    id: str
    name: Mapping[str, str]
    department: Mapping[str, str]


@dataclass(frozen=True)
class Words:
    """Words of one kind as one pattern; Latin words only match whole."""

    pattern: re.Pattern[str]
    starts: frozenset[str]

    @classmethod
    def of(cls, words: Mapping[str, Sequence[str]]) -> Words:
        """Build the pattern, longest words first."""
        every = sorted(
            {str(word).lower() for part in words.values() for word in part}, key=lambda w: (-len(w), w)
        )
        parts = [rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word) for word in every]
        return cls(re.compile("|".join(parts) or "(?!)"), frozenset(map(_beginning, every)))

    def find(self, low: str) -> list[re.Match[str]]:
        """Return the matches in a lower-case text."""
        # Most texts hold none, and hold not even how one begins, which costs a hundredth of a search.
        return [] if self.starts.isdisjoint(_beginnings(low)) else list(self.pattern.finditer(low))


@lru_cache(maxsize=1024)
def _beginnings(low: str) -> frozenset[str]:
    """Return all that `_beginning` may return for a word that is in a text."""
    return frozenset(low).union(map("".join, itertools.pairwise(low)), _LATIN.findall(low))


def _beginning(word: str) -> str:
    """Return how a word begins: its first Latin word, or two characters."""
    latin = _LATIN.match(word) if word.isascii() else None
    return latin.group() if latin is not None else word[:2]


class Lexicon:
    """All word lists. Texts are compared in lower case."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._safety, self._urgency = Words.of(data["safety"]), Words.of(data["urgency"])
        self._vulnerable, self._negators = Words.of(data["vulnerable"]), Words.of(data["negators"])
        self.categories: dict[str, Category] = {}
        self._category_words: list[tuple[str, Words]] = []
        for item in data["categories"]:
            category = Category(
                str(item["id"]), {"zh": item["zh"], "en": item["en"]}, dict(item["department"])
            )
            self.categories[category.id] = category
            self._category_words.append((category.id, Words.of(item["words"])))
        self.categories[OTHER] = Category(
            OTHER, {"zh": "其他", "en": "other"}, {"zh": "市民热线", "en": "Citizen hotline"}
        )

    def safety(self, text: str) -> tuple[str, ...]:
        """Return the words of danger that are not denied, staged, or fiction."""
        low = text.lower()
        found = []
        for match in self._safety.find(low):
            before = low[max(0, match.start() - _BEFORE) : match.start()]
            after = low[match.end() : match.end() + _BEFORE]
            if not self._negators.find(before) and not self._negators.find(after):
                found.append(match.group())
        return tuple(dict.fromkeys(found))

    def urgency(self, text: str) -> tuple[str, ...]:
        """Return the words that ask for haste."""
        return tuple(dict.fromkeys(m.group() for m in self._urgency.find(text.lower())))

    def vulnerable(self, text: str) -> tuple[str, ...]:
        """Return the words for people who need protection."""
        return tuple(dict.fromkeys(m.group() for m in self._vulnerable.find(text.lower())))

    def category(self, text: str) -> str:
        """Return the id of the category with the most words in a text, the first mentioned on a tie; else "other"."""
        low = text.lower()
        best, rank = OTHER, (0, 0)
        for name, words in self._category_words:
            found = words.find(low)
            if found:
                mine = (
                    sum(len(m.group()) if not m.group().isascii() else 3 for m in found),
                    -found[0].start(),
                )
                if mine > rank:
                    best, rank = name, mine
        return best


@lru_cache(maxsize=4)
def load_lexicon(path: Path = FILE) -> Lexicon:
    """Read the word lists; raises OpinionError naming the file and the mend."""
    try:
        return Lexicon(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, YAMLError, KeyError, TypeError) as error:
        raise OpinionError(
            f"{path}：词表无法读取（{error}）；请对照随附的 lexicon.yml 修正",
            f"{path}: the word lists cannot be read ({error}); compare with the shipped lexicon.yml",
        ) from None
