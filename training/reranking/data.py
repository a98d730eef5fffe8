"""Questions with the passages they compete over."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from nlp.cross_encoder import mark_of
from training.reranking.errors import RerankingTrainingError

# One of so many labelled questions is held out: on them the score's weight in the ranking is chosen.
HELD_OUT = 6
_LEAST = 20


@dataclass(frozen=True)
class Asked:
    """A question and passages for it, the likeliest first; `right` is the number of the one that answers, -1 for none.

    `labelled` marks a question that people wrote to measure by, of which some are held out; an article's own
    phrasing is none.
    """

    question: str
    language: str
    passages: tuple[str, ...]
    right: int
    labelled: bool = False

    @property
    def is_held_out(self) -> bool:
        """Whether it is kept from training; told by the question's mark, so that it is the same in every run."""
        return self.labelled and int(mark_of(self.question), 16) % HELD_OUT == 0


@dataclass(frozen=True)
class Group:
    """A question with as many passages as every other has; `right` as in `Asked`."""

    question: str
    passages: tuple[str, ...]
    right: int


def divided(asked: Sequence[Asked]) -> tuple[list[Asked], list[Asked]]:
    """Return what to learn from, and what is held out.

    Raises:
        RerankingTrainingError: there are too few questions with and without an answer among their passages.
    """
    usable = [item for item in asked if item.question.strip() and len(item.passages) > 1]
    learn = [item for item in usable if not item.is_held_out]
    if sum(item.right >= 0 for item in learn) < _LEAST:
        raise RerankingTrainingError(
            f"{len(learn)} questions to learn from, {_LEAST} with an answer are needed; give articles `questions`, or "
            "write calibration questions beside the article folder"
        )
    return learn, [item for item in usable if item.is_held_out]


def grouped(asked: Sequence[Asked], size: int, seed: int) -> list[Group]:
    """Return each question with its right passage and hard wrong ones, or wrong ones alone, `size` in all.

    A wrong one is hard that stands high in the list: the first is always taken, the others are drawn.
    """
    rng = random.Random(seed)
    groups = []
    for item in asked:
        wrong = [text for at, text in enumerate(item.passages) if at != item.right]
        wanted = size - (item.right >= 0)
        chosen = wrong[:1] + rng.sample(wrong[1:], min(wanted - 1, len(wrong) - 1))
        while len(chosen) < wanted:
            chosen.append(rng.choice(wrong))
        texts = ([item.passages[item.right]] if item.right >= 0 else []) + chosen
        groups.append(Group(item.question, tuple(texts), 0 if item.right >= 0 else -1))
    return groups


def data_hash(asked: Sequence[Asked]) -> str:
    """Return a hash of all questions and passages whatever their order, 32 hexadecimal digits."""
    rows = sorted(json.dumps([item.question, item.language, item.passages, item.right]) for item in asked)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:32]
