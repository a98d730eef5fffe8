"""Which sentences of real traffic would teach the model most: those it is unsure of, each unlike the others.

Uncertainty is margin sampling (Scheffer et al. 2001); diversity is maximal marginal relevance over sentence
vectors (Carbonell & Goldstein 1998).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from knowledge.text import fold

FALLBACK = "nlu_fallback"
_SHORTLIST = 300
_MIN_CHARS, _MAX_CHARS = 2, 200


@dataclass(frozen=True)
class Suggestion:
    """A sentence worth labelling: the model's two best readings, how often it came, and how useful it is (0 to 1)."""

    text: str
    language: str
    intent: str
    confidence: float
    runner_up: str
    runner_up_confidence: float
    count: int
    usefulness: float
    conversation_id: str


def suggest(
    turns: Sequence[Mapping[str, Any]],
    known: set[str],
    encode: Callable[[list[str]], Any],
    limit: int = 60,
) -> list[Suggestion]:
    """Return the sentences to label, the most useful first.

    Args:
        turns: slim records of turns, newest first (`TraceReader.recent`).
        known: folded texts that are trained with already, or were put aside.
        encode: gives unit vectors (n, dimension) of texts.
        limit: at most so many.
    """
    candidates: dict[str, list[Mapping[str, Any]]] = {}
    for turn in turns:
        text = str(turn["text"])
        # What masking took out cannot be learned from, and a button's payload is no citizen's wording.
        if turn["confidence"] is None or "[" in text or not _MIN_CHARS <= len(text) <= _MAX_CHARS:
            continue
        key = fold(text)
        if key and key not in known:
            candidates.setdefault(key, []).append(turn)
    shortlist = sorted((_suggestion(group) for group in candidates.values()), key=lambda s: -s.usefulness)
    shortlist = shortlist[:_SHORTLIST]
    return _diverse(shortlist, encode, limit) if shortlist else []


def uncertainty(turn: Mapping[str, Any]) -> float:
    """Return 1 less the margin between the best two readings; what was not understood at all is most uncertain."""
    best, second = float(turn["confidence"]), float(turn["runner_up_confidence"] or 0.0)
    if turn["intent"] == FALLBACK:
        return 1.0 - 0.5 * second
    return min(1.0, max(0.0, 1.0 - (best - second)))


def _suggestion(group: Sequence[Mapping[str, Any]]) -> Suggestion:
    turn = group[0]
    # A sentence that comes often is worth more, but the tenth time adds little.
    weight = 1 - 0.5 / (1 + math.log(len(group)))
    lost = (
        1.0 if any(t["decision"] in ("abstain", "clarify") or t["rating"] == "down" for t in group) else 0.8
    )
    fallback = turn["intent"] == FALLBACK
    return Suggestion(
        text=str(turn["text"]),
        language=str(turn["language"]),
        intent=str(turn["runner_up"] if fallback else turn["intent"]),
        confidence=float((turn["runner_up_confidence"] or 0.0) if fallback else turn["confidence"]),
        runner_up="" if fallback else str(turn["runner_up"]),
        runner_up_confidence=0.0 if fallback else float(turn["runner_up_confidence"] or 0.0),
        count=len(group),
        usefulness=round(uncertainty(turn) * weight * lost, 4),
        conversation_id=str(turn["conversation_id"]),
    )


def _diverse(
    shortlist: Sequence[Suggestion], encode: Callable[[list[str]], Any], limit: int
) -> list[Suggestion]:
    vectors = np.asarray(encode([item.text for item in shortlist]), dtype=np.float32)
    useful = np.asarray([item.usefulness for item in shortlist])
    nearest = np.zeros(len(shortlist))
    left = np.ones(len(shortlist), bool)
    chosen: list[Suggestion] = []
    while len(chosen) < min(limit, len(shortlist)):
        score = np.where(left, useful * (1.0 - 0.7 * np.clip(nearest, 0.0, 1.0)), -1.0)
        row = int(score.argmax())
        left[row] = False
        chosen.append(shortlist[row])
        nearest = np.maximum(nearest, vectors @ vectors[row])
    return chosen
