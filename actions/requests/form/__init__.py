"""The request form: takes what was said, asks for what is missing, is corrected at any time."""

from actions.requests.form.exchange import Outcome, Turn
from actions.requests.form.form import Form

__all__ = ["Form", "Outcome", "Turn"]
