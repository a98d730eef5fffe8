"""Finds a text inside messages by pairs of characters, in any language, without reading every message.

Every two neighbouring characters of a message are kept as a row that points to its turn. A wanted text lies only in
messages that hold all of its pairs; which of those hold it in one piece is checked afterwards. Pairs serve Chinese,
where the trigrams of full-text indexes miss words of two characters, and they are plain rows, so that an erased
message leaves none behind and every database has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from channels.traces.tables import grams

# Stands after the last character, so that a single one is found at the end too.
END = "\n"
# Above every character, so that all pairs of one lie between it and this.
_AFTER = "\U0010ffff"
# A pair that so many messages hold narrows nothing down.
COMMON = 20_000
_ASKED = 8
# So many pairs are put together, or fewer once so few turns are left: reading those is cheaper than another pair.
_TOGETHER, _FEW = 3, 1_000


def pairs(text: str) -> list[str]:
    """Return the different pairs of neighbouring characters, the last one with the end; case and white space fold."""
    plain = " ".join(text.casefold().split())
    return list(dict.fromkeys((plain + END)[at : at + 2] for at in range(len(plain))))


def add(session: Session, texts: Iterable[tuple[int, str]]) -> None:
    """Keep the pairs of messages, each given with its turn's number."""
    rows = [{"gram": gram, "turn_id": turn} for turn, text in texts for gram in pairs(text)]
    if rows:
        session.execute(insert(grams), rows)


def remove(session: Session, texts: Iterable[tuple[int, str]]) -> None:
    """Delete the pairs of messages."""
    for turn, text in texts:
        session.execute(delete(grams).where(grams.c.gram.in_(pairs(text)), grams.c.turn_id == turn))


def candidates(session: Session, wanted: str, low: int, high: int) -> list[int] | None:
    """Return the turns that may hold a text, the latest first.

    Args:
        session: an open session.
        wanted: the text as typed.
        low: smallest number of a turn that counts.
        high: largest number of a turn that counts.

    Returns:
        The turns, or `None` when every part of the text is so common that reading the messages themselves is faster.
    """
    within = grams.c.turn_id.between(low, high)
    asked = pairs(wanted)
    if len(asked) == 1:
        letter = asked[0][0]
        found = _turns(session, (grams.c.gram >= letter) & (grams.c.gram < letter + _AFTER) & within)
        return sorted(set(found), reverse=True) if len(found) < COMMON else None
    # The last pair ends where the wanted text does, which need not be the end of a message.
    asked = _spread([gram for gram in asked if not gram.endswith(END)])
    rare = sorted((count, gram) for gram in asked if (count := _count(session, gram, within)) < COMMON)
    if not rare:
        return None
    left = set(_turns(session, (grams.c.gram == rare[0][1]) & within))
    for _, gram in rare[1:_TOGETHER]:
        if len(left) <= _FEW:
            break
        left &= set(_turns(session, (grams.c.gram == gram) & within))
    return sorted(left, reverse=True)


def _spread(asked: Sequence[str]) -> list[str]:
    step = max(1, -(-len(asked) // _ASKED))
    return list(asked[::step])


def _count(session: Session, gram: str, within: Any) -> int:
    some = select(grams.c.turn_id).where(grams.c.gram == gram, within).limit(COMMON).subquery()
    return int(session.execute(select(func.count()).select_from(some)).scalar() or 0)


def _turns(session: Session, condition: Any) -> list[int]:
    return list(session.execute(select(grams.c.turn_id).where(condition).limit(COMMON)).scalars())
