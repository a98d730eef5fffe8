"""Facebook Messenger (Send API): quick replies, pictures by address."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from channels.apps.meta import MEDIA_HOSTS, MetaChannel, MetaCredentials
from channels.base import Delivery, Inbound, Outgoing, Repeats, UndeliverableError
from channels.fitting.fit import Part
from channels.fitting.shape import Shape
from channels.formats import child, items, needed, read_json, text_of
from channels.incoming import on_host, position


class Messenger(MetaChannel):
    """A Facebook page. Messages can be sent within 24 hours of the citizen's last one."""

    credentials_model = MetaCredentials
    repeats = Repeats.TOLD
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
                place, media = _attached(message)
                unreadable = not (text or place or media)
                mid = needed(message, "mid")
                found.append(Inbound(sender, mid, text, unreadable=unreadable, location=place, media=media))
        return found

    async def fetch(self, media: Mapping[str, Any], limit_bytes: int) -> bytes:
        """Download from the address in the signed delivery, which must be one of Meta's."""
        url = str(media["url"])
        if not on_host(url, *MEDIA_HOSTS, self.credentials.api_url):
            raise UndeliverableError("Messenger gave an address for a picture that is not Meta's")
        return (await self.client.picture(url, limit_bytes))[0]

    async def receipts(self, delivery: Delivery) -> Sequence[str]:
        """Read the echoes of our own messages (`message_echoes`): each repeats its `metadata`."""
        events = [
            event for entry in items(read_json(delivery.body), "entry") for event in items(entry, "messaging")
        ]
        echoes = [child(event, "message") for event in events]
        return [
            text_of(echo, "metadata")
            for echo in echoes
            if echo.get("is_echo") is True and echo.get("metadata")
        ]

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
        message["metadata"] = key
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


def _attached(message: Mapping[str, Any]) -> tuple[dict[str, float] | None, list[dict[str, str]]]:
    """Return the shared position and the pictures; a sticker such as 👍 is no picture."""
    place, media = None, []
    for item in items(message, "attachments"):
        payload = child(item, "payload")
        if text_of(item, "type") == "location":
            where = child(payload, "coordinates")
            place = position(where.get("lat"), where.get("long"))
        elif text_of(item, "type") == "image" and not text_of(payload, "sticker_id"):
            media.append({"url": needed(payload, "url")})
    return place, media


CHANNEL = Messenger
