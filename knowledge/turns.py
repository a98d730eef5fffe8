"""What goes into the answerer, what comes out of it, and what its steps hand on to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from city.messages import Reply
from knowledge.article import Article
from knowledge.calibration import Calibration
from knowledge.conversation import Reading, State
from knowledge.ranking import Candidate
from knowledge.snapshot import Snapshot


@dataclass(frozen=True)
class Question:
    """A citizen's message as the dialogue hands it on; `state` is the last `Outcome.state` of the conversation."""

    text: str
    language: str
    today: date
    intent: str | None = None
    follow_up: bool = False
    state: Mapping[str, Any] | None = None
    conversation_id: str | None = None


@dataclass(frozen=True)
class Outcome:
    """The answer: replies, the conversation's new state (JSON), the decision, and what each step did.

    `decision` is `answer`, `clarify` or `abstain`.
    """

    replies: Sequence[Reply]
    state: dict[str, Any]
    decision: str
    steps: list[dict[str, Any]]


@dataclass(frozen=True)
class Preview:
    """What the bot would answer now: the outcome, all candidates likeliest first, and what they are measured by.

    From the probability `answer` on an article is given, from `clarify` on its title is offered.
    """

    outcome: Outcome
    candidates: Sequence[Candidate]
    answer: float
    clarify: float


@dataclass
class Turn:
    """What the steps hand on to each other. A step that sets `decision` ends the search for one."""

    question: Question
    snapshot: Snapshot
    calibration: Calibration
    state: State | None
    text: str = ""
    language: str = "zh"
    reading: Reading = field(default_factory=lambda: Reading(0, ()))
    subject: str = ""
    raised: float = 0.0
    candidates: list[Candidate] = field(default_factory=list)
    completed: str = ""
    decision: str = ""
    why: str = ""
    article: Article | None = None
    choices: list[Candidate] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    def needed(self, item: Candidate) -> float:
        """Return the probability from which an article is given: `raised` is the share of the rest that is added."""
        answer = self._calibration_of(item).answer
        return answer + self.raised * (1 - answer)

    def offered(self, item: Candidate) -> float:
        """Return the probability from which an article's title is offered."""
        return self._calibration_of(item).clarify

    def _calibration_of(self, item: Candidate) -> Calibration:
        return self.calibration.of(self.language, item.facts.languages)
