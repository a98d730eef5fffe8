"""The console's texts in Chinese and English: the common ones and one catalogue per section."""

from __future__ import annotations

from collections.abc import Iterable

from console.section import Section, Texts

LANGUAGES = ("zh", "en")


class MissingTextError(KeyError):
    """A page asks for a text that no catalogue holds."""


class Catalogue:
    """All texts by key; those of a section as `<section>.<key>`.

    Args:
        common: texts of the layout and the helpers.
        sections: whose catalogues are added.
    """

    def __init__(self, common: Texts, sections: Iterable[Section]) -> None:
        self._texts = dict(common)
        for section in sections:
            self._texts.update({f"{section.name}.{key}": text for key, text in section.texts.items()})

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def get(self, key: str, language: str, /, **values: object) -> str:
        """Return a text with its `{placeholders}` filled.

        Raises:
            MissingTextError: there is no such key.
        """
        try:
            text = self._texts[key][1 if language == "en" else 0]
        except KeyError:
            raise MissingTextError(f"no text {key!r}; add it to the section's texts.py") from None
        return text.format(**values) if values else text
