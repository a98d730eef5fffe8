"""WeCom (企业微信): an application of a company, encrypted callbacks, messages to members."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from xml.sax.saxutils import escape

from pydantic import Field, validator

from channels.app import AppChannel, Credentials, Surroundings
from channels.apps.wechat import attached, check_code, fetch_media, read_token, token_ended, upload_media
from channels.base import Acknowledgement, Delivery, Inbound, Outgoing, ParseError, Repeats, VerificationError
from channels.fitting.fit import Part
from channels.fitting.shape import Shape, Unit
from channels.formats import needed, read_xml
from channels.guard import ReplayGuard, same
from channels.http import Response, TokenCache, with_token
from channels.wxcrypt import CryptError, WxCrypt, signature

# The longest that WeCom allows.
_CHECK_S = 4 * 3600
_MARK_BITS = 12


class WeComCredentials(Credentials):
    """`corp_id`, and of the application `agent_id`, `secret`, and `token` and `aes_key` of its callback."""

    corp_id: str = Field(min_length=1)
    agent_id: int
    secret: str = Field(min_length=1)
    token: str = Field(min_length=1)
    aes_key: str
    cards: bool = True
    api_url: str = "https://qyapi.weixin.qq.com"

    @validator("aes_key")
    def _key(cls, value: str) -> str:
        try:
            WxCrypt(value, "")
        except CryptError as error:
            raise ValueError(str(error)) from None
        return value


class WeCom(AppChannel):
    """An application in WeCom."""

    credentials_model = WeComCredentials
    repeats = Repeats.KEYED
    # What `_invisible` adds comes on top.
    shape = Shape(
        "wechat",
        2048 - 3 * _MARK_BITS,
        Unit.BYTES,
        buttons=6,
        title_limit=20,
        payload_limit=1024,
        images=True,
    )

    def __init__(self, name: str, credentials: WeComCredentials, surroundings: Surroundings) -> None:
        super().__init__(name, credentials, surroundings)
        self._guard = ReplayGuard()
        self._tokens = TokenCache(self._fetch_token)
        self._crypt = WxCrypt(credentials.aes_key, credentials.corp_id)
        if not credentials.cards:
            self.shape = replace(self.shape, buttons=0)

    async def verify(self, delivery: Delivery) -> None:
        """Check `msg_signature` over the encrypted message, and the time stamp."""
        query = delivery.query
        stamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        sealed = query.get("echostr", "") if delivery.method == "GET" else _encrypted(delivery.body)
        expected = signature(self.credentials.token, stamp, nonce, sealed)
        if not same(query.get("msg_signature", ""), expected):
            raise VerificationError("msg_signature is wrong")
        self._guard.fresh(stamp)
        self._guard.once(expected, delivery.body)

    def _open(self, sealed: str) -> str:
        try:
            return self._crypt.decrypt(sealed)
        except CryptError as error:
            raise ParseError(str(error)) from error

    def challenge(self, delivery: Delivery) -> Acknowledgement | None:
        """Return the decrypted `echostr`."""
        if delivery.method != "GET":
            return None
        return Acknowledgement(self._open(delivery.query.get("echostr", "")))

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        """Read a text, a clicked menu entry or a pressed button of a card."""
        fields = read_xml(self._open(_encrypted(delivery.body)))
        sender, kind = needed(fields, "FromUserName"), needed(fields, "MsgType")
        if kind == "event":
            event = fields.get("Event", "")
            text = fields.get("EventKey", "") if event in {"click", "template_card_event"} else ""
            # Events have no id of their own; a pressed card names its task.
            event_id = f"{sender}:{needed(fields, 'CreateTime')}:{event}{fields.get('TaskId', '')}"
            return [Inbound(sender, event_id, text)] if text else ()
        text = fields.get("Content", "") if kind == "text" else ""
        place, media = attached(fields)
        unreadable = not (text.strip() or place or media)
        message_id = needed(fields, "MsgId")
        return [Inbound(sender, message_id, text, unreadable=unreadable, location=place, media=media)]

    async def fetch(self, media: Mapping[str, Any], limit_bytes: int) -> bytes:
        """Download by media id (获取临时素材)."""
        url = f"{self.credentials.api_url}/cgi-bin/media/get"
        return await fetch_media(self.client, self._tokens, url, str(media["id"]), limit_bytes)

    async def post(self, outgoing: Outgoing, part: Part, key: str) -> None:
        """Send application messages: a picture, a text, choices on a card; WeCom drops those it has taken before."""
        if part.image:
            # A second upload would have another id: what may be there already is named by its link.
            doubtful = outgoing.unsure and key.endswith(f"#{outgoing.sent}")
            media_id = None if doubtful else await self.pictures.name(part.image, self._upload)
            if media_id is not None:
                # Without the check, which would drop the same picture in another answer.
                await self._message(outgoing, {"msgtype": "image", "image": {"media_id": media_id}})
                return
        text = self.link(part, outgoing.language) if part.image else part.text
        checked = {"enable_duplicate_check": 1, "duplicate_check_interval": _CHECK_S}
        content = {"content": text + _invisible(key)}
        await self._message(outgoing, {"msgtype": "text", "text": content, **checked})
        if part.buttons:
            card = _card(outgoing, part, key)
            await self._message(outgoing, {"msgtype": "template_card", "template_card": card, **checked})

    async def _message(self, outgoing: Outgoing, content: dict[str, Any]) -> None:
        body = {"touser": outgoing.to.sender_id, "agentid": self.credentials.agent_id, **content}

        async def call(token: str) -> Response:
            url = f"{self.credentials.api_url}/cgi-bin/message/send"
            return await self.client.call("POST", url, params={"access_token": token}, json_body=body)

        check_code(await with_token(self._tokens, call, token_ended))

    async def _upload(self, name: str, data: bytes) -> str:
        url = f"{self.credentials.api_url}/cgi-bin/media/upload"
        return await upload_media(self.client, self._tokens, url, name, data)

    async def _fetch_token(self) -> tuple[str, float]:
        params = {"corpid": self.credentials.corp_id, "corpsecret": self.credentials.secret}
        url = f"{self.credentials.api_url}/cgi-bin/gettoken"
        return read_token(await self.client.call("GET", url, params=params), "access_token", "expires_in")

    def sample(self, text: str) -> Delivery:
        """Return an encrypted text message."""
        stamp, nonce = str(int(time.time())), secrets.token_hex(8)
        message = (
            f"<xml><ToUserName>{self.credentials.corp_id}</ToUserName><FromUserName>zhangsan</FromUserName>"
            f"<CreateTime>{stamp}</CreateTime><MsgType>text</MsgType>"
            f"<Content>{escape(text)}</Content><MsgId>{time.time_ns()}</MsgId>"
            f"<AgentID>{self.credentials.agent_id}</AgentID></xml>"
        )
        sealed = self._crypt.encrypt(message)
        query = {
            "timestamp": stamp,
            "nonce": nonce,
            "msg_signature": signature(self.credentials.token, stamp, nonce, sealed),
        }
        body = f"<xml><ToUserName>{self.credentials.corp_id}</ToUserName><Encrypt>{sealed}</Encrypt></xml>"
        return Delivery("POST", {"content-type": "text/xml"}, query, body.encode())


def _card(outgoing: Outgoing, part: Part, key: str) -> dict[str, Any]:
    """Return an interactive card (按钮交互型); its task id is the same in every attempt."""
    title = "请选择" if outgoing.language == "zh" else "Please choose"
    return {
        "card_type": "button_interaction",
        "main_title": {"title": title},
        "task_id": hashlib.sha256(key.encode()).hexdigest()[:48],
        "button_list": [{"text": b.title, "style": 1, "key": b.payload} for b in part.buttons],
    }


def _invisible(key: str) -> str:
    """Return zero-width characters that tell one answer from another with the same words.

    WeCom drops a request whose JSON it has taken before; a citizen who asks the same twice is answered twice.
    """
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:2], "big")
    return "".join("\u200b\u200c"[number >> bit & 1] for bit in range(_MARK_BITS))


def _encrypted(body: bytes) -> str:
    return needed(read_xml(body), "Encrypt")


CHANNEL = WeCom
