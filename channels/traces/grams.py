"""Finds a text inside messages by pairs of characters, in any language, without reading every message.

Every two neighbouring characters of a message are kept as a row that points to its turn. A wanted text lies only in
messages that hold all of its pairs; which of those hold it in one piece is checked afterwards. Pairs serve Chinese,
where the trigrams of full-text indexes miss words of two characters, and they are plain rows, so that an erased
message leaves none behind and every database has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, insert, intersect, select, text
from sqlalchemy.orm import Session

from channels.traces.tables import grams

# Stands after the last character, so that a single one is found at the end too.
END = "\n"
# Above every character, so that all pairs of one lie between it and this.
_AFTER = "\U0010ffff"
# With so many candidates, reading the messages themselves is faster.
MOST = 20_000
# Pairs are counted up to here: what fewer messages hold is asked alone, all else together with others.
COUNTED = 4_000
_ASKED, _TOGETHER = 48, 3


def pairs(words: str) -> list[str]:
    """Return the different pairs of neighbouring characters, the last one with the end; case and white space fold."""
    plain = " ".join(words.casefold().split())
    return list(dict.fromkeys((plain + END)[at : at + 2] for at in range(len(plain))))


def add(session: Session, messages: Iterable[tuple[int, str]]) -> None:
    """Keep the pairs of messages, each given with its turn's number."""
    rows = [{"gram": gram, "turn_id": turn} for turn, words in messages for gram in pairs(words)]
    if rows:
        session.execute(insert(grams), rows)


def remove(session: Session, messages: Iterable[tuple[int, str]]) -> None:
    """Delete the pairs of messages."""
    for turn, words in messages:
        session.execute(delete(grams).where(grams.c.gram.in_(pairs(words)), grams.c.turn_id == turn))


def candidates(session: Session, wanted: str, low: int, high: int) -> list[int] | None:
    """Return the turns that may hold a text, the latest first.

    Args:
        session: an open session.
        wanted: the text as typed.
        low: smallest number of a turn that counts.
        high: largest number of a turn that counts.

    Returns:
        The turns, or `None` when there are so many that reading the messages themselves is faster.
    """
    within = grams.c.turn_id.between(low, high)
    asked = pairs(wanted)
    if len(asked) == 1:
        letter = asked[0][0]
        starts = (grams.c.gram >= letter) & (grams.c.gram < letter + _AFTER)
        query = select(grams.c.turn_id).where(starts, within).distinct()
    else:
        # The last pair ends where the wanted text does, which need not be the end of a message.
        counts = _counts(session, _spread([gram for gram in asked if not gram.endswith(END)]), low, high)
        rare = sorted(counts, key=lambda gram: counts[gram])
        together = rare[:1] if counts[rare[0]] < COUNTED else rare[:_TOGETHER]
        parts = [select(grams.c.turn_id).where(grams.c.gram == gram, within) for gram in together]
        query = parts[0] if len(parts) == 1 else intersect(*parts)
    found = list(session.execute(query.limit(MOST)).scalars())
    return sorted(found, reverse=True) if len(found) < MOST else None


def _spread(asked: Sequence[str]) -> list[str]:
    step = max(1, -(-len(asked) // _ASKED))
    return list(asked[::step])


def _counts(session: Session, asked: Sequence[str], low: int, high: int) -> dict[str, int]:
    """Return how many messages hold each pair, in one statement and none counted beyond `COUNTED`."""
    parts = (
        f"SELECT {number} AS place, (SELECT count(*) FROM (SELECT 1 FROM {grams.name} WHERE gram = :gram{number} "
        f"AND turn_id BETWEEN :low AND :high LIMIT :most) AS some{number}) AS number"
        for number in range(len(asked))
    )
    values = {f"gram{number}": gram for number, gram in enumerate(asked)}
    rows = session.execute(
        text(" UNION ALL ".join(parts)), {**values, "low": low, "high": high, "most": COUNTED}
    )
    return {asked[place]: int(number) for place, number in rows}
