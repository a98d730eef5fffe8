"""What can go wrong when the router is fine-tuned."""

from __future__ import annotations


class RoutingTrainingError(Exception):
    """The router cannot be fine-tuned; the message names the file or the data, and the mend."""
