"""Repairs slips and homophones towards the words that a model was trained with; what it cannot place it leaves.

Method: a noisy channel (Kernighan, Church & Gale 1990). Every word, and every Chinese character, may stand for
itself or for a known one that is a slip away (a long one: two) or sounds alike; the most likely path through a bigram model of
the training texts wins (Viterbi 1967).
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any

from pypinyin import Style, pinyin
from rapidfuzz.distance import OSA
from tokenizers import Tokenizer

_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|[\u3400-\u9fff]|\d+", re.IGNORECASE)
_HAN = re.compile("[\u3400-\u9fff]")
_END = "\n"
# Natural logarithms: what a change costs, and how unlikely a word is that the training texts do not have: one
# that the base knows as one piece, a Chinese character, and one that the base does not know either.
_SLIP, _SOUND, _FOREIGN, _FOREIGN_HAN, _NONSENSE = 6.0, 5.5, -11.0, -9.0, -17.0
_TWO_SLIPS = 9.0
_BIGRAM = 0.8
_LEAST_LETTERS, _LEAST_FOR_TWO, _LONGEST, _MOST_TOKENS = 3, 7, 24, 200
_MOST_BIGRAMS = 150_000


@dataclass(frozen=True)
class Counts:
    """Unigrams and bigrams of training texts, lower case; a bigram is `first second`."""

    words: Mapping[str, int]
    pairs: Mapping[str, int]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Counts:
        """Count prepared texts."""
        words: Counter[str] = Counter()
        pairs: Counter[str] = Counter()
        for text in texts:
            tokens = [match.group().lower() for match in _TOKEN.finditer(text)]
            words.update([_END, *tokens])
            pairs.update(f"{a} {b}" for a, b in zip([_END, *tokens], [*tokens, _END], strict=True))
        kept = pairs.most_common(_MOST_BIGRAMS)
        return cls(dict(sorted(words.items())), dict(sorted(kept)))

    @classmethod
    def read(cls, path: Path) -> Counts:
        """Read what `write` wrote. Raises OSError, ValueError, KeyError or TypeError for another file."""
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            stored: Any = json.load(stream)
        words, pairs = stored["words"], stored["pairs"]
        if not all(isinstance(n, int) and n > 0 for n in [*words.values(), *pairs.values()]):
            raise ValueError("has counts that are no positive numbers")
        return cls(words, pairs)

    def write(self, path: Path) -> None:
        """Write the counts, compressed, the same bytes for the same counts."""
        raw = json.dumps({"words": self.words, "pairs": self.pairs}, ensure_ascii=False).encode()
        path.write_bytes(gzip.compress(raw, mtime=0))


class Speller:
    """Repairs texts with the counts of one model; safe to share between threads."""

    def __init__(self, counts: Counts, is_piece: Callable[[str], bool]) -> None:
        """Index the known words by their one-letter deletions, and the known characters by their sounds.

        Args:
            counts: of the training texts.
            is_piece: whether the base's tokenizer knows a lower-case word as one piece.
        """
        self._counts, self._is_piece = counts, is_piece
        self._total = max(1, sum(counts.words.values()))
        self._after: dict[str, dict[str, int]] = defaultdict(dict)
        for pair, count in counts.pairs.items():
            first, _, second = pair.partition(" ")
            self._after[first][second] = count
        self._near: dict[str, list[str]] = defaultdict(list)
        self._alike: dict[str, list[str]] = defaultdict(list)
        self._options = lru_cache(maxsize=8192)(self._possible)
        for word, count in counts.words.items():
            if _HAN.match(word):
                for sound in sounds(word):
                    self._alike[sound].append(word)
            # A rare word that the base does not know either may be somebody's slip: nothing is made of it.
            elif word[:1].isalpha() and len(word) >= _LEAST_LETTERS and (count > 2 or is_piece(word)):
                for key in _deletions(word):
                    self._near[key].append(word)

    def repair(self, prepared: str) -> str:
        """Return the text as it was probably meant; only words and characters are replaced."""
        found = list(_TOKEN.finditer(prepared))[:_MOST_TOKENS]
        tokens = [match.group().lower() for match in found]
        if not tokens:
            return prepared
        odd = self._odd(tokens)
        if not any(odd):
            return prepared
        best = self._path(tokens, odd)
        parts, at = [], 0
        for match, token, chosen in zip(found, tokens, best, strict=True):
            parts += [prepared[at : match.start()], match.group() if chosen == token else chosen]
            at = match.end()
        return "".join([*parts, prepared[at:]])

    def _odd(self, tokens: list[str]) -> list[bool]:
        """Return for each token whether it stands beside one that it never stood beside in the training texts."""
        known = [b in self._after.get(a, ()) for a, b in zip([_END, *tokens], [*tokens, _END], strict=True)]
        return [not (left and right) for left, right in pairwise(known)]

    def _path(self, tokens: list[str], odd: list[bool]) -> list[str]:
        # States of one place: candidate -> (cost so far, candidate before it).
        states: list[dict[str, tuple[float, str]]] = [{_END: (0.0, "")}]
        for token, doubted in zip([*tokens, _END], [*odd, False], strict=True):
            options = self._options(token) if doubted else {token: 0.0}
            column: dict[str, tuple[float, str]] = {}
            # A word that never followed any of those before costs the same after each: the cheapest one leads to it.
            cheapest = min((cost, word) for word, (cost, _) in states[-1].items())
            ways = [
                (word, cost, self._after[word])
                for word, (cost, _) in states[-1].items()
                if word in self._after
            ]
            for candidate, change in options.items():
                best = cheapest[0] + self._alone(candidate), cheapest[1]
                for word, cost, after in ways:
                    if candidate in after:
                        best = min(best, (cost + self._together(word, candidate, after[candidate]), word))
                column[candidate] = best[0] + change, best[1]
            states.append(column)
        chosen = [_END]
        for column in reversed(states[1:]):
            chosen.append(column[chosen[-1]][1])
        return chosen[-2:0:-1]

    def _possible(self, token: str) -> Mapping[str, float]:
        """Return what a token may stand for, each with what the change costs."""
        found = {token: 0.0}
        if _HAN.match(token):
            for sound in sounds(token):
                for other in self._alike.get(sound, ()):
                    found.setdefault(other, _SOUND)
        elif token[0].isalpha() and _LEAST_LETTERS <= len(token) <= _LONGEST:
            for key in _deletions(token):
                for other in self._near.get(key, ()):
                    slips = OSA.distance(token, other, score_cutoff=2)
                    if slips == 1 or (slips == 2 and len(token) >= _LEAST_FOR_TWO):
                        found.setdefault(other, _SLIP if slips == 1 else _TWO_SLIPS)
        return found

    def _alone(self, word: str) -> float:
        """Return what a word costs where it never stood in the training texts."""
        single = self._counts.words.get(word, 0)
        if single:
            return -log((1 - _BIGRAM) * single / self._total)
        if _HAN.match(word):
            return -_FOREIGN_HAN
        return -_FOREIGN if not word.isalpha() or self._is_piece(word) else -_NONSENSE

    def _together(self, previous: str, word: str, pairs: int) -> float:
        """Return what a word costs after one that it followed so often in the training texts."""
        share = pairs / self._counts.words[previous]
        return -log(_BIGRAM * share + (1 - _BIGRAM) * self._counts.words[word] / self._total)


def piece_test(tokenizer: Tokenizer) -> Callable[[str], bool]:
    """Return the test whether a tokenizer, SentencePiece or WordPiece, knows a word as one piece."""
    return lambda word: any(tokenizer.token_to_id(name) is not None for name in ("▁" + word, word))


@lru_cache(maxsize=16384)
def sounds(char: str) -> tuple[str, ...]:
    """Return the readings of a Chinese character, without tones."""
    return tuple(sorted(set(pinyin(char, style=Style.NORMAL, heteronym=True)[0])))


def _deletions(word: str) -> set[str]:
    """Return a word and what it becomes without one of its letters (Garbe's symmetric deletion)."""
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}
