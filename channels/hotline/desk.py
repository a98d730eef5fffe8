"""What the telephone asks of the operators' desk: note transfers, take messages of callers to be called back."""

from __future__ import annotations

import asyncio
from typing import Protocol

from actions.handover.telephone import Switchboard
from channels.hotline.call import Call

CHANNEL = "phone"


class PhoneDesk(Protocol):
    """The desk as the telephone sees it."""

    async def transferred(self, call: Call, summary: str) -> None:
        """Note that a call is being put through, with what is told to whoever takes it."""
        ...

    async def call_back(self, call: Call, text: str) -> str:
        """Keep a caller's message; return the number it is filed under, "" when it has none yet."""
        ...


class HandoverPhoneDesk:
    """A `PhoneDesk` over the hand-over desk of this process."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard

    async def transferred(self, call: Call, summary: str) -> None:
        """Write the transfer down."""
        await asyncio.to_thread(
            self._switchboard.transferred, call.conversation_id, CHANNEL, call.language, summary
        )

    async def call_back(self, call: Call, text: str) -> str:
        """Keep the message, with the number that the caller called from or typed in."""
        return await asyncio.to_thread(
            self._switchboard.call_back, call.conversation_id, CHANNEL, call.language, text, call.caller
        )
