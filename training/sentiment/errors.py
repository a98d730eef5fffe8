"""Named errors of sentiment training; every message says the file, the place and the mend."""

from __future__ import annotations


class SentimentTrainingError(Exception):
    """Sentiment training cannot go on."""


class SentimentDataError(SentimentTrainingError):
    """A data file is missing, unreadable, or has no usable label."""


class AdapterError(SentimentTrainingError):
    """An adapter folder is missing, damaged, or made for another base."""
