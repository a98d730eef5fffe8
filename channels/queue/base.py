"""The base class of inbound queues. One file per kind: the gateway's database, Redis Streams, RabbitMQ."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from channels.base import Inbound

KEPT_DAYS = 7.0
_ID_CHARS = 90


class QueueError(Exception):
    """A queue cannot be opened or reached; the message names it and the mend."""


@dataclass(frozen=True)
class Entry:
    """One message in the queue; `handle` is the queue's own name for it, `error` why it is a dead letter."""

    handle: Any
    channel: str
    inbound: Inbound
    error: str = ""


class InboundQueue(ABC):
    """Messages between the acknowledgement and the answer.

    Each message (channel and platform id) is handed out until it is `done` or `dead`, also after a kill, to one
    process at a time and in the order of arrival per sender. A message may be handed out twice after a kill;
    the dispatcher and the outbox know it again.
    """

    @abstractmethod
    async def open(self) -> None:
        """Connect; raise `QueueError` when that fails."""

    async def open_only(self) -> None:
        """Connect for `dead_letters` and `retry` beside a running gateway, without taking anything."""
        return

    @abstractmethod
    async def close(self) -> None:
        """Give back what is not done and disconnect."""

    @abstractmethod
    async def put(self, channel: str, messages: Sequence[Inbound]) -> None:
        """Keep messages; they are durable when this returns. One that was put before is dropped."""

    @abstractmethod
    async def take(self, limit: int, wait_s: float) -> Sequence[Entry]:
        """Return at most `limit` messages, each once per process; none when `wait_s` seconds bring none."""

    @abstractmethod
    async def done(self, entry: Entry) -> None:
        """Forget a message that is answered."""

    @abstractmethod
    async def dead(self, entry: Entry, error: str) -> None:
        """Put a message aside that fails again and again."""

    @abstractmethod
    async def dead_letters(self, limit: int = 200) -> Sequence[Entry]:
        """Return what was put aside."""

    @abstractmethod
    async def retry(self) -> int:
        """Let everything that was put aside wait again; return how many."""


def short_id(platform_id: str) -> str:
    """Return a platform's message id as it is, or its hash where it is long or not visible ASCII."""
    if len(platform_id) <= _ID_CHARS and platform_id.isascii() and platform_id.isprintable() and platform_id:
        return platform_id
    return "h-" + hashlib.sha256(platform_id.encode("utf-8", "replace")).hexdigest()


def to_json(inbound: Inbound) -> dict[str, Any]:
    """Return the JSON form of a message in a queue."""
    return asdict(inbound) | {"context": dict(inbound.context)}


def from_json(data: Mapping[str, Any]) -> Inbound:
    """Return the message that `to_json` wrote."""
    return Inbound(**{**data, "media": tuple(data.get("media") or ())})
