"""Notices on the gateway: what the chat page shows above the conversation, and signed CAP alerts by POST."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from actions.notices.errors import CapError
from actions.notices.records import Notice
from actions.notices.service import NoticeService
from actions.notices.sources import Carrier
from channels.dispatcher import Dispatcher
from channels.extension import Extension
from channels.jsonio import dumps
from channels.limits import Rate, TokenBuckets
from channels.problem import Problem, too_large
from channels.store import ConversationStore
from channels.web.keys import ADDRESS

SECRET = "CHENGDA_CAP_SECRET"
SIGNATURE = "X-Signature-256"
# Every open chat page asks once a minute; a notice may be this late.
_CACHE_S = 5.0
_POSTS = Rate(per_s=2.0, burst=60)


class NoticesExtension(Extension):
    """Serves the banner and takes alerts in.

    Args:
        service: the notices.
        folder: where alert files are put; `None` looks at none.
        secret: what POSTs are signed with; empty takes none.
    """

    def __init__(self, service: NoticeService, folder: Path | None, secret: str) -> None:
        self._service = service
        self._secret = secret.encode()
        self._carrier = Carrier(service, folder)
        self._posts = TokenBuckets(_POSTS)
        self._shown: tuple[float, bytes] = (0.0, b"")

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the routes."""
        return [web.get("/api/v1/notices", self.banner), web.post("/api/v1/cap", self.take_in)]

    async def start(self, dispatcher: Dispatcher, store: ConversationStore) -> None:
        """Begin to look for alerts and to tell subscribers."""
        self._carrier.start()

    async def stop(self) -> None:
        """End."""
        await self._carrier.stop()

    async def banner(self, request: web.Request) -> web.Response:
        """GET /api/v1/notices → `{"notices": […]}`, the gravest first."""
        made_at, body = self._shown
        if not body or time.monotonic() - made_at > _CACHE_S:
            found = await asyncio.to_thread(self._service.banner)
            body = dumps({"notices": [to_dict(notice) for notice in found]})
            self._shown = (time.monotonic(), body)
        return web.Response(body=body, content_type="application/json", charset="utf-8")

    async def take_in(self, request: web.Request) -> web.Response:
        """POST /api/v1/cap → 201 for a new alert, 200 for one known; `X-Signature-256: sha256=<HMAC of the body>`."""
        wait_s = self._posts.wait_s(request[ADDRESS])
        if wait_s:
            raise Problem("rate-limited", "请求过于频繁。", "Too many requests.", retry_after_s=wait_s)
        self._posts.take(request[ADDRESS])
        given = request.headers.get(SIGNATURE, "")
        if not self._secret or not given:
            raise Problem(
                "unauthorized",
                f"需要 {SIGNATURE} 签名。",
                f"A signature is needed in {SIGNATURE}; the secret is set as {SECRET} on the server.",
            )
        body = await self._read(request)
        wanted = "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(given.strip().encode("utf-8", "replace"), wanted.encode()):
            raise Problem("forbidden", "签名校验失败。", "The signature is not valid.")
        try:
            made = await asyncio.to_thread(self._service.take_in, body, author=f"POST {request[ADDRESS]}")
        except CapError as error:
            raise Problem("bad-request", error.zh, error.en) from error
        self._shown = (0.0, b"")
        if made is None:
            return web.json_response({"known": True})
        return web.json_response({"id": made.id, "state": made.state, "why": made.why}, status=201)

    async def _read(self, request: web.Request) -> bytes:
        limit, body = self._service.section.cap.max_bytes, bytearray()
        async for chunk in request.content.iter_chunked(65536):
            body += chunk
            if len(body) > limit:
                raise too_large(limit)
        return bytes(body)


def to_dict(notice: Notice) -> Mapping[str, Any]:
    """Return the JSON form that the chat page reads."""
    return {
        "id": notice.id,
        "kind": notice.kind,
        "severity": notice.severity,
        "texts": notice.texts,
        "expires_at": notice.expires_at.isoformat(timespec="seconds") + "Z",
    }
