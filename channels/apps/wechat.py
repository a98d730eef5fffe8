"""WeChat Official Account (公众号): plain and encrypted modes, the five-second rule, late answers, menu, voice."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from xml.sax.saxutils import escape

from pydantic import Field, root_validator

from channels.app import ENDING_ROOM, AppChannel, Credentials, Surroundings
from channels.base import (
    Acknowledgement,
    Delivery,
    Inbound,
    Outgoing,
    ParseError,
    SendError,
    UndeliverableError,
    VerificationError,
)
from channels.fitting.fit import Part
from channels.fitting.shape import Shape, Unit
from channels.formats import needed, read_xml
from channels.guard import ReplayGuard, same
from channels.http import File, PlatformClient, Response, TokenCache, with_token
from channels.incoming import position
from channels.wxcrypt import CryptError, WxCrypt, signature

logger = logging.getLogger(__name__)

TOKEN_ENDED = frozenset({40001, 40014, 42001})
# Global return codes: system busy, and the limits of calls per minute and per day.
PASSING = frozenset({-1, 45009, 45011})
_GREETED = frozenset({"subscribe", "SCAN"})


class WeChatCredentials(Credentials):
    """As shown under 设置与开发 → 基本配置; `aes_key` (EncodingAESKey) where messages are encrypted.

    `customer_service: false` is for accounts that may not send customer-service messages: what does not go into
    the response to a message is held for the person's next one. `menu` is the account's menu, as the platform's
    documentation describes its `button` list; a click sends the button's `key` as the citizen's message.
    """

    app_id: str = Field(min_length=1)
    app_secret: str = Field(min_length=1)
    token: str = Field(min_length=1)
    aes_key: str = ""
    customer_service: bool = True
    menu: list[dict[str, Any]] = Field(default_factory=list)
    api_url: str = "https://api.weixin.qq.com"

    @root_validator(skip_on_failure=True)
    def _key(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values["aes_key"]:
            try:
                WxCrypt(values["aes_key"], values["app_id"])
            except CryptError as error:
                raise ValueError(f"aes_key: {error}") from None
        return values


class WeChat(AppChannel):
    """A WeChat Official Account."""

    credentials_model = WeChatCredentials
    shape = Shape("wechat", 2000, Unit.BYTES, images=True)
    # WeChat waits five seconds; what the network needs is left out.
    reply_window_s: ClassVar[float] = 4.2

    def __init__(self, name: str, credentials: WeChatCredentials, surroundings: Surroundings) -> None:
        super().__init__(name, credentials, surroundings)
        self._guard = ReplayGuard()
        self._tokens = TokenCache(self._fetch_token)
        self._crypt = WxCrypt(credentials.aes_key, credentials.app_id) if credentials.aes_key else None
        self._menu_task: asyncio.Task[None] | None = None
        self.holds = not credentials.customer_service
        if self.holds:
            # Room for the words that say how to read on.
            self.shape = Shape("wechat", 2000 - ENDING_ROOM, Unit.BYTES)

    async def start(self) -> None:
        """Set the account's menu, behind."""
        if self.credentials.menu:
            self._menu_task = asyncio.create_task(self._set_menu())

    async def _set_menu(self) -> None:
        try:
            await self._api("menu/create", {"button": self.credentials.menu})
        except SendError as error:
            logger.warning("channel %s: the menu was not set: %s", self.name, error)

    async def verify(self, delivery: Delivery) -> None:
        """Check `msg_signature` over the encrypted message, or `signature`, and the time stamp."""
        query = delivery.query
        stamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        if self._crypt is not None and delivery.method == "POST":
            encrypted = _encrypted(delivery.body)
            expected, given = (
                signature(self.credentials.token, stamp, nonce, encrypted),
                query.get("msg_signature", ""),
            )
        else:
            expected = signature(self.credentials.token, stamp, nonce)
            given = query.get("signature", "")
        if not same(given, expected):
            raise VerificationError("the signature is wrong")
        self._guard.fresh(stamp)
        # In plain mode the signature does not cover the body.
        self._guard.once(f"{stamp}:{nonce}:{given}", delivery.body)

    def challenge(self, delivery: Delivery) -> Acknowledgement | None:
        """Repeat `echostr`."""
        return Acknowledgement(delivery.query.get("echostr", "")) if delivery.method == "GET" else None

    def _fields(self, body: bytes) -> Mapping[str, str]:
        if self._crypt is None:
            return read_xml(body)
        try:
            return read_xml(self._crypt.decrypt(_encrypted(body)))
        except CryptError as error:
            raise ParseError(str(error)) from error

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        """Read a text, a voice message with its recognition result, or an event."""
        fields = self._fields(delivery.body)
        sender, kind = needed(fields, "FromUserName"), needed(fields, "MsgType")
        context = {"account": fields.get("ToUserName", "")}
        if kind == "event":
            text = _event_text(fields)
            # Events have no id; sender and time together are theirs.
            event_id = f"{sender}:{needed(fields, 'CreateTime')}:{fields.get('Event', '')}"
            return [Inbound(sender, event_id, text, context=context)] if text else ()
        text = {"text": fields.get("Content", ""), "voice": fields.get("Recognition", "")}.get(kind, "")
        place, media = attached(fields)
        unreadable = not (text.strip() or place or media)
        return [
            Inbound(
                sender,
                needed(fields, "MsgId"),
                text,
                context=context,
                unreadable=unreadable,
                location=place,
                media=media,
            )
        ]

    async def fetch(self, media: Mapping[str, Any], limit_bytes: int) -> bytes:
        """Download by media id (素材管理 → 获取临时素材)."""
        url = f"{self.credentials.api_url}/cgi-bin/media/get"
        return await fetch_media(self.client, self._tokens, url, str(media["id"]), limit_bytes)

    def acknowledge(self, delivery: Delivery) -> Acknowledgement:
        """Say "success", so that WeChat shows no error and repeats nothing."""
        return Acknowledgement("success")

    def reply_inline(self, outgoing: Outgoing) -> Acknowledgement | None:
        """Return the passive reply where the answer is one text, or several that fit into one."""
        parts = self.parts(outgoing)
        words = "\n\n".join(part.text for part in parts)
        plain = all(part.text and not part.image for part in parts)
        if not parts or not plain or self.shape.unit.count(words) > self.shape.limit:
            return None
        return self.inline(outgoing.to, words)

    def inline(self, to: Inbound, text: str) -> Acknowledgement:
        """Return a passive reply (被动回复)."""
        stamp = str(int(time.time()))
        reply = (
            f"<xml><ToUserName>{_cdata(to.sender_id)}</ToUserName>"
            f"<FromUserName>{_cdata(str(to.context.get('account', '')))}</FromUserName>"
            f"<CreateTime>{stamp}</CreateTime><MsgType>{_cdata('text')}</MsgType>"
            f"<Content>{_cdata(text)}</Content></xml>"
        )
        if self._crypt is not None:
            encrypted, nonce = self._crypt.encrypt(reply), str(time.time_ns() % 10**10)
            signed = signature(self.credentials.token, stamp, nonce, encrypted)
            reply = (
                f"<xml><Encrypt>{_cdata(encrypted)}</Encrypt><MsgSignature>{_cdata(signed)}</MsgSignature>"
                f"<TimeStamp>{stamp}</TimeStamp><Nonce>{_cdata(nonce)}</Nonce></xml>"
            )
        return Acknowledgement(reply, "application/xml")

    async def post(self, outgoing: Outgoing, part: Part, key: str) -> None:
        """Send a customer-service message (客服消息)."""
        body: dict[str, Any] = {"touser": outgoing.to.sender_id}
        media_id = await self.pictures.name(part.image, self._upload) if part.image else None
        if media_id is not None:
            body |= {"msgtype": "image", "image": {"media_id": media_id}}
        else:
            text = self.link(part, outgoing.language) if part.image else part.text
            body |= {"msgtype": "text", "text": {"content": text}}
        await self._api("message/custom/send", body)

    async def _upload(self, name: str, data: bytes) -> str:
        url = f"{self.credentials.api_url}/cgi-bin/media/upload"
        return await upload_media(self.client, self._tokens, url, name, data)

    async def typing(self, inbound: Inbound) -> None:
        """Show 对方正在输入."""
        if self.credentials.customer_service:
            await self._api("message/custom/typing", {"touser": inbound.sender_id, "command": "Typing"})

    async def _fetch_token(self) -> tuple[str, float]:
        body = {
            "grant_type": "client_credential",
            "appid": self.credentials.app_id,
            "secret": self.credentials.app_secret,
        }
        url = f"{self.credentials.api_url}/cgi-bin/stable_token"
        return read_token(await self.client.call("POST", url, json_body=body), "access_token", "expires_in")

    async def _api(self, path: str, body: dict[str, Any]) -> None:
        async def call(token: str) -> Response:
            url = f"{self.credentials.api_url}/cgi-bin/{path}"
            return await self.client.call("POST", url, params={"access_token": token}, json_body=body)

        check_code(await with_token(self._tokens, call, token_ended))

    def sample(self, text: str) -> Delivery:
        """Return a text message, encrypted where the account is."""
        stamp, nonce = str(int(time.time())), secrets.token_hex(8)
        body = (
            f"<xml><ToUserName>gh_sample</ToUserName><FromUserName>oSample1001</FromUserName>"
            f"<CreateTime>{stamp}</CreateTime><MsgType>text</MsgType>"
            f"<Content>{escape(text)}</Content><MsgId>{time.time_ns()}</MsgId></xml>"
        )
        token = self.credentials.token
        query = {"timestamp": stamp, "nonce": nonce, "signature": signature(token, stamp, nonce)}
        if self._crypt is not None:
            encrypted = self._crypt.encrypt(body)
            query |= {
                "encrypt_type": "aes",
                "msg_signature": signature(token, stamp, nonce, encrypted),
            }
            body = f"<xml><ToUserName>gh_sample</ToUserName><Encrypt>{encrypted}</Encrypt></xml>"
        return Delivery("POST", {"content-type": "text/xml"}, query, body.encode())


def attached(fields: Mapping[str, str]) -> tuple[dict[str, float] | None, list[dict[str, str]]]:
    """Return the position and the picture in a message of Tencent's; their maps use GCJ-02."""
    kind = fields.get("MsgType")
    if kind == "location":
        return position(fields.get("Location_X"), fields.get("Location_Y"), gcj02=True), []
    if kind == "image":
        return None, [{"id": needed(fields, "MediaId")}]
    return None, []


async def fetch_media(
    client: PlatformClient, tokens: TokenCache, url: str, media_id: str, limit_bytes: int
) -> bytes:
    """Download a picture from Tencent's API, which answers with an error code where there is none."""
    data = b""

    async def call(token: str) -> Response:
        nonlocal data
        params = {"access_token": token, "media_id": media_id}
        data, response = await client.picture(url, limit_bytes, params=params)
        return response

    check_code(await with_token(tokens, call, token_ended))
    return data


async def upload_media(client: PlatformClient, tokens: TokenCache, url: str, name: str, data: bytes) -> str:
    """Upload a picture to Tencent's API (新增临时素材); return its media id."""

    async def call(token: str) -> Response:
        params = {"access_token": token, "type": "image"}
        return await client.call("POST", url, params=params, file=File("media", name, data))

    response = await with_token(tokens, call, token_ended)
    check_code(response)
    return needed(response.data, "media_id")


def _event_text(fields: Mapping[str, str]) -> str:
    event = fields.get("Event", "")
    if event == "CLICK":
        return fields.get("EventKey", "")
    return "你好" if event in _GREETED else ""


def _encrypted(body: bytes) -> str:
    return needed(read_xml(body), "Encrypt")


def _cdata(text: str) -> str:
    return f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"


def read_token(response: Response, key: str, lives: str) -> tuple[str, float]:
    """Return a token and its life in seconds; raise `SendError`, since the operator can mend credentials."""
    token, seconds = response.data.get(key), response.data.get(lives)
    if not isinstance(token, str) or not token:
        raise SendError(f"no access token: {response.text[:300]}")
    return token, float(seconds) if isinstance(seconds, (int, float)) else 7200.0


def token_ended(response: Response) -> bool:
    """Return whether Tencent's API says that the token is not valid any more."""
    return response.data.get("errcode") in TOKEN_ENDED


def check_code(response: Response) -> None:
    """Raise as `send` does for one of Tencent's error codes."""
    response.check()
    code = response.data.get("errcode", 0)
    if code:
        reason = f"{code}: {str(response.data.get('errmsg'))[:300]}"
        if code in PASSING:
            raise SendError(reason, 10.0 if code != -1 else None)
        raise UndeliverableError(reason)


CHANNEL = WeChat
