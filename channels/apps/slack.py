"""Slack (Events API and interactivity): Block Kit buttons, threads."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import timezone
from typing import Any
from urllib.parse import parse_qs, urlencode

from pydantic import Field
from slack_sdk.signature import SignatureVerifier

from channels.app import AppChannel, Credentials
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
from channels.formats import child, items, needed, read_json, text_of
from channels.guard import ReplayGuard
from channels.http import Response
from channels.incoming import PHOTO_TYPES, on_host

logger = logging.getLogger(__name__)

_ANSWER = "chengda_answer"
_MENTION = re.compile(r"<@[A-Z0-9]+(?:\|[^>]*)?>\s*")
_PASSING = {
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "invalid_auth",
    "not_authed",
    "token_expired",
    "token_revoked",
    "account_inactive",
    "missing_scope",
}


class SlackCredentials(Credentials):
    """`signing_secret` from the app's basic information, `token` of the bot user (xoxb-…)."""

    signing_secret: str = Field(min_length=1)
    token: str = Field(min_length=1)
    api_url: str = "https://slack.com/api"


class Slack(AppChannel):
    """A Slack app: direct messages, and mentions in channels."""

    credentials_model = SlackCredentials
    repeats = Repeats.ASKED
    shape = Shape("slack", 3000, buttons=10, title_limit=75, payload_limit=2000, images=True)

    def __init__(self, name: str, credentials: Any, surroundings: Any) -> None:
        super().__init__(name, credentials, surroundings)
        self._verifier = SignatureVerifier(credentials.signing_secret)
        self._guard = ReplayGuard()

    async def verify(self, delivery: Delivery) -> None:
        """Check X-Slack-Signature and its time stamp."""
        stamp = delivery.headers.get("x-slack-request-timestamp", "")
        given = delivery.headers.get("x-slack-signature", "")
        self._guard.fresh(stamp)
        try:
            valid = self._verifier.is_valid(body=delivery.body, timestamp=stamp, signature=given)
        except (ValueError, TypeError, UnicodeDecodeError):
            valid = False
        if not valid:
            raise VerificationError("X-Slack-Signature is wrong")

    def _body(self, delivery: Delivery) -> dict[str, Any]:
        if delivery.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            form = parse_qs(delivery.body.decode("utf-8", "replace"))
            return read_json(form.get("payload", [""])[0])
        return read_json(delivery.body)

    def challenge(self, delivery: Delivery) -> Acknowledgement | None:
        """Answer url_verification."""
        try:
            body = self._body(delivery)
        except ParseError:
            return None
        return Acknowledgement(text_of(body, "challenge")) if body.get("type") == "url_verification" else None

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        """Read a direct message, a mention or a pressed button."""
        body = self._body(delivery)
        if body.get("type") == "block_actions":
            return self._pressed(body)
        event = child(body, "event")
        kind, subtype = text_of(event, "type"), text_of(event, "subtype")
        direct = kind == "message" and text_of(event, "channel_type") == "im"
        if not (direct or kind == "app_mention") or event.get("bot_id"):
            return ()
        if subtype and subtype not in {"file_share", "thread_broadcast"}:
            return ()
        channel, stamp = needed(event, "channel"), needed(event, "ts")
        thread = text_of(event, "thread_ts") or ("" if direct else stamp)
        text = _MENTION.sub("", text_of(event, "text"))
        text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        context = {"channel": channel, "thread": thread}
        files = [file for file in items(event, "files") if text_of(file, "mimetype") in PHOTO_TYPES]
        media = [{"url": needed(file, "url_private")} for file in files]
        # A mention arrives as two events; both have the same channel and time stamp.
        return [
            Inbound(
                needed(event, "user"),
                f"{channel}:{stamp}",
                text,
                context=context,
                unreadable=not (text.strip() or media),
                media=media,
            )
        ]

    async def fetch(self, media: Mapping[str, Any], limit_bytes: int) -> bytes:
        """Download a file; the bot needs the scope files:read."""
        url = str(media["url"])
        if not on_host(url, "files.slack.com", self.credentials.api_url):
            raise UndeliverableError("Slack gave no address of its own for a picture")
        headers = {"Authorization": f"Bearer {self.credentials.token}"}
        return (await self.client.picture(url, limit_bytes, headers=headers))[0]

    def _pressed(self, body: dict[str, Any]) -> Sequence[Inbound]:
        actions = items(body, "actions")
        if not actions:
            return ()
        channel = needed(child(body, "channel"), "id")
        thread = text_of(child(body, "message"), "thread_ts")
        stamp = needed(actions[0], "action_ts")
        context = {"channel": channel, "thread": thread}
        sender = needed(child(body, "user"), "id")
        return [Inbound(sender, f"{channel}:{sender}:{stamp}", text_of(actions[0], "value"), context=context)]

    async def post(self, outgoing: Outgoing, part: Part, key: str) -> None:
        """Call chat.postMessage."""
        blocks: list[dict[str, Any]] = []
        if part.text:
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": part.text}})
        if part.image:
            blocks.append({"type": "image", "image_url": part.image, "alt_text": "chart 图表"})
        if part.buttons:
            elements = [
                {
                    "type": "button",
                    "action_id": f"choice{n}",
                    "text": {"type": "plain_text", "text": b.title},
                    "value": b.payload,
                }
                for n, b in enumerate(part.buttons)
            ]
            blocks.append({"type": "actions", "elements": elements})
        body = {
            "channel": outgoing.to.context["channel"],
            "text": part.text or "图表 chart",
            "blocks": blocks,
            "unfurl_links": False,
            "metadata": {"event_type": _ANSWER, "event_payload": {"key": _name(key)}},
        }
        if outgoing.to.context.get("thread"):
            body["thread_ts"] = outgoing.to.context["thread"]
        await self._call("POST", "chat.postMessage", json_body=body)

    async def ask(self, outgoing: Outgoing, part: Part, key: str) -> bool:
        """Look for the message by its metadata among the newest ones; `False` where we may not read them."""
        context, thread = outgoing.to.context, outgoing.to.context.get("thread")
        params = {
            "channel": str(context["channel"]),
            # Slack's clock and ours may differ by a little.
            "oldest": f"{outgoing.put_at.replace(tzinfo=timezone.utc).timestamp() - 60:.6f}",
            "include_all_metadata": "true",
            "limit": "200",
        }
        method = "conversations.replies" if thread else "conversations.history"
        try:
            response = await self._call(
                "GET", method, params=params | ({"ts": str(thread)} if thread else {})
            )
        except SendError as error:
            if "missing_scope" not in str(error):
                raise
            logger.warning("channel %s: %s is not allowed; see docs/channels/slack.md", self.name, method)
            return False
        found = (child(message, "metadata") for message in items(response.data, "messages"))
        return any(text_of(child(one, "event_payload"), "key") == _name(key) for one in found)

    async def _call(self, http_method: str, method: str, **request: Any) -> Response:
        response = await self.client.call(
            http_method,
            f"{self.credentials.api_url}/{method}",
            headers={"Authorization": f"Bearer {self.credentials.token}"},
            **request,
        )
        response.check()
        if response.data.get("ok") is not True:
            reason = str(response.data.get("error"))
            if reason in _PASSING:
                raise SendError(f"Slack: {reason}", 5.0 if "rate" in reason else None)
            raise UndeliverableError(f"Slack: {reason}")
        return response

    def sample(self, text: str) -> Delivery:
        """Return a direct message."""
        event = {
            "type": "message",
            "channel_type": "im",
            "channel": "D1001",
            "user": "U1001",
            "text": text,
            "ts": f"{time.time():.6f}",
        }
        body = json.dumps({"type": "event_callback", "event_id": "Ev1", "event": event})
        return self.signed(body, "application/json")

    def signed(self, body: str, content_type: str) -> Delivery:
        """Return a signed delivery of `body`."""
        stamp = str(int(time.time()))
        signature = self._verifier.generate_signature(timestamp=stamp, body=body) or ""
        headers = {
            "x-slack-request-timestamp": stamp,
            "x-slack-signature": signature,
            "content-type": content_type,
        }
        return Delivery("POST", headers, {}, body.encode())

    def signed_form(self, payload: dict[str, Any]) -> Delivery:
        """Return a signed interaction."""
        return self.signed(urlencode({"payload": json.dumps(payload)}), "application/x-www-form-urlencoded")


def _name(key: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, key))


CHANNEL = Slack
