"""Named errors of NLU training and evaluation; every message says the file, the place and the mend."""

from __future__ import annotations


class NluTrainingError(Exception):
    """NLU training or evaluation cannot go on."""


class DataFileError(NluTrainingError):
    """A data file is missing, empty, or in no known encoding or format."""


class LabelError(NluTrainingError):
    """The labels of a data set cannot be learned from: one class only, no label, too many classes."""


class BaseModelError(NluTrainingError):
    """The pretrained encoder is missing or cannot be loaded."""


class GateRefusedError(NluTrainingError):
    """A newly trained model is worse than the current one on the regression set; it was not promoted."""
