"""What can go wrong when the cross-encoder is fine-tuned."""

from __future__ import annotations


class RerankingTrainingError(Exception):
    """The cross-encoder cannot be fine-tuned; the message names the data and the mend."""
