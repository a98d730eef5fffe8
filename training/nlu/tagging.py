"""BIO tags on tokens, from character annotations."""

from __future__ import annotations

from collections.abc import Sequence

from training.nlu.data import Mark

IGNORED = -100


def tag_names(entities: Sequence[str]) -> list[str]:
    """Return the tag list of some entity names: "O", then "B-x" and "I-x" of each."""
    return ["O", *(f"{prefix}-{entity}" for entity in entities for prefix in "BI")]


def token_tags(
    offsets: Sequence[tuple[int, int]], marks: Sequence[Mark], numbers: dict[str, int], text: str
) -> list[int]:
    """Return one tag number a token; special tokens (empty offsets) are ignored by the loss.

    A token belongs to an entity when more than half of its characters do.

    Args:
        offsets: character range of each token.
        marks: the text's entities.
        numbers: tag name to number.
        text: the text; leading spaces of a token do not count.
    """
    tags: list[int] = []
    opened: set[Mark] = set()
    for start, end in offsets:
        while start < end and text[start].isspace():
            start += 1
        if end <= start:
            tags.append(IGNORED)
            continue
        mark = max(marks, key=lambda m: min(end, m.end) - max(start, m.start), default=None)
        if mark is None or 2 * (min(end, mark.end) - max(start, mark.start)) <= end - start:
            tags.append(numbers["O"])
            continue
        prefix = "I" if mark in opened else "B"
        opened.add(mark)
        tags.append(numbers.get(f"{prefix}-{mark.entity}", numbers["O"]))
    return tags
