"""A RabbitMQ queue; many readers may share it, each message is acknowledged after its post is kept."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from actions.opinion.errors import SourceError
from actions.opinion.model import RawPost
from actions.opinion.sources.base import QueueSource, to_raw

log = logging.getLogger(__name__)
_WAIT_S, _FULL_WAIT_S, _REST_S = 1.0, 0.3, 5.0
# A broker that died leaves acknowledging and closing waiting for ever.
_ANSWER_S = 10.0


class RabbitSource(QueueSource):
    """Reads a durable queue; a broker that drops the connection delivers again what was not acknowledged."""

    def __init__(self, name: str, queue: str, url_env: str, batch: int = 64, district: str = "") -> None:
        self.name, self._queue, self._url_env = name, queue, url_env
        self._batch, self._district = batch, district

    def url(self) -> str:
        """Return the broker's URL from the environment; raises SourceError, which never shows it."""
        found = os.environ.get(self._url_env, "")
        if not found.startswith(("amqp://", "amqps://")):
            raise SourceError(
                f"来源 {self.name}：环境变量 {self._url_env or 'secret_env'} 应为 amqp:// 地址",
                f"source {self.name}: the environment variable {self._url_env or '(secret_env)'} must hold an amqp:// URL",
            )
        return found

    async def run(self, keep: Callable[[Sequence[RawPost]], None], stop: Callable[[], bool]) -> None:
        """Read until told to stop; a lost connection is opened again after a rest."""
        while not stop():
            try:
                await self._connected(keep, stop)
            except SourceError:
                raise
            except Exception as error:  # aio-pika, aiormq and sockets raise many kinds
                log.warning("%s: connection lost (%s); trying again", self.name, type(error).__name__)
                await _rest(_REST_S, stop)

    async def _connected(self, keep: Callable[[Sequence[RawPost]], None], stop: Callable[[], bool]) -> None:
        import aio_pika

        connection = await aio_pika.connect(self.url(), timeout=10)
        try:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=2 * self._batch)
            queue = await channel.declare_queue(self._queue, durable=True)
            waiting: asyncio.Queue[Any] = asyncio.Queue()
            await queue.consume(waiting.put)
            while not stop():
                if connection.is_closed or channel.is_closed:
                    raise ConnectionError("closed by the broker")
                batch = await collect(waiting, self._batch)
                if batch:
                    await self._keep(batch, keep)
        finally:
            try:
                await asyncio.wait_for(connection.close(), _ANSWER_S)
            except Exception as error:  # it is lost already, and what it held is delivered again
                log.debug("%s: not closed properly (%s)", self.name, type(error).__name__)

    async def _keep(self, batch: Sequence[Any], keep: Callable[[Sequence[RawPost]], None]) -> None:
        posts = [message_post(m.body, str(m.message_id or ""), self.name, self._district) for m in batch]
        try:
            await asyncio.to_thread(keep, posts)
        except Exception:
            for message in batch:
                await asyncio.wait_for(message.nack(requeue=True), _ANSWER_S)
            raise
        for message in batch:
            await asyncio.wait_for(message.ack(), _ANSWER_S)


def message_post(body: bytes, message_id: str, source: str, district: str = "") -> RawPost:
    """Return a message as a raw post: JSON with the usual fields, else its text; the body's hash stands for an id."""
    text = body.decode("utf-8", "replace")
    try:
        item: Any = json.loads(text)
    except ValueError:
        item = {"text": text}
    if not isinstance(item, dict):
        item = {"text": text}
    identity = message_id or "body-" + hashlib.sha256(body).hexdigest()[:32]
    return to_raw({"id": identity, **item}, source, district)


async def collect(waiting: asyncio.Queue[Any], most: int) -> list[Any]:
    """Return up to `most` messages: waits for the first, then only shortly for more."""
    found: list[Any] = []
    try:
        found.append(await asyncio.wait_for(waiting.get(), _WAIT_S))
        while len(found) < most:
            found.append(await asyncio.wait_for(waiting.get(), _FULL_WAIT_S))
    except asyncio.TimeoutError:
        return found
    return found


async def _rest(seconds: float, stop: Callable[[], bool]) -> None:
    for _ in range(int(seconds * 10)):
        if stop():
            return
        await asyncio.sleep(0.1)
