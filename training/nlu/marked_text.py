"""A text whose characters can be changed while its entities keep their places."""

from __future__ import annotations

from dataclasses import dataclass, replace

from training.nlu.data import Example, Mark


@dataclass
class MarkedText:
    """Characters and, for each, the number of the entity it belongs to (-1: none)."""

    chars: list[str]
    owner: list[int]
    marks: tuple[Mark, ...]

    @classmethod
    def of(cls, example: Example) -> MarkedText:
        """Take an example apart."""
        owner = [-1] * len(example.text)
        for number, mark in enumerate(example.marks):
            owner[mark.start : mark.end] = [number] * (mark.end - mark.start)
        return cls(list(example.text), owner, example.marks)

    def replace(self, start: int, end: int, text: str, owner: int | None = None) -> None:
        """Put `text` in the place of `[start, end)`; it belongs to what stood there unless `owner` says."""
        if owner is None:
            owner = self.owner[start] if start < len(self.owner) and start < end else -1
        self.chars[start:end] = list(text)
        self.owner[start:end] = [owner] * len(text)

    def span(self, number: int) -> tuple[int, int]:
        """Return where entity `number` stands now."""
        at = [i for i, owner in enumerate(self.owner) if owner == number]
        return (at[0], at[-1] + 1) if at else (0, 0)

    def example(self, like: Example) -> Example | None:
        """Put the text together again, or return nothing when an entity vanished or it is empty."""
        marks = []
        for number, mark in enumerate(self.marks):
            start, end = self.span(number)
            if end <= start:
                return None
            marks.append(replace(mark, start=start, end=end))
        text = "".join(self.chars)
        if not text.strip() or text == like.text:
            return None
        left = len(text) - len(text.lstrip())
        text = text.strip()
        moved = tuple(
            replace(m, start=max(0, m.start - left), end=min(len(text), m.end - left)) for m in marks
        )
        return Example(text, like.intent, moved, "augmented")
