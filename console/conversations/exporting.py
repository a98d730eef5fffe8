"""Conversations as files: JSON with everything that is kept, CSV with one line per turn. Always masked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from channels.traces.reading import FullTurn, TraceReader, Wanted
from console.csv_export import csv_text

MAX_CONVERSATIONS = 1_000
_PART = 200
_COLUMNS = (
    "conversation_id",
    "message_id",
    "at",
    "channel",
    "language",
    "text",
    "intent",
    "confidence",
    "runner_up",
    "runner_up_confidence",
    "decision",
    "source",
    "article_id",
    "total_ms",
    "model",
    "index_version",
    "rating",
    "comment",
)


def matching(reader: TraceReader, wanted: Wanted, limit: int = MAX_CONVERSATIONS) -> Iterator[list[FullTurn]]:
    """Yield the turns of each conversation of a list, the latest conversation first, at most `limit` of them."""
    after, left = "", limit
    while left > 0:
        page = reader.conversations(wanted, after, min(_PART, left))
        for line in page.lines:
            yield reader.conversation(line.id)
        left -= len(page.lines)
        after = page.after
        if not after or not page.lines:
            return


def to_json(conversations: Iterable[list[FullTurn]]) -> str:
    """Return conversations as a JSON document."""
    found = [
        {"conversation_id": turns[0].conversation_id, "turns": [asdict(turn) for turn in turns]}
        for turns in conversations
        if turns
    ]
    return json.dumps({"conversations": found}, ensure_ascii=False, indent=1, default=_plain)


def to_csv(conversations: Iterable[list[FullTurn]]) -> str:
    """Return conversations as CSV, a line per turn; the last column is the reply."""
    rows = (
        [
            *(_plain(getattr(turn, name)) for name in _COLUMNS),
            "\n".join(str(reply.get("text", "")) for reply in turn.replies),
        ]
        for turns in conversations
        for turn in turns
    )
    return csv_text([*_COLUMNS, "reply"], rows)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, datetime)) else value
