"""A server that behaves like each platform, and channels that talk to it with the real client."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from channels.app import AppChannel, Surroundings
from channels.base import Inbound, Outgoing
from channels.formats import child
from channels.http import PlatformClient
from channels.registry import channel_class
from city.messages import Reply

AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
PUBLIC_URL = "https://chat.city.example"

CREDENTIALS: Mapping[str, dict[str, Any]] = {
    "telegram": {"token": "1:tg-token", "secret": "tg_secret"},
    "whatsapp": {
        "app_secret": "wa-app",
        "verify_token": "wa-word",
        "token": "wa-tok",
        "phone_number_id": "42",
    },
    "messenger": {"app_secret": "fb-app", "verify_token": "fb-word", "token": "fb-tok"},
    "line": {"channel_secret": "line-secret", "token": "line-tok"},
    "slack": {"signing_secret": "slack-secret", "token": "xoxb-1"},
    "wechat": {"app_id": "wx1", "app_secret": "wx-secret", "token": "wx-word"},
    "wechat_aes": {"app_id": "wx1", "app_secret": "wx-secret", "token": "wx-word", "aes_key": AES_KEY},
    "wecom": {"corp_id": "ww1", "agent_id": 7, "secret": "s", "token": "ww-word", "aes_key": AES_KEY},
    "dingtalk": {"app_key": "dk", "app_secret": "ds", "robot_code": "dr"},
    "feishu": {"app_id": "cli", "app_secret": "fs", "encrypt_key": "fk", "verification_token": "fv"},
    "teams": {"app_id": "bot-1", "app_password": "pw"},
    "sms": {"account_sid": "AC123456", "auth_token": "tw-tok", "from_number": "+15005550001"},
}
NAMES = sorted(CREDENTIALS)


@dataclass
class Call:
    """One request that the platform took."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class FakePlatform:
    """Takes what the platforms' APIs take.

    `script` holds, per first path segment, what happens to the next calls: a status, a JSON body, both, or a
    delay in seconds. A key that a platform uses for idempotency is taken once; what a platform can be asked about is
    remembered. `pause` is awaited between taking a message and answering; `report` is told what Meta would
    report to the webhook, as (channel, body of the delivery).
    """

    url: str = ""
    calls: dict[str, list[Call]] = field(default_factory=lambda: defaultdict(list))
    script: dict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))
    tokens: int = 0
    valid: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    attempts: int = 0
    pause: Callable[[], Awaitable[None]] | None = None
    report: Callable[[str, dict[str, Any]], None] | None = None

    def app(self) -> web.Application:
        """Return the server."""
        app = web.Application()
        app.router.add_route("*", "/{channel}/{rest:.*}", self.handle)
        return app

    def sent(self, channel: str) -> list[Call]:
        """Return the messages that a channel sent, without token and typing calls."""
        quiet = (
            "_token",
            "gettoken",
            "accessToken",
            "v2.0/token",
            "typing",
            "sendChatAction",
            "loading",
            "menu",
            "media/upload",
            "v1/images",
        )
        return [
            call
            for call in self.calls[channel]
            if not any(word in call.path for word in quiet)
            and not (
                isinstance(call.body, dict)
                and ("sender_action" in call.body or "typing_indicator" in call.body)
            )
            and not (isinstance(call.body, dict) and call.body.get("type") == "typing")
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one call."""
        channel, rest = request.match_info["channel"], request.match_info["rest"]
        if request.content_type == "application/x-www-form-urlencoded":
            body: Any = dict(await request.post())
        elif request.content_type == "multipart/form-data":
            form = await request.post()
            body = {k: v if isinstance(v, str) else v.file.read() for k, v in form.items()}
        else:
            text = await request.text()
            body = json.loads(text) if text else None
        if rest.endswith(("token", "accessToken", "tenant_access_token/internal")):
            return self._token(channel, rest)
        self.attempts += 1
        step = self.script[channel].popleft() if self.script[channel] else None
        if isinstance(step, float):
            await asyncio.sleep(step)
        elif isinstance(step, int):
            headers = {"Retry-After": "0"} if step == 429 else {}
            return web.json_response({"error": "scripted"}, status=step, headers=headers)
        elif isinstance(step, dict):
            return web.json_response(step)
        elif isinstance(step, tuple):
            return web.json_response(step[1], status=step[0])
        if not self._is_known(request):
            return web.json_response(
                _EXPIRED.get(channel, {}), status=401 if channel in {"teams", "dingtalk"} else 200
            )
        if request.content_type == "multipart/form-data":
            self.calls[channel].append(Call(rest, dict(request.query), dict(request.headers), body))
            name = f"picture-{len(self.calls[channel])}"
            return web.json_response({"code": 0, "errcode": 0, "media_id": name, "data": {"image_key": name}})
        if request.method == "GET":
            return web.json_response(self._asked(channel, request.query))
        key = self._key(request, body)
        if key and key in self.seen:
            return web.json_response({"ok": True, "code": 0}, status=409 if channel == "line" else 200)
        if key:
            self.seen.add(key)
        self.calls[channel].append(Call(rest, dict(request.query), dict(request.headers), body))
        receipt = _receipt(channel, body) if isinstance(body, dict) else None
        if receipt and self.report:
            self.report(channel, receipt)
        if self.pause:
            await self.pause()
        return web.json_response(
            {"ok": True, "errcode": 0, "code": 0} if channel != "sms" else {"sid": "SM1"}
        )

    def _token(self, channel: str, rest: str) -> web.Response:
        self.tokens += 1
        token = f"{channel}-token-{self.tokens}"
        self.valid.add(token)
        self.calls[channel].append(Call(rest, {}, {}, None))
        names = ("access_token", "accessToken", "tenant_access_token")
        lives = {"expires_in": 7200, "expireIn": 7200, "expire": 7200}
        return web.json_response(dict.fromkeys(names, token) | lives | {"code": 0, "errcode": 0})

    def _is_known(self, request: web.Request) -> bool:
        channel = request.match_info["channel"]
        if channel not in _EXPIRED:
            return True
        given = request.query.get("access_token") or request.headers.get("x-acs-dingtalk-access-token")
        given = given or request.headers.get("Authorization", "").removeprefix("Bearer ")
        return given in self.valid

    def _key(self, request: web.Request, body: Any) -> str:
        if not isinstance(body, dict):
            return ""
        if request.match_info["channel"] == "wecom":
            # WeCom knows a request again by its JSON, among those that ask it to look.
            return json.dumps(body, sort_keys=True) if body.get("enable_duplicate_check") else ""
        return str(request.headers.get("X-Line-Retry-Key") or body.get("uuid") or "")

    def _asked(self, channel: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Answer a question about what was sent: Slack's history, Twilio's list of messages."""
        sent = [call.body for call in self.sent(channel) if call.body]
        if channel == "slack":
            return {"ok": True, "messages": [m for m in sent if m["channel"] == query["channel"]]}
        made = format_datetime(datetime.now(timezone.utc))
        found = [m for m in sent if m["To"] == query.get("To")]
        return {
            "messages": [
                {"body": m["Body"], "direction": "outbound-api", "date_created": made} for m in found
            ]
        }


def _receipt(channel: str, body: dict[str, Any]) -> dict[str, Any] | None:
    if channel == "whatsapp" and body.get("biz_opaque_callback_data"):
        status = {"id": "wamid.1", "status": "sent", "recipient_id": body["to"], "timestamp": "1"}
        status["biz_opaque_callback_data"] = body["biz_opaque_callback_data"]
        value = {"messaging_product": "whatsapp", "statuses": [status]}
        return {"object": "whatsapp_business_account", "entry": [{"changes": [{"value": value}]}]}
    if channel == "messenger" and child(body, "message").get("metadata"):
        echo = {"is_echo": True, "app_id": 1, "mid": "m_1", "metadata": body["message"]["metadata"]}
        event = {"sender": {"id": "1"}, "recipient": body["recipient"], "timestamp": 1, "message": echo}
        return {"object": "page", "entry": [{"id": "1", "messaging": [event]}]}
    return None


_EXPIRED: Mapping[str, dict[str, Any]] = {
    "wechat": {"errcode": 42001, "errmsg": "access_token expired"},
    "wecom": {"errcode": 42001, "errmsg": "access_token expired"},
    "dingtalk": {"code": "InvalidAuthentication"},
    "feishu": {"code": 99991663, "msg": "token invalid"},
    "teams": {},
}


def make(
    name: str, base: str = "https://platform.example", client: PlatformClient | None = None
) -> AppChannel:
    """Return a channel that talks to a platform at `base`."""
    kind = name.partition("_")[0]
    made = channel_class(kind, "test")
    extra: dict[str, Any] = {"api_url": f"{base}/{kind}"}
    if kind == "teams":
        host = urlsplit(base).netloc
        extra = {"login_url": f"{base}/teams", "service_hosts": [host], "openid_url": f"{base}/teams/openid"}
    credentials = made.credentials_model(**{**CREDENTIALS[name], **extra})
    return made(kind, credentials, Surroundings(client or PlatformClient(timeout_s=2.0), PUBLIC_URL))


async def addressed(channel: AppChannel, *replies: Reply, **more: Any) -> Outgoing:
    """Return replies to a sample message of a channel."""
    (inbound,) = await channel.try_out("hello")
    context = dict(inbound.context)
    if channel.name == "teams":
        context["service"] = channel.credentials.login_url
    to = Inbound(inbound.sender_id, inbound.message_id, inbound.text, context=context)
    return Outgoing(to, replies, more.pop("key", "k"), message_id="m1", **more)
