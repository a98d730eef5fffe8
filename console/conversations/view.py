"""One turn as the page shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from channels.traces.reading import FullTurn
from nlp.joint_explain import Explanation

_OUTER = ("conversation", "nlu", "dialogue", "store")
_DEPTHS = 4


@dataclass(frozen=True)
class Timing:
    """A step's duration; `share` is of the turn, 0 to 20 for the bar's class, `inner` a step within another."""

    name: str
    ms: float
    share: int
    inner: bool
    error: str


@dataclass(frozen=True)
class Word:
    """A piece of the text; `css` colours it, `weight` says how much of the decision hangs on it."""

    text: str
    weight: float
    css: str


class TurnView:
    """What the trace page shows of a turn.

    Args:
        turn: what is kept.
        original: the citizen's own words, when the viewer asked to see them and may.
    """

    def __init__(self, turn: FullTurn, original: str | None = None) -> None:
        self.turn = turn
        self.original = original
        self._steps = {str(step.get("step")): step for step in turn.steps}

    def step(self, name: str) -> Mapping[str, Any]:
        """Return what a step recorded, nothing when the turn had no such step."""
        return self._steps.get(name, {})

    @property
    def raw(self) -> str:
        """Everything that was recorded, as JSON."""
        return json.dumps(list(self.turn.steps), ensure_ascii=False, indent=1)

    @property
    def entities(self) -> Sequence[Mapping[str, Any]]:
        return [item for item in self.step("nlu").get("entities") or () if isinstance(item, Mapping)]

    @property
    def detected(self) -> str:
        found = self.step("nlu").get("detected") or {}
        return str(found.get("code") or "") if isinstance(found, Mapping) else ""

    @property
    def completed(self) -> str:
        return str(self.step("knowledge.search").get("completed") or "")

    @property
    def found(self) -> Sequence[Mapping[str, Any]]:
        return [
            item for item in self.step("knowledge.search").get("found") or () if isinstance(item, Mapping)
        ]

    @property
    def threshold(self) -> float | None:
        value = self.step("knowledge.route").get("threshold")
        return float(value) if isinstance(value, (int, float)) else None

    @property
    def why(self) -> str:
        return str(self.step("knowledge.decide").get("why") or "")

    @property
    def actions(self) -> Sequence[str]:
        return [str(name) for name in self.step("dialogue").get("actions") or ()]

    @property
    def timings(self) -> list[Timing]:
        """The steps in their order, each with its share of the whole turn."""
        whole = max(self.turn.total_ms, 0.001)
        found = []
        for step in self.turn.steps:
            name = str(step.get("step"))
            if name == "answered":
                continue
            ms = step.get("ms")
            known = float(ms) if isinstance(ms, (int, float)) else 0.0
            share = min(20, round(20 * known / whole))
            found.append(Timing(name, known, share, name not in _OUTER, str(step.get("error") or "")))
        return found


def coloured(found: Explanation) -> list[Word]:
    """Return the text in pieces: those for the decision and those against it, the stronger the deeper."""
    top = max((abs(word.weight) for word in found.words), default=0.0) or 1.0
    pieces: list[Word] = []
    at = 0
    for word in found.words:
        if word.start > at:
            pieces.append(Word(found.text[at : word.start], 0.0, ""))
        share = abs(word.weight) / top
        depth = min(_DEPTHS, 1 + int(share * _DEPTHS)) if share >= 0.1 else 0
        side = "for" if word.weight > 0 else "against"
        pieces.append(Word(word.text, word.weight, f"word-{side}-{depth}" if depth else ""))
        at = word.end
    if at < len(found.text):
        pieces.append(Word(found.text[at:], 0.0, ""))
    return pieces
