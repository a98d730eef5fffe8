"""What the gateway does for service requests: photos from citizens, our Open311 server, news, the remote server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import aiohttp
from aiohttp import web

from actions.requests.errors import PhotoError
from actions.requests.open311.client import Open311Client
from actions.requests.open311.sync import Open311Sync
from actions.requests.records import Photo
from actions.requests.service import RequestService
from channels.base import MediaError
from channels.jsonio import dumps
from channels.limits import Rate, TokenBuckets
from channels.open311 import Open311Server
from channels.problem import Problem
from channels.uploads import file_of
from channels.web.keys import ADDRESS, STORE
from channels.web.security import authorise, bearer_token
from city.messages import Reply
from city.outbox import OutboxNotConfiguredError, get_outbox

logger = logging.getLogger(__name__)

TICK_S = 15.0
SWEEP_EVERY = 240
KEYS_ENV, REMOTE_KEY_ENV = "OPEN311_KEYS", "OPEN311_API_KEY"
_UPLOADS = Rate(per_s=0.5, burst=30)


class RequestErasure:
    """Cuts the ties of erased conversations to what they filed (a `ConversationObserver`)."""

    def __init__(self, service: RequestService) -> None:
        self._service = service

    async def rated(self, conversation_id: str, message_id: str, rating: str, comment: str) -> None:
        """Ratings of answers say nothing about requests."""
        return

    async def erased(self, conversation_id: str) -> None:
        """Delete a conversation's unfiled photos, and unlink it from its requests."""
        await asyncio.to_thread(self._service.forget, conversation_id)


class RequestPhotos:
    """Keeps photos from chat apps with the unfiled ones of their conversation (a `PhotoTaker`)."""

    def __init__(self, service: RequestService) -> None:
        self._service = service

    async def take(self, conversation_id: str, fetch: Callable[[int], Awaitable[bytes]]) -> str:
        """Fetch and keep a photo, unless too many wait already; raises `MediaError`."""
        box, now = self._service.photos, self._service.now()
        try:
            await asyncio.to_thread(box.check_room, conversation_id)
            data = await fetch(box.limits.max_bytes)
            return (await asyncio.to_thread(box.put, conversation_id, data, now)).id
        except PhotoError as error:
            raise MediaError(error.zh, error.en) from error


def attach_requests(
    app: web.Application, service: RequestService, environment: Mapping[str, str] = os.environ
) -> None:
    """Add photos, Open311 and the background work to the gateway's application, before it starts.

    Args:
        environment: `OPEN311_KEYS` names the keys of our server, `OPEN311_API_KEY` ours at the remote one.
    """
    worker = _Worker(service, environment.get(REMOTE_KEY_ENV, ""))
    uploads = TokenBuckets(_UPLOADS)

    async def upload(request: web.Request) -> web.Response:
        """POST …/attachments (multipart, field `file`) → 201 with the photo's id and the position it carried."""
        conversation_id = request.match_info["conversation_id"]
        await authorise(request.app[STORE], conversation_id, bearer_token(request))
        address = request[ADDRESS]
        if wait_s := uploads.wait_s(address):
            raise Problem(
                "rate-limited", "上传过于频繁，请稍候。", "Too many uploads; wait.", retry_after_s=wait_s
            )
        uploads.take(address)
        data = await file_of(request, service.section.photos.max_bytes)
        try:
            photo = await asyncio.to_thread(service.photos.put, conversation_id, data, service.now())
        except PhotoError as error:
            raise Problem("bad-photo", error.zh, error.en) from error
        return web.Response(
            status=201, body=dumps(_shown(photo)), content_type="application/json", charset="utf-8"
        )

    app.router.add_post("/api/v1/conversations/{conversation_id}/attachments", upload)
    if service.section.open311.enabled:
        keys: Sequence[str] = [k.strip() for k in environment.get(KEYS_ENV, "").split(",") if k.strip()]
        app.add_routes(Open311Server(service, keys, worker.heard).routes())
    app.cleanup_ctx.append(worker.lifetime)


def _shown(photo: Photo) -> dict[str, object]:
    position = None if photo.lat is None else {"lat": photo.lat, "lon": photo.lon}
    return {
        "attachment_id": photo.id,
        "width": photo.width,
        "height": photo.height,
        "bytes": photo.bytes,
        "position": position,
    }


class _Worker:
    """Pushes waiting news, keeps the remote server in step, and sweeps photos that were never filed."""

    def __init__(self, service: RequestService, remote_key: str) -> None:
        self._service, self._remote_key = service, remote_key
        self._sync: Open311Sync | None = None
        self._wake = asyncio.Event()

    async def heard(self, remote_id: str) -> bool:
        """Take a webhook call: ask the remote server at once."""
        if self._sync is None or not await self._sync.ask_now(remote_id):
            return False
        self._wake.set()
        return True

    async def lifetime(self, _app: web.Application) -> AsyncIterator[None]:
        """Work while the application runs."""
        service, section = self._service, self._service.section.remote
        service.put = _put
        session = aiohttp.ClientSession()
        loop = asyncio.get_running_loop()

        def wake(_request: object) -> None:
            loop.call_soon_threadsafe(self._wake.set)

        listeners = []
        if section is not None:
            self._sync = Open311Sync(service, section, Open311Client(section, self._remote_key, session))
            listeners = [self._sync.enqueue, wake]
            service.on_filed += listeners
        task = asyncio.create_task(self._work())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            for listener in listeners:
                service.on_filed.remove(listener)
            service.put = None
            self._sync = None
            await session.close()

    async def _work(self) -> None:
        rounds = 0
        while True:
            try:
                await asyncio.to_thread(self._service.push)
                if rounds % SWEEP_EVERY == 0:
                    await asyncio.to_thread(self._service.photos.sweep, self._service.now())
                if self._sync is not None:
                    await self._sync.run_once()
            except Exception:
                logger.exception("the requests' background work failed; it goes on in a moment")
            rounds += 1
            self._wake.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TICK_S)


def _put(conversation_id: str, replies: Sequence[Reply], key: str) -> bool:
    """Put news into the process-wide outbox."""
    try:
        return get_outbox().put(conversation_id, replies, key=key)
    except OutboxNotConfiguredError:
        logger.error("there is no outbox; news waits")
        raise
