"""Feishu and Lark (飞书): events 2.0, encrypted; interactive cards with buttons."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pydantic import Field

from channels.app import AppChannel, Credentials, Surroundings
from channels.apps.wechat import read_token
from channels.base import (
    Acknowledgement,
    Delivery,
    Inbound,
    Outgoing,
    ParseError,
    Repeats,
    SendError,
    UndeliverableError,
    VerificationError,
)
from channels.fitting.fit import Part
from channels.fitting.shape import Shape
from channels.formats import child, needed, read_json, text_of
from channels.guard import ReplayGuard, same
from channels.http import File, Response, TokenCache, with_token
from channels.incoming import position

_MENTION = re.compile(r"@_user_\d+\s*")
_TOKEN_ENDED = frozenset({99991661, 99991663, 99991664, 99991668})
_RATE = frozenset({99991400, 230020, 11232, 11233})


class FeishuCredentials(Credentials):
    """`app_id` and `app_secret`; `encrypt_key` and `verification_token` of event subscriptions.

    Lark outside China: `api_url: https://open.larksuite.com`.
    """

    app_id: str = Field(min_length=1)
    app_secret: str = Field(min_length=1)
    encrypt_key: str = Field(min_length=1)
    verification_token: str = Field(min_length=1)
    api_url: str = "https://open.feishu.cn"


class Feishu(AppChannel):
    """A bot of Feishu or Lark; one repeated send is taken once, thanks to its uuid."""

    credentials_model = FeishuCredentials
    repeats = Repeats.KEYED
    shape = Shape("lark", 8000, buttons=10, title_limit=40, payload_limit=2000, images=True)

    def __init__(self, name: str, credentials: FeishuCredentials, surroundings: Surroundings) -> None:
        super().__init__(name, credentials, surroundings)
        self._guard = ReplayGuard()
        self._tokens = TokenCache(self._fetch_token)
        self._key = hashlib.sha256(credentials.encrypt_key.encode()).digest()

    async def verify(self, delivery: Delivery) -> None:
        """Check X-Lark-Signature over time stamp, nonce, key and body; and the verification token inside."""
        headers = delivery.headers
        body = self._open(delivery.body)
        if body.get("type") != "url_verification":
            # The check of the address alone comes without a signature; its token is inside.
            stamp = headers.get("x-lark-request-timestamp", "")
            expected = self._sign(stamp, headers.get("x-lark-request-nonce", ""), delivery.body)
            if not same(headers.get("x-lark-signature", ""), expected):
                raise VerificationError("X-Lark-Signature is wrong")
            self._guard.fresh(stamp)
            self._guard.once(expected, delivery.body)
        token = text_of(body, "token") or text_of(child(body, "header"), "token")
        if not same(token, self.credentials.verification_token):
            raise VerificationError("the verification token is wrong")

    def _sign(self, stamp: str, nonce: str, body: bytes) -> str:
        signed = (stamp + nonce + self.credentials.encrypt_key).encode("utf-8", "replace") + body
        return hashlib.sha256(signed).hexdigest()

    def _open(self, raw: bytes) -> Mapping[str, Any]:
        """Return the decrypted event."""
        try:
            sealed = base64.b64decode(needed(read_json(raw), "encrypt"), validate=True)
            decryptor = Cipher(algorithms.AES(self._key), modes.CBC(sealed[:16])).decryptor()
            unpadder = padding.PKCS7(128).unpadder()
            plain = unpadder.update(decryptor.update(sealed[16:]) + decryptor.finalize())
            return read_json(plain + unpadder.finalize())
        except (binascii.Error, ValueError) as error:
            raise ParseError("the event is not encrypted as agreed; set the encrypt key") from error

    def challenge(self, delivery: Delivery) -> Acknowledgement | None:
        """Answer the check of the address."""
        body = self._open(delivery.body)
        if body.get("type") != "url_verification":
            return None
        answer = json.dumps({"challenge": text_of(body, "challenge")})
        return Acknowledgement(answer, "application/json")

    def acknowledge(self, delivery: Delivery) -> Acknowledgement:
        """Answer with an empty object, as cards need."""
        return Acknowledgement("{}", "application/json")

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        """Read a message or a pressed button of a card."""
        body = self._open(delivery.body)
        header, event = child(body, "header"), child(body, "event")
        kind = text_of(header, "event_type")
        if kind == "card.action.trigger":
            chat = text_of(child(event, "context"), "open_chat_id")
            value = text_of(child(event, "action", "value"), "payload")
            sender = needed(child(event, "operator"), "open_id")
            return [Inbound(sender, needed(header, "event_id"), value, context={"chat": chat})]
        if kind != "im.message.receive_v1":
            return ()
        message = child(event, "message")
        sender = needed(child(event, "sender", "sender_id"), "open_id")
        content, kind = read_json(needed(message, "content")), text_of(message, "message_type")
        text = text_of(content, "text") if kind == "text" else ""
        text = _MENTION.sub("", text).strip()
        chat = needed(message, "chat_id") if message.get("chat_type") == "group" else ""
        message_id, context = needed(message, "message_id"), {"chat": chat}
        place, media = None, []
        if kind == "location":
            place = position(content.get("latitude"), content.get("longitude"), gcj02=True)
        elif kind == "image":
            media = [{"message": message_id, "key": needed(content, "image_key")}]
        unreadable = not (text or place or media)
        return [
            Inbound(
                sender, message_id, text, context=context, unreadable=unreadable, location=place, media=media
            )
        ]

    async def fetch(self, media: Mapping[str, Any], limit_bytes: int) -> bytes:
        """Download a resource of a message (获取消息中的资源文件)."""
        path = f"{media['message']}/resources/{media['key']}"
        url, data = f"{self.credentials.api_url}/open-apis/im/v1/messages/{path}", b""

        async def call(token: str) -> Response:
            nonlocal data
            headers = {"Authorization": f"Bearer {token}"}
            data, response = await self.client.picture(
                url, limit_bytes, headers=headers, params={"type": "image"}
            )
            return response

        self._check(await with_token(self._tokens, call, _ended))
        return data

    async def post(self, outgoing: Outgoing, part: Part, key: str) -> None:
        """Send an interactive card."""
        elements: list[dict[str, Any]] = []
        image_key = await self.pictures.name(part.image, self._upload) if part.image else None
        if image_key is not None:
            alt = {"tag": "plain_text", "content": "图表 chart"}
            elements.append({"tag": "img", "img_key": image_key, "alt": alt})
        else:
            text = self.link(part, outgoing.language) if part.image else part.text
            elements.append({"tag": "markdown", "content": text})
        if part.buttons:
            actions = [
                {
                    "tag": "button",
                    "type": "default",
                    "text": {"tag": "plain_text", "content": b.title},
                    "value": {"payload": b.payload},
                }
                for b in part.buttons
            ]
            elements.append({"tag": "action", "actions": actions})
        card = {"config": {"wide_screen_mode": True}, "elements": elements}
        chat = outgoing.to.context.get("chat")
        body = {
            "receive_id": chat or outgoing.to.sender_id,
            "msg_type": "interactive",
            "content": json.dumps(card, ensure_ascii=False),
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, key)),
        }

        receiver = {"receive_id_type": "chat_id" if chat else "open_id"}
        await self._api("messages", params=receiver, json_body=body)

    async def _upload(self, name: str, data: bytes) -> str:
        file = File("image", name, data)
        response = await self._api("images", form={"image_type": "message"}, file=file)
        return needed(child(response.data, "data"), "image_key")

    async def _api(self, path: str, **request: Any) -> Response:
        async def call(token: str) -> Response:
            url = f"{self.credentials.api_url}/open-apis/im/v1/{path}"
            return await self.client.call(
                "POST", url, headers={"Authorization": f"Bearer {token}"}, **request
            )

        response = await with_token(self._tokens, call, _ended)
        self._check(response)
        return response

    @staticmethod
    def _check(response: Response) -> None:
        """Raise as `send` does for one of Feishu's error codes."""
        code = response.data.get("code")
        if code in _RATE:
            raise SendError(f"{code}: {response.data.get('msg')}", 2.0)
        if code:
            raise UndeliverableError(f"{code}: {str(response.data.get('msg'))[:300]}")
        response.check()

    async def _fetch_token(self) -> tuple[str, float]:
        body = {"app_id": self.credentials.app_id, "app_secret": self.credentials.app_secret}
        url = f"{self.credentials.api_url}/open-apis/auth/v3/tenant_access_token/internal"
        response = await self.client.call("POST", url, json_body=body)
        return read_token(response, "tenant_access_token", "expire")

    def sample(self, text: str) -> Delivery:
        """Return an encrypted text message."""
        message = {
            "message_id": f"om_{time.time_ns()}",
            "chat_id": "oc_sample",
            "chat_type": "p2p",
            "message_type": "text",
            "content": json.dumps({"text": text}),
        }
        header = {
            "event_id": f"ev{time.time_ns()}",
            "event_type": "im.message.receive_v1",
            "token": self.credentials.verification_token,
            "app_id": self.credentials.app_id,
        }
        event = {"sender": {"sender_id": {"open_id": "ou_sample"}}, "message": message}
        return self.signed({"schema": "2.0", "header": header, "event": event})

    def signed(self, event: dict[str, Any]) -> Delivery:
        """Return an encrypted and signed delivery of an event."""
        padder, iv = padding.PKCS7(128).padder(), os.urandom(16)
        plain = padder.update(json.dumps(event).encode()) + padder.finalize()
        encryptor = Cipher(algorithms.AES(self._key), modes.CBC(iv)).encryptor()
        sealed = base64.b64encode(iv + encryptor.update(plain) + encryptor.finalize()).decode()
        body, stamp, nonce = (
            json.dumps({"encrypt": sealed}).encode(),
            str(int(time.time())),
            secrets.token_hex(8),
        )
        headers = {
            "x-lark-request-timestamp": stamp,
            "x-lark-request-nonce": nonce,
            "x-lark-signature": self._sign(stamp, nonce, body),
        }
        return Delivery("POST", headers, {}, body)


def _ended(response: Response) -> bool:
    return response.data.get("code") in _TOKEN_ENDED


CHANNEL = Feishu
