"""The typed objects that travel with a citizen's message from a channel to the brain and back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

LANGUAGES: tuple[str, str] = ("zh", "en")

SOURCES: frozenset[str] = frozenset(
    {
        "knowledge",
        "traffic",
        "transit",
        "energy",
        "opinion",
        "requests",
        "waste",
        "smalltalk",
        "emergency",
        "handoff",
        "clarify",
        "fallback",
        "error",
    }
)


@dataclass(frozen=True)
class Citation:
    """The article behind an answer."""

    article_id: str
    title: str
    url: str = ""


@dataclass(frozen=True)
class Button:
    """A choice offered with a reply; `payload` is what is sent back when it is chosen."""

    title: str
    payload: str


@dataclass(frozen=True)
class Reply:
    """One message to the citizen. `source` is one of `SOURCES`."""

    text: str
    source: str
    citations: Sequence[Citation] = ()
    buttons: Sequence[Button] = ()
    image: str | None = None

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(f"unknown reply source {self.source!r}; use one of {', '.join(sorted(SOURCES))}")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of the citizen HTTP API."""
        data: dict[str, Any] = {
            "text": self.text,
            "source": self.source,
            "citations": [
                {"article_id": c.article_id, "title": c.title, "url": c.url} for c in self.citations
            ],
            "buttons": [{"title": b.title, "payload": b.payload} for b in self.buttons],
        }
        if self.image:
            data["image"] = self.image
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Reply:
        """Build a reply from its JSON form; raises `KeyError` or `ValueError` when it is not one."""
        return cls(
            text=str(data["text"]),
            source=str(data["source"]),
            citations=tuple(
                Citation(str(c["article_id"]), str(c["title"]), str(c.get("url") or ""))
                for c in data.get("citations") or ()
            ),
            buttons=tuple(Button(str(b["title"]), str(b["payload"])) for b in data.get("buttons") or ()),
            image=data.get("image"),
        )


@dataclass(frozen=True)
class Message:
    """One citizen's message as a channel hands it on.

    `role` is the staff role that the channel identity is mapped to, `citizen` for everyone else.
    `language` is an explicit wish (a page's language switch); `None` leaves it to detection.
    """

    conversation_id: str
    message_id: str
    text: str
    channel: str = "web"
    role: str = "citizen"
    language: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Trace:
    """What each step of one turn decided, and how long it took."""

    conversation_id: str
    message_id: str
    steps: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Record a named step; put what it decided into the yielded dictionary. Duration is in ms."""
        record: dict[str, Any] = {"step": name}
        started = time.perf_counter()
        try:
            yield record
        except BaseException as error:
            record["error"] = type(error).__name__
            raise
        finally:
            record["ms"] = round((time.perf_counter() - started) * 1000, 3)
            self.steps.append(record)


current_trace: ContextVar[Trace | None] = ContextVar("current_trace", default=None)
"""The trace of the turn being worked on; actions in the same process add their own steps to it."""


@dataclass(frozen=True)
class Answer:
    """The brain's result for one message: the detected language, the replies, and the trace."""

    message_id: str
    language: str
    replies: Sequence[Reply]
    trace: Trace
