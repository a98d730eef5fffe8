"""LINE (Messaging API): quick replies, and retry keys that make a repeated send harmless."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from channels.app import AppChannel, Credentials
from channels.base import Delivery, Inbound, Outgoing, Repeats, VerificationError
from channels.fitting.fit import Part
from channels.fitting.shape import Shape, Unit
from channels.formats import child, items, needed, read_json, text_of
from channels.guard import same
from channels.http import Response
from channels.incoming import position


class LineCredentials(Credentials):
    """`channel_secret` signs, `token` (channel access token) calls."""

    channel_secret: str = Field(min_length=1)
    token: str = Field(min_length=1)
    api_url: str = "https://api.line.me"
    data_url: str = "https://api-data.line.me"


class Line(AppChannel):
    """A LINE official account. Answers are push messages, which LINE takes once per retry key."""

    credentials_model = LineCredentials
    repeats = Repeats.KEYED
    shape = Shape("plain", 5000, Unit.UTF16, buttons=13, title_limit=20, payload_limit=300, images=True)

    async def verify(self, delivery: Delivery) -> None:
        """Check X-Line-Signature."""
        if not same(delivery.headers.get("x-line-signature", ""), self._sign(delivery.body)):
            raise VerificationError("X-Line-Signature is wrong")

    def _sign(self, body: bytes) -> str:
        digest = hmac.new(self.credentials.channel_secret.encode(), body, hashlib.sha256).digest()
        return base64.b64encode(digest).decode()

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        """Read messages, pressed buttons and new followers."""
        found: list[Inbound] = []
        for event in items(read_json(delivery.body), "events"):
            source = child(event, "source")
            sender, kind = text_of(source, "userId"), text_of(event, "type")
            if not sender or kind not in {"message", "postback", "follow"}:
                continue
            event_id = text_of(event, "webhookEventId")
            to = text_of(source, "groupId") or text_of(source, "roomId") or sender
            message = child(event, "message")
            text = text_of(message, "text") or text_of(child(event, "postback"), "data")
            if kind == "follow":
                text = "你好"
            message_id = text_of(message, "id") or event_id or needed(event, "replyToken")
            place = position(message.get("latitude"), message.get("longitude"))
            media = [{"id": message_id}] if _is_picture(message) else []
            unreadable = not (text or place or media)
            context = {"to": to}
            found.append(
                Inbound(
                    sender,
                    message_id,
                    text,
                    context=context,
                    unreadable=unreadable,
                    location=place,
                    media=media,
                )
            )
        return found

    async def fetch(self, media: Mapping[str, Any], limit_bytes: int) -> bytes:
        """Download the content of a message."""
        url = f"{self.credentials.data_url}/v2/bot/message/{media['id']}/content"
        headers = {"Authorization": f"Bearer {self.credentials.token}"}
        return (await self.client.picture(url, limit_bytes, headers=headers))[0]

    async def post(self, outgoing: Outgoing, part: Part, key: str) -> None:
        """Push one message; 409 means that an earlier attempt was taken."""
        message: dict[str, Any] = {"type": "text", "text": part.text}
        if part.image:
            message = {"type": "image", "originalContentUrl": part.image, "previewImageUrl": part.image}
        if part.buttons:
            message["quickReply"] = {
                "items": [
                    {
                        "type": "action",
                        "action": {
                            "type": "postback",
                            "label": b.title,
                            "data": b.payload,
                            "displayText": b.title,
                        },
                    }
                    for b in part.buttons
                ]
            }
        retry_key = str(uuid.uuid5(uuid.NAMESPACE_URL, key))
        body = {"to": outgoing.to.context.get("to", outgoing.to.sender_id), "messages": [message]}
        response = await self._call("message/push", body, {"X-Line-Retry-Key": retry_key})
        if response.status != 409:
            response.check()

    async def typing(self, inbound: Inbound) -> None:
        """Show the loading animation."""
        await self._call("chat/loading/start", {"chatId": inbound.sender_id, "loadingSeconds": 10}, {})

    async def _call(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Response:
        return await self.client.call(
            "POST",
            f"{self.credentials.api_url}/v2/bot/{path}",
            json_body=body,
            headers={"Authorization": f"Bearer {self.credentials.token}", **headers},
        )

    def sample(self, text: str) -> Delivery:
        """Return a text message."""
        event = {
            "type": "message",
            "webhookEventId": f"sample{time.time_ns()}",
            "deliveryContext": {"isRedelivery": False},
            "timestamp": int(time.time() * 1000),
            "source": {"type": "user", "userId": "U1001"},
            "replyToken": "sample",
            "mode": "active",
            "message": {"id": str(time.time_ns()), "type": "text", "text": text},
        }
        body = json.dumps({"destination": "U1", "events": [event]}).encode()
        return Delivery("POST", {"x-line-signature": self._sign(body)}, {}, body)


def _is_picture(message: Mapping[str, Any]) -> bool:
    return (
        text_of(message, "type") == "image" and text_of(child(message, "contentProvider"), "type") == "line"
    )


CHANNEL = Line
