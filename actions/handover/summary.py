"""The summary for the operator: topic, what was asked, what was named, and the last answers; all of it masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from actions.handover.records import PastTurn
from city.masking import mask

TURNS = 12
_ASKED, _ANSWERS, _ANSWER_CHARS = 6, 3, 240
_OWN_SOURCES = frozenset({"handoff", "smalltalk"})
# The reply language is the assistant's own bookkeeping.
_NOT_NAMED = frozenset({"reply_language", "phone"})


def summarise(turns: Sequence[PastTurn]) -> dict[str, Any]:
    """Return the summary as plain JSON data.

    Args:
        turns: the last turns with the bot, oldest first.

    Returns:
        `topic`, `asked`, `named` (what kind of thing → the words for it), `answers`, and `transcript`.
    """
    named: dict[str, list[str]] = {}
    for turn in turns:
        for entity in turn.entities:
            kind, value = str(entity.get("entity") or ""), mask(str(entity.get("value") or ""))
            if kind and value and kind not in _NOT_NAMED and value not in named.setdefault(kind, []):
                named[kind].append(value)
    answers = [
        _short(str(reply.get("text") or ""))
        for turn in turns
        for reply in turn.replies
        if reply.get("source") not in _OWN_SOURCES and reply.get("text")
    ]
    return {
        "topic": _topic(turns),
        "asked": [mask(turn.text) for turn in turns if turn.text][-_ASKED:],
        "named": {kind: values for kind, values in named.items() if values},
        "answers": answers[-_ANSWERS:],
        "transcript": [
            {
                "asked": mask(turn.text),
                "answers": [mask(str(reply.get("text") or "")) for reply in turn.replies],
            }
            for turn in turns
        ],
    }


def _topic(turns: Sequence[PastTurn]) -> str:
    """Return the title of the article last cited, else the module that answered last."""
    for turn in reversed(turns):
        for reply in turn.replies:
            citations: Sequence[Mapping[str, Any]] = reply.get("citations") or ()
            if citations:
                return str(citations[0].get("title") or "")[:200]
            source = str(reply.get("source") or "")
            if source and source not in _OWN_SOURCES | {"fallback", "clarify", "error"}:
                return source
    return ""


def sources_of(turns: Sequence[PastTurn]) -> list[str]:
    """Return the modules that answered, the last one first."""
    return [str(reply.get("source") or "") for turn in reversed(turns) for reply in turn.replies]


def _short(text: str) -> str:
    text = " ".join(mask(text).replace("**", "").split())
    return text if len(text) <= _ANSWER_CHARS else text[: _ANSWER_CHARS - 1] + "…"


def as_text(summary: Mapping[str, Any], language: str) -> str:
    """Return a summary in a few lines, for a request or a terminal."""
    english = language == "en"
    names = (
        ("Topic", "Asked", "Named", "Last answers")
        if english
        else ("主题", "市民问过", "提到", "机器人最近的答复")
    )
    stop = ": " if english else "："
    lines = []
    if summary.get("topic"):
        lines.append(f"{names[0]}{stop}{summary['topic']}")
    lines += [f"{names[1]}{stop}{text}" for text in summary.get("asked") or ()]
    named = summary.get("named") or {}
    if named:
        lines.append(f"{names[2]}{stop}" + "; ".join(f"{kind} {', '.join(v)}" for kind, v in named.items()))
    lines += [f"{names[3]}{stop}{text}" for text in summary.get("answers") or ()]
    return "\n".join(lines)
