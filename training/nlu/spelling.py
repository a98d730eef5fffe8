"""Decides whether a model's spelling repair is kept, and what its held-out texts give with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from nlp.entities.gazetteer import Gazetteer
from nlp.joint_decode import FloatArray, between
from nlp.joint_spelling import Counts, Speller, piece_test
from nlp.joint_text import prepare
from training.nlu.calibration import IntArray
from training.nlu.data import DataSet
from training.nlu.export import loses

log = logging.getLogger(__name__)
Read = Callable[[Sequence[str]], tuple[FloatArray, FloatArray]]


def count_words(texts: Sequence[str], data: DataSet, gazetteer: Path | None) -> Counts:
    """Count the words of training texts, lookup tables and the city's names, so that no name is "repaired".

    Args:
        texts: prepared training texts, without damaged copies.
        data: holds the lookup tables.
        gazetteer: CSV of names.
    """
    names = [value for values in data.lookups.values() for value in values]
    if gazetteer is not None:
        for entry in Gazetteer.read(gazetteer).entries:
            names += [name for name in (entry.zh, entry.en, *entry.aliases) if name]
    return Counts.of([*texts, *(prepare(name) for name in names)])


def with_repair(
    counts: Counts,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    plain: tuple[FloatArray, FloatArray],
    labels: IntArray,
    read: Read,
) -> tuple[FloatArray, FloatArray] | None:
    """Return held-out logits and distances with repaired spelling, nothing when the repair loses accuracy.

    Args:
        counts: of the training texts.
        tokenizer: of the model.
        texts: prepared held-out texts.
        plain: logits (n, intents) and distances (n,) of the texts as they are.
        labels: their intents, (n,).
        read: gives logits and distances of other texts.
    """
    speller = Speller(counts, piece_test(tokenizer))
    fixed = [speller.repair(text) for text in texts]
    rows = [row for row, text in enumerate(texts) if fixed[row] != text]
    if not rows:
        return plain
    logits, distance = read([fixed[row] for row in rows])
    mixed = between(plain[0], logits, rows), between(plain[1], distance, rows)
    before, after = plain[0].argmax(1) == labels, mixed[0].argmax(1) == labels
    log.info(
        "spelling repair changes %d held-out texts, %+d right", len(rows), int(after.sum() - before.sum())
    )
    return None if loses(np.asarray(before), np.asarray(after)) else mixed
