"""What the gateway asks of the brain behind it; the command line hands in the real one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from city.messages import Answer, Message


class Brain(Protocol):
    """Answers one message at a time per conversation; the dispatcher never calls it out of order."""

    async def respond(self, message: Message) -> Answer:
        """Return the answer to one message; an empty list of replies means a person is answering."""
        ...

    async def forget(self, conversation_id: str) -> None:
        """Erase everything kept about a conversation: tracker, traces and learned slots."""
        ...

    def ready(self) -> Mapping[str, bool]:
        """Return each part that must be loaded before answering (`models`, `index`, …) and whether it is."""
        ...
