"""What the gateway asks of the brain behind it and of those who watch; the command line hands in the real ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from city.messages import Answer, Message, Reply


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


class ConversationOwner(Protocol):
    """Knows when a person, not the bot, answers a conversation, and what must be said beside the bot's answer."""

    async def take(self, message: Message) -> tuple[Reply, ...] | None:
        """Return `None` when the bot answers; else all that is said now, often nothing, and the bot keeps quiet."""
        ...

    async def answered(self, message: Message, answer: Answer) -> Sequence[Reply]:
        """Return the replies to give: the bot's own, with what comes before and after them."""
        ...


class PhotoTaker(Protocol):
    """Keeps the photos that citizens send from chat apps, until a request takes them up."""

    async def take(self, conversation_id: str, fetch: Callable[[int], Awaitable[bytes]]) -> str:
        """Fetch a photo, with the most bytes it may have, and keep it; return its id.

        Raises:
            MediaError: it is no usable photo, or there are too many. Whatever `fetch` raises.
        """
        ...


class TurnObserver(Protocol):
    """Watches answered turns without touching them."""

    def turn(self, message: Message, answer: Answer) -> None:
        """Take in one answered turn; must return at once, and what it raises is only logged."""
        ...


class ConversationObserver(Protocol):
    """Keeps something of conversations beside the store, and must follow what citizens do with them."""

    async def rated(self, conversation_id: str, message_id: str, rating: str, comment: str) -> None:
        """Take in a rating ("up" or "down") of an answer; what it raises is only logged."""
        ...

    async def erased(self, conversation_id: str) -> None:
        """Erase all that is kept of a conversation; when it raises, the citizen is told to try again."""
        ...
