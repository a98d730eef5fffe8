"""Telegram (Bot API): secret token header, inline keyboards, HTML texts."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from channels.app import AppChannel, Credentials
from channels.base import Delivery, Inbound, Outgoing, SendError, UndeliverableError, VerificationError
from channels.fitting.fit import Part
from channels.fitting.shape import Shape, Unit
from channels.formats import child, items, needed, read_json, text_of
from channels.guard import same
from channels.incoming import PHOTO_TYPES, position

_HEADER = "x-telegram-bot-api-secret-token"


class TelegramCredentials(Credentials):
    """`token` from @BotFather; `secret` as given to setWebhook (secret_token)."""

    token: str = Field(min_length=1)
    secret: str = Field(regex=r"^[A-Za-z0-9_-]{1,256}$")
    api_url: str = "https://api.telegram.org"


class Telegram(AppChannel):
    """A Telegram bot."""

    credentials_model = TelegramCredentials
    shape = Shape("telegram", 4096, Unit.UTF16, buttons=8, title_limit=64, payload_limit=64, images=True)

    async def verify(self, delivery: Delivery) -> None:
        """Check the secret that Telegram repeats in a header."""
        if not same(delivery.headers.get(_HEADER, ""), self.credentials.secret):
            raise VerificationError("the secret token is wrong")

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        """Read a message or a pressed button; other updates are none of ours."""
        update = read_json(delivery.body)
        update_id = needed(update, "update_id")
        pressed = child(update, "callback_query")
        message = child(pressed, "message") or child(update, "message")
        person = child(pressed, "from") if pressed else child(message, "from")
        if not message or not person or person.get("is_bot") is True:
            return ()
        sender = needed(person, "id")
        context: dict[str, Any] = {"chat": needed(child(message, "chat"), "id")}
        if pressed:
            context["callback"] = text_of(pressed, "id")
            return [Inbound(sender, update_id, text_of(pressed, "data"), context=context)]
        text = text_of(message, "text") or text_of(message, "caption")
        # "/start" and "/help" open a conversation; a command may carry the bot's name.
        if text.split("@")[0].split(" ")[0] in {"/start", "/help"}:
            text = "你好" if text_of(person, "language_code").startswith("zh") else "hello"
        where = child(message, "location")
        place = position(where.get("latitude"), where.get("longitude"))
        media = _pictures(message)
        unreadable = not (text or place or media)
        return [
            Inbound(
                sender, update_id, text, context=context, unreadable=unreadable, location=place, media=media
            )
        ]

    async def fetch(self, media: Mapping[str, Any], limit_bytes: int) -> bytes:
        """Ask getFile for the path, then download; bots may fetch up to 20 MB."""
        url, token = self.credentials.api_url, self.credentials.token
        body = {"file_id": media["file_id"]}
        found = await self.client.call("POST", f"{url}/bot{token}/getFile", json_body=body)
        path = text_of(child(found.data, "result"), "file_path")
        if not path:
            raise UndeliverableError(f"Telegram {found.status}: {str(found.data.get('description'))[:300]}")
        return (await self.client.picture(f"{url}/file/bot{token}/{path}", limit_bytes))[0]

    async def post(self, outgoing: Outgoing, part: Part, key: str) -> None:
        """Call sendMessage or sendPhoto."""
        body: dict[str, Any] = {"chat_id": outgoing.to.context["chat"]}
        if part.image:
            await self._call("sendPhoto", body | {"photo": part.image})
            return
        body |= {"text": part.text, "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}
        if part.buttons:
            rows = [[{"text": b.title, "callback_data": b.payload}] for b in part.buttons]
            body["reply_markup"] = {"inline_keyboard": rows}
        await self._call("sendMessage", body)

    async def typing(self, inbound: Inbound) -> None:
        """Show "typing…", and end the button's own waiting sign."""
        if inbound.context.get("callback"):
            await self._call("answerCallbackQuery", {"callback_query_id": inbound.context["callback"]})
        await self._call("sendChatAction", {"chat_id": inbound.context["chat"], "action": "typing"})

    async def _call(self, method: str, body: dict[str, Any]) -> None:
        url = f"{self.credentials.api_url}/bot{self.credentials.token}/{method}"
        response = await self.client.call("POST", url, json_body=body)
        if response.data.get("ok") is not True:
            reason = str(response.data.get("description") or response.text)[:300]
            # 401 and 404 mean a wrong token, which the operator can mend.
            error = SendError if response.status in {401, 404} else UndeliverableError
            raise error(f"Telegram {response.status}: {reason}")

    def sample(self, text: str) -> Delivery:
        """Return an update with a text message."""
        person = {"id": 1001, "is_bot": False, "first_name": "示例", "language_code": "zh-hans"}
        message = {
            "message_id": 7,
            "from": person,
            "chat": {"id": 1001, "type": "private"},
            "date": int(time.time()),
            "text": text,
        }
        body = json.dumps({"update_id": time.time_ns(), "message": message}).encode()
        return Delivery("POST", {_HEADER: self.credentials.secret}, {}, body)


def _pictures(message: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the largest size of a photo, or a picture sent as a file, which keeps its position."""
    sizes = items(message, "photo")
    if sizes:
        largest = max(sizes, key=lambda size: int(text_of(size, "width") or 0))
        return [{"file_id": needed(largest, "file_id")}]
    document = child(message, "document")
    if text_of(document, "mime_type") in PHOTO_TYPES:
        return [{"file_id": needed(document, "file_id")}]
    return []


CHANNEL = Telegram
