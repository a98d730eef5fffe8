"""Finds labels that are likely wrong, mends or drops them before the real training.

A network learns what is regular before it learns slips by heart (Arpit et al. 2017), so after two passes its
confident disagreement with a label speaks against the label (confident learning, Northcutt et al. 2021).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nlp.joint_decode import softmax
from training.nlu.batches import Encoded
from training.nlu.device import Compute
from training.nlu.fitting import Progress, fit, measure, run
from training.nlu.network import JointNetwork
from training.nlu.settings import TrainSettings

log = logging.getLogger(__name__)
_PASSES = 2
# Sets that a nearest-centre classifier already reads this well are clean enough; so are small ones.
_CLEAN, _LEAST, _LEAST_DEV = 0.7, 1000, 100
# A label is replaced when another one is likelier than the first number, else dropped when it is unlikelier
# than the second; nothing happens when fewer held-out texts than the third look mislabelled.
_SURE, _UNLIKELY, _NOISE = 0.5, 0.05, 0.06


@dataclass(frozen=True)
class Suspect:
    """Row number of a text whose label looks wrong, and the intent that fits (`None`: only dropped)."""

    row: int
    better: int | None


def find_suspects(probabilities: np.ndarray, labels: np.ndarray) -> list[Suspect]:
    """Return the rows whose label a lightly trained model disbelieves.

    Args:
        probabilities: (n, intents).
        labels: (n,); -1 for unknown ones, which are passed over.
    """
    found = []
    for row, (scores, label) in enumerate(zip(probabilities, labels, strict=True)):
        best = int(scores.argmax())
        if label < 0 or best == label:
            continue
        if scores[best] > _SURE:
            found.append(Suspect(row, best))
        elif scores[label] < _UNLIKELY:
            found.append(Suspect(row, None))
    return found


def mended(rows: Sequence[Encoded], suspects: Sequence[Suspect]) -> list[Encoded | None]:
    """Return the rows with better labels, `None` where one is dropped."""
    better: dict[int, Suspect] = {suspect.row: suspect for suspect in suspects}
    found: list[Encoded | None] = []
    for number, row in enumerate(rows):
        suspect = better.get(number)
        if suspect is None:
            found.append(row)
        else:
            found.append(None if suspect.better is None else replace(row, intent=suspect.better))
    return found


def suspects_of(
    network: JointNetwork,
    rows: Sequence[Encoded],
    dev: Sequence[Encoded],
    settings: TrainSettings,
    compute: Compute,
    progress: Progress | None,
) -> tuple[list[Suspect], list[Suspect]]:
    """Return the suspects among the training and the held-out rows, none when the set seems clean.

    The network is given back as it was.
    """
    if settings.clean_labels == "off" or len(rows) < _LEAST or len(dev) < _LEAST_DEV:
        return [], []
    if settings.clean_labels == "auto" and measure(network, dev, compute)["accuracy"] >= _CLEAN:
        return [], []
    before = {name: value.detach().clone() for name, value in network.state_dict().items()}
    fit(network, rows, dev, replace(settings, epochs=_PASSES), compute, None, progress)
    found = []
    for part in (rows, dev):
        probabilities = softmax(run(network, part, compute)["logits"])
        found.append(find_suspects(probabilities, np.array([row.intent for row in part])))
    network.load_state_dict(before)
    doubtful = sum(suspect.better is not None for suspect in found[1]) / len(dev)
    log.info("%.1f %% of held-out labels look wrong", 100 * doubtful)
    if settings.clean_labels == "auto" and doubtful < _NOISE:
        return [], []
    return found[0], found[1]
