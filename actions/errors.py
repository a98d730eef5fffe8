"""Errors that all city modules share."""

from __future__ import annotations

from typing import Any


class NotConfiguredError(RuntimeError):
    """A module's service was asked for but `city.yml` does not configure it."""


class BilingualError(Exception):
    """An error whose message, with its mend, exists in Chinese and English.

    Args:
        zh: the message in Chinese.
        en: the message in English; `str(error)` is this one.
        details: machine-readable facts, such as the file and line.
    """

    def __init__(self, zh: str, en: str, **details: Any) -> None:
        super().__init__(en)
        self.zh, self.en, self.details = zh, en, details

    def text(self, language: str) -> str:
        """Return the message in `language` ("zh", else English)."""
        return self.zh if language == "zh" else self.en
