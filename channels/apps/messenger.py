"""Facebook Messenger (Send API): quick replies, pictures by address."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from channels.apps.meta import MetaChannel, MetaCredentials
from channels.base import Delivery, Inbound, Outgoing
from channels.fitting.fit import Part
from channels.fitting.shape import Shape
from channels.formats import child, items, needed, read_json, text_of


class Messenger(MetaChannel):
    """A Facebook page. Messages can be sent within 24 hours of the citizen's last one."""

    credentials_model = MetaCredentials
    shape = Shape("plain", 2000, buttons=13, title_limit=20, payload_limit=1000, images=True)

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        """Read messages and postbacks; echoes, receipts and reactions are none of ours."""
        found: list[Inbound] = []
        for entry in items(read_json(delivery.body), "entry"):
            for event in items(entry, "messaging"):
                message, postback = child(event, "message"), child(event, "postback")
                if not (message or postback) or message.get("is_echo") is True:
                    continue
                sender = needed(child(event, "sender"), "id")
                if postback:
                    mid = text_of(postback, "mid") or f"{sender}:{needed(event, 'timestamp')}"
                    found.append(Inbound(sender, mid, text_of(postback, "payload")))
                    continue
                text = text_of(child(message, "quick_reply"), "payload") or text_of(message, "text")
                found.append(Inbound(sender, needed(message, "mid"), text, unreadable=not text))
        return found

    async def post(self, outgoing: Outgoing, part: Part, key: str) -> None:
        """Send a text with quick replies, or a picture."""
        message: dict[str, Any]
        if part.image:
            payload = {"url": part.image, "is_reusable": False}
            message = {"attachment": {"type": "image", "payload": payload}}
        else:
            message = {"text": part.text}
        if part.buttons:
            message["quick_replies"] = [
                {"content_type": "text", "title": b.title, "payload": b.payload} for b in part.buttons
            ]
        recipient = {"id": outgoing.to.sender_id}
        await self.graph(
            "me/messages", {"recipient": recipient, "messaging_type": "RESPONSE", "message": message}
        )

    async def typing(self, inbound: Inbound) -> None:
        """Show the typing bubble."""
        await self.graph(
            "me/messages", {"recipient": {"id": inbound.sender_id}, "sender_action": "typing_on"}
        )

    def sample(self, text: str) -> Delivery:
        """Return a text message."""
        event = {
            "sender": {"id": "1001"},
            "recipient": {"id": "1"},
            "timestamp": int(time.time() * 1000),
            "message": {"mid": f"m_{time.time_ns()}", "text": text},
        }
        return self.signed({"object": "page", "entry": [{"id": "1", "messaging": [event]}]})


CHANNEL = Messenger
