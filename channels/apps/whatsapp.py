"""WhatsApp (Cloud API): reply buttons, lists, pictures by address."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from channels.apps.meta import MEDIA_HOSTS, MetaChannel, MetaCredentials
from channels.base import Delivery, Inbound, Outgoing, Repeats, UndeliverableError
from channels.fitting.fit import Part, shorten
from channels.fitting.shape import Shape
from channels.formats import child, items, needed, read_json, text_of
from channels.incoming import PHOTO_TYPES, on_host, position

logger = logging.getLogger(__name__)

_REPLY_BUTTONS = 3
# 1024 for the whole body; the rest is for the words of a message that is sent again.
_ABOVE_BUTTONS_CHARS = 960


class WhatsAppCredentials(MetaCredentials):
    """Also `phone_number_id`, the id (not the number) of the sending telephone number."""

    phone_number_id: str = Field(regex=r"^[0-9]+$")


class WhatsApp(MetaChannel):
    """A WhatsApp business number. Messages can be sent within 24 hours of the citizen's last one."""

    credentials_model = WhatsAppCredentials
    repeats = Repeats.TOLD
    shape = Shape("whatsapp", 4096, buttons=10, title_limit=24, payload_limit=200, images=True)

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        """Read messages; statuses are receipts."""
        found: list[Inbound] = []
        for entry in items(read_json(delivery.body), "entry"):
            for change in items(entry, "changes"):
                found.extend(self._message(message) for message in items(child(change, "value"), "messages"))
        return found

    async def receipts(self, delivery: Delivery) -> Sequence[str]:
        """Read the statuses: each repeats the `biz_opaque_callback_data` of its message."""
        found: list[str] = []
        for entry in items(read_json(delivery.body), "entry"):
            for change in items(entry, "changes"):
                for status in items(child(change, "value"), "statuses"):
                    found.append(text_of(status, "biz_opaque_callback_data"))
                    if status.get("status") == "failed":
                        codes = ", ".join(text_of(error, "code") for error in items(status, "errors"))
                        logger.warning("channel %s: a message was not delivered: %s", self.name, codes)
        return [key for key in found if key]

    def _message(self, message: Any) -> Inbound:
        kind = text_of(message, "type")
        interactive = child(message, "interactive")
        pressed = child(interactive, "button_reply") or child(interactive, "list_reply")
        text = (
            text_of(child(message, "text"), "body")
            or text_of(pressed, "id")
            or text_of(child(message, "button"), "payload")
            or text_of(child(message, kind), "caption")
        )
        ignored = kind in {"reaction", "system", "unsupported"}
        where = child(message, "location")
        place = position(where.get("latitude"), where.get("longitude"))
        file = child(message, kind) if kind in {"image", "document"} else {}
        media = [{"id": needed(file, "id")}] if text_of(file, "mime_type") in PHOTO_TYPES else []
        unreadable = not (text or ignored or place or media)
        return Inbound(
            needed(message, "from"),
            needed(message, "id"),
            text,
            unreadable=unreadable,
            location=place,
            media=media,
        )

    async def fetch(self, media: Mapping[str, Any], limit_bytes: int) -> bytes:
        """Ask for the picture's address, which lives five minutes, and download it."""
        url = text_of((await self.graph_get(str(media["id"]))).data, "url")
        if not on_host(url, *MEDIA_HOSTS, self.credentials.api_url):
            raise UndeliverableError("WhatsApp gave no address of its own for a picture")
        return (await self.client.picture(url, limit_bytes, headers=self.bearer()))[0]

    def parts(self, outgoing: Outgoing) -> list[Part]:
        """Return the messages; a text too long to stand above buttons comes before them."""
        found: list[Part] = []
        for part in super().parts(outgoing):
            if part.buttons and len(part.text) > _ABOVE_BUTTONS_CHARS:
                found += [Part(part.text), Part("👇", part.buttons)]
            else:
                found.append(part)
        return found

    async def post(self, outgoing: Outgoing, part: Part, key: str) -> None:
        """Send a text, reply buttons, a list or a picture."""
        body: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "to": outgoing.to.sender_id,
            "biz_opaque_callback_data": key,
        }
        if part.image:
            await self._send(body | {"type": "image", "image": {"link": part.image}})
            return
        if not part.buttons:
            content = {"type": "text", "text": {"body": part.text, "preview_url": False}}
        else:
            choices = self._choices(part.text, part, outgoing.language)
            content = {"type": "interactive", "interactive": choices}
        await self._send(body | content)

    def _choices(self, text: str, part: Part, language: str) -> dict[str, Any]:
        if len(part.buttons) <= _REPLY_BUTTONS and all(len(b.title) <= 20 for b in part.buttons):
            buttons = [{"type": "reply", "reply": {"id": b.payload, "title": b.title}} for b in part.buttons]
            return {"type": "button", "body": {"text": text}, "action": {"buttons": buttons}}
        rows = [{"id": b.payload, "title": shorten(b.title, 24)} for b in part.buttons]
        action = {"button": "请选择" if language == "zh" else "Choose", "sections": [{"rows": rows}]}
        return {"type": "list", "body": {"text": text}, "action": action}

    async def typing(self, inbound: Inbound) -> None:
        """Mark the message as read and show that an answer is being written."""
        await self._send(
            {
                "messaging_product": "whatsapp",
                "status": "read",
                "message_id": inbound.message_id,
                "typing_indicator": {"type": "text"},
            }
        )

    async def _send(self, body: dict[str, Any]) -> None:
        await self.graph(f"{self.credentials.phone_number_id}/messages", body)

    def sample(self, text: str) -> Delivery:
        """Return a text message."""
        message = {
            "from": "8613800000000",
            "id": f"wamid.{time.time_ns()}",
            "timestamp": str(int(time.time())),
            "type": "text",
            "text": {"body": text},
        }
        value = {"messaging_product": "whatsapp", "messages": [message]}
        entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
        return self.signed({"object": "whatsapp_business_account", "entry": [entry]})


CHANNEL = WhatsApp
