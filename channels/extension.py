"""What stands beside the chat API on the same gateway: the hotline, a standard's server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from aiohttp import web

from channels.dispatcher import Dispatcher
from channels.store import ConversationStore


class Extension(ABC):
    """Routes of its own, and a life with the gateway's."""

    # Name under which staff switch it off; it then asks `dispatcher.enabled`. Empty for what is always on.
    switch: ClassVar[str] = ""

    @abstractmethod
    def routes(self) -> Sequence[web.RouteDef]:
        """Return the routes, before the gateway starts."""

    @abstractmethod
    async def start(self, dispatcher: Dispatcher, store: ConversationStore) -> None:
        """Begin; the store is open, and messages may be handed to the dispatcher."""

    @abstractmethod
    async def stop(self) -> None:
        """End; the dispatcher takes no more messages."""
