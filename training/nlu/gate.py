"""The promotion gate: a new model must not be worse than the current one on a fixed regression set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nlp.joint import JointModel
from training.nlu.data import Example


@dataclass(frozen=True)
class GateResult:
    """Accuracies on the regression set, per-intent right counts (old, new, asked), and why it was refused."""

    examples: int
    old_accuracy: float
    new_accuracy: float
    intents: dict[str, tuple[int, int, int]]
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the new model may be promoted."""
        return not self.reasons


def compare(
    old: JointModel,
    new: JointModel,
    examples: Sequence[Example],
    *,
    margin: float = 0.005,
    intent_margin: float = 0.05,
) -> GateResult:
    """Compare two models on labelled examples.

    Args:
        old: the current model.
        new: the candidate.
        examples: the regression set; examples of intents the old model does not know are left out.
        margin: accuracy, between 0 and 1, that may be lost overall.
        intent_margin: recall that any one intent may lose; one example may always be lost.

    Returns:
        The figures, with a reason for each refusal.
    """
    known = [example for example in examples if example.intent in set(old.intents)]
    texts = [example.text for example in known]
    before = [p.intent for p in old.predict(texts)]
    after = [p.intent for p in new.predict(texts)]
    asked = Counter(example.intent for example in known)
    right_old = Counter(e.intent for e, guess in zip(known, before, strict=True) if guess == e.intent)
    right_new = Counter(e.intent for e, guess in zip(known, after, strict=True) if guess == e.intent)
    total = max(len(known), 1)
    old_accuracy, new_accuracy = sum(right_old.values()) / total, sum(right_new.values()) / total
    reasons = []
    lost = sum(right_old.values()) - sum(right_new.values())
    if lost > max(1, margin * total):
        reasons.append(
            f"overall accuracy falls from {old_accuracy:.1%} to {new_accuracy:.1%} on {total} regression texts"
        )
    for intent in sorted(asked):
        missing = right_old[intent] - right_new[intent]
        if missing > max(1, intent_margin * asked[intent]):
            reasons.append(
                f"{intent} falls from {right_old[intent]} to {right_new[intent]} of {asked[intent]} right"
            )
    return GateResult(
        len(known),
        old_accuracy,
        new_accuracy,
        {intent: (right_old[intent], right_new[intent], asked[intent]) for intent in sorted(asked)},
        tuple(reasons),
    )
