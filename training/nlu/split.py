"""Holds out a part of the examples, the same for the same seed, with every intent on both sides where it can."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from training.nlu.data import Example


def split(examples: Sequence[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Return training and held-out examples, stratified by intent.

    An intent with a single example keeps it for training. Texts that stand twice stay together, so that none is
    both trained on and measured with. When nothing can be held out, the training examples serve for both.

    Args:
        examples: all of them.
        share: of examples to hold out, between 0 and 1.
        seed: of the draw.
    """
    rng = random.Random(seed)
    texts: dict[str, dict[str, list[Example]]] = defaultdict(lambda: defaultdict(list))
    for example in examples:
        texts[example.intent][example.text.strip().lower()].append(example)
    held_texts: set[str] = set()
    for intent in sorted(texts):
        groups = sorted(texts[intent])
        rng.shuffle(groups)
        count = round(share * len(groups))
        if not count and len(groups) > 2 and rng.random() < share * len(groups):
            count = 1
        held_texts.update(groups[: min(count, len(groups) - 1)])
    training = [e for e in examples if e.text.strip().lower() not in held_texts]
    held = [e for e in examples if e.text.strip().lower() in held_texts]
    known = {e.intent for e in training}
    # A text with two labels may have taken an intent's only example along.
    training += [e for e in held if e.intent not in known]
    return training, held or list(examples)
