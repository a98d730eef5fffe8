"""DingTalk (钉钉): a robot of an internal application in HTTP mode; Markdown messages."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from pydantic import Field

from channels.app import AppChannel, Credentials, Surroundings
from channels.apps.wechat import read_token
from channels.base import Delivery, Inbound, Outgoing, SendError, UndeliverableError, VerificationError
from channels.fitting.fit import Part
from channels.fitting.shape import Shape
from channels.formats import child, needed, read_json, text_of
from channels.guard import ReplayGuard, same
from channels.http import Response, TokenCache, with_token
from channels.incoming import on_host

_GROUP = "2"
# Messages that may bear the same time stamp, in milliseconds.
_SAME_MOMENT = 8


class DingTalkCredentials(Credentials):
    """`app_key` (Client ID) and `app_secret` of the application, `robot_code` of its robot."""

    app_key: str = Field(min_length=1)
    app_secret: str = Field(min_length=1)
    robot_code: str = Field(min_length=1)
    api_url: str = "https://api.dingtalk.com"


class DingTalk(AppChannel):
    """A DingTalk robot, alone or mentioned in a group."""

    credentials_model = DingTalkCredentials
    shape = Shape("dingtalk", 4500, buttons=5, title_limit=20, images=True, says_titles=True)

    def __init__(self, name: str, credentials: DingTalkCredentials, surroundings: Surroundings) -> None:
        super().__init__(name, credentials, surroundings)
        self._guard = ReplayGuard()
        self._tokens = TokenCache(self._fetch_token)

    async def verify(self, delivery: Delivery) -> None:
        """Check `sign` and `timestamp`.

        They do not cover the body: of one message only the first body is taken, and of one millisecond only a
        few messages.
        """
        stamp, given = delivery.headers.get("timestamp", ""), delivery.headers.get("sign", "")
        if not same(given, self._sign(stamp)):
            raise VerificationError("sign is wrong")
        self._guard.fresh(stamp, per_second=1000.0)
        message_id = text_of(read_json(delivery.body), "msgId")
        self._guard.few(given, message_id, _SAME_MOMENT)
        self._guard.once(f"{given}:{message_id}", delivery.body)

    def _sign(self, stamp: str) -> str:
        secret = self.credentials.app_secret
        digest = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode("utf-8", "replace"), hashlib.sha256)
        return base64.b64encode(digest.digest()).decode()

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        """Read a text, or a voice message with its recognition result."""
        data = read_json(delivery.body)
        text = text_of(child(data, "text"), "content") or text_of(child(data, "content"), "recognition")
        sender = text_of(data, "senderStaffId") or needed(data, "senderId")
        group = needed(data, "conversationId") if text_of(data, "conversationType") == _GROUP else ""
        code = text_of(child(data, "content"), "downloadCode") if data.get("msgtype") == "picture" else ""
        media = [{"code": code}] if code else []
        return [
            Inbound(
                sender,
                needed(data, "msgId"),
                text.strip(),
                context={"group": group},
                unreadable=not (text.strip() or media),
                media=media,
            )
        ]

    async def fetch(self, media: Mapping[str, Any], limit_bytes: int) -> bytes:
        """Exchange the download code for an address, and download from there."""
        body = {"downloadCode": media["code"], "robotCode": self.credentials.robot_code}

        async def call(token: str) -> Response:
            headers = {"x-acs-dingtalk-access-token": token}
            url = f"{self.credentials.api_url}/v1.0/robot/messageFiles/download"
            return await self.client.call("POST", url, json_body=body, headers=headers)

        response = (await with_token(self._tokens, call, _ended)).check()
        url = text_of(response.data, "downloadUrl")
        if not on_host(url, "dingtalk.com", "aliyuncs.com", self.credentials.api_url):
            raise UndeliverableError("DingTalk gave no address of its own for a picture")
        return (await self.client.picture(url, limit_bytes))[0]

    def parts(self, outgoing: Outgoing) -> list[Part]:
        """Return the messages; in a group, where a pressed button does not mention the robot, with numbers."""
        if not outgoing.to.context.get("group"):
            return super().parts(outgoing)
        return self.fitted(outgoing, replace(self.shape, buttons=0))

    async def post(self, outgoing: Outgoing, part: Part, key: str) -> None:
        """Send Markdown, or a card with buttons (sampleActionCard), to the person or to the group."""
        text = f"![图表 chart]({part.image})" if part.image else part.text
        # One line break in Markdown is none; two spaces before it make one.
        text = text.replace("\n", "  \n")
        title = (part.text or "图表 chart").split("\n")[0].replace("*", "").replace("`", "")[:40]
        kind, param = "sampleMarkdown", {"title": title, "text": text}
        if part.buttons:
            kind = "sampleActionCard" if len(part.buttons) == 1 else f"sampleActionCard{len(part.buttons)}"
            param |= _actions(part)
        body: dict[str, Any] = {
            "robotCode": self.credentials.robot_code,
            "msgKey": kind,
            "msgParam": json.dumps(param, ensure_ascii=False),
        }
        if outgoing.to.context.get("group"):
            path = "robot/groupMessages/send"
            body["openConversationId"] = outgoing.to.context["group"]
        else:
            path = "robot/oToMessages/batchSend"
            body["userIds"] = [outgoing.to.sender_id]

        async def call(token: str) -> Response:
            headers = {"x-acs-dingtalk-access-token": token}
            url = f"{self.credentials.api_url}/v1.0/{path}"
            return await self.client.call("POST", url, json_body=body, headers=headers)

        response = await with_token(self._tokens, call, _ended)
        code = str(response.data.get("code") or "")
        if response.status >= 400:
            reason = f"{code}: {str(response.data.get('message'))[:300]}"
            if "Throttling" in code or "QpsLimit" in code:
                raise SendError(reason, 5.0)
            raise UndeliverableError(reason)
        refused = response.data.get("invalidStaffIdList") or response.data.get("flowControlledStaffIdList")
        if refused and outgoing.to.sender_id in refused:
            limited = outgoing.to.sender_id in (response.data.get("flowControlledStaffIdList") or ())
            raise (SendError if limited else UndeliverableError)(f"not delivered to {outgoing.to.sender_id}")

    async def _fetch_token(self) -> tuple[str, float]:
        body = {"appKey": self.credentials.app_key, "appSecret": self.credentials.app_secret}
        url = f"{self.credentials.api_url}/v1.0/oauth2/accessToken"
        return read_token(await self.client.call("POST", url, json_body=body), "accessToken", "expireIn")

    def sample(self, text: str) -> Delivery:
        """Return a text message."""
        stamp = str(int(time.time() * 1000))
        body = {
            "conversationId": "cidSample",
            "conversationType": "1",
            "msgId": f"msg{time.time_ns()}",
            "senderId": "$:LWCP_v1:$sample",
            "senderStaffId": "manager1001",
            "senderNick": "示例",
            "createAt": int(stamp),
            "robotCode": self.credentials.robot_code,
            "msgtype": "text",
            "text": {"content": text},
        }
        headers = {"timestamp": stamp, "sign": self._sign(stamp), "content-type": "application/json"}
        return Delivery("POST", headers, {}, json.dumps(body).encode())


def _actions(part: Part) -> dict[str, str]:
    """Return the buttons of a card; a pressed one sends its title as a message of the person."""
    named = {
        b.title: f"dtmd://dingtalkclient/sendMessage?content={quote(b.title, safe='')}" for b in part.buttons
    }
    if len(part.buttons) == 1:
        ((title, url),) = named.items()
        return {"singleTitle": title, "singleURL": url}
    found: dict[str, str] = {}
    for number, button in enumerate(part.buttons, 1):
        found |= {f"actionTitle{number}": button.title, f"actionURL{number}": named[button.title]}
    return found


def _ended(response: Response) -> bool:
    return response.status == 401 or response.data.get("code") == "InvalidAuthentication"


CHANNEL = DingTalk
