"""Collects what Rasa utters as typed replies."""

from __future__ import annotations

import logging
from typing import Any

from rasa.core.channels.channel import OutputChannel

from city.messages import Button, Reply

logger = logging.getLogger(__name__)


class ReplyCollector(OutputChannel):
    """An output channel that turns every bot message of one turn into a `Reply`.

    Our actions send `{"custom": {"reply": Reply.to_dict()}}`; responses of the domain are plain text, with
    `custom: {source: …}` naming a source other than smalltalk.
    """

    def __init__(self) -> None:
        self.replies: list[Reply] = []

    @classmethod
    def name(cls) -> str:
        """Return the channel name that response variations can be written for."""
        return "chengda"

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Collect one bot message."""
        custom = message.get("custom") or {}
        if "reply" in custom:
            self.replies.append(Reply.from_dict(custom["reply"]))
            return
        text = (message.get("text") or "").strip()
        if not text and not message.get("image"):
            logger.warning("a bot message without text or image was dropped")
            return
        self.replies.append(
            Reply(
                text=text,
                source=str(custom.get("source", "smalltalk")),
                buttons=tuple(
                    Button(str(button["title"]), str(button["payload"]))
                    for button in message.get("buttons") or ()
                ),
                image=message.get("image"),
            )
        )
