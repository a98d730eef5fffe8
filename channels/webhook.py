"""Deliveries from chat apps: `/channels/{name}/webhook`, acknowledged once they are durable."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from aiohttp import web

from channels.app import AppChannel
from channels.base import (
    Acknowledgement,
    Channel,
    Delivery,
    Inbound,
    ParseError,
    SendError,
    VerificationError,
)
from channels.intake import Intake
from channels.problem import Problem
from channels.pull import Pulls
from channels.queue.base import short_id

logger = logging.getLogger(__name__)

_RECEIVE_AGAIN_S = 5.0
_OFF_RETRY_S = 60.0
_REMEMBERED = 2_000


class WebhookGate:
    """Leads deliveries through verify → challenge → parse → the durable queue.

    Args:
        channels: the registered channels by name.
        intake: keeps and answers the messages.
        taken: told the keys of our messages that a platform reports as taken.
        pulls: responds for channels that hold their answers.
        enabled: whether a channel is switched on now.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        intake: Intake,
        pulls: Pulls,
        taken: Callable[[Sequence[str]], Awaitable[None]],
        enabled: Callable[[str], bool] = lambda name: True,
    ) -> None:
        self._channels = channels
        self._intake = intake
        self._pulls = pulls
        self._taken = taken
        self._enabled = enabled
        # What was said in the response to a message.
        self._said: dict[tuple[str, str], Acknowledgement] = {}
        self._receivers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start every channel, and fetch from those that do not call us."""
        for channel in self._channels.values():
            await channel.start()
            self._receivers.append(asyncio.create_task(self._receive(channel)))

    async def drain(self) -> None:
        """Fetch no more."""
        for task in self._receivers:
            while not task.done():
                # Again until it holds: in Python 3.10 `wait_for` may swallow one cancellation.
                task.cancel()
                await asyncio.wait([task], timeout=0.1)

    async def stop(self) -> None:
        """Stop every channel."""
        for channel in self._channels.values():
            with contextlib.suppress(Exception):
                await channel.stop()

    async def _receive(self, channel: Channel) -> None:
        while True:
            try:
                if self._enabled(channel.name):
                    await channel.receive(partial(self._fetched, channel))
                    if type(channel).receive is Channel.receive:
                        return
            except Exception as error:
                logger.warning("channel %s: nothing can be fetched: %s", channel.name, error)
            await asyncio.sleep(_RECEIVE_AGAIN_S)

    async def _fetched(self, channel: Channel, messages: Sequence[Inbound]) -> None:
        if not self._enabled(channel.name):
            raise SendError("the channel was switched off")
        await self._intake.accept(channel, messages)

    async def webhook(self, request: web.Request) -> web.StreamResponse:
        """Serve one delivery; a bad signature gives 403, a malformed body 400, a switched-off channel 503."""
        channel = self._channels.get(request.match_info["name"])
        if channel is None:
            raise Problem("not-found", "未启用此渠道。", "This channel is not enabled; name it in city.yml.")
        if not self._enabled(channel.name):
            raise Problem(
                "overloaded",
                "此渠道已暂停服务。",
                "This channel is switched off at present.",
                retry_after_s=_OFF_RETRY_S,
            )
        delivery = Delivery(
            method=request.method,
            headers={name.lower(): value for name, value in request.headers.items()},
            query=dict(request.query),
            body=await request.read(),
        )
        try:
            await channel.verify(delivery)
            challenge = channel.challenge(delivery)
            if challenge is not None:
                return _response(challenge)
            inbound = await channel.parse(delivery)
            receipts = await channel.receipts(delivery)
        except VerificationError as error:
            logger.warning("channel %s: delivery refused: %s", channel.name, error)
            raise Problem("forbidden", "签名校验失败。", "The signature is not valid.") from error
        except ParseError as error:
            raise Problem("bad-request", f"无法解析：{error}", f"Cannot be read: {error}.") from error
        if receipts:
            await self._taken(receipts)
        return await self._accept(request, channel, delivery, inbound)

    async def _accept(
        self, request: web.Request, channel: Channel, delivery: Delivery, inbound: Sequence[Inbound]
    ) -> web.StreamResponse:
        if not channel.reply_window_s or len(inbound) != 1:
            await self._intake.accept(channel, inbound)
            return _response(channel.acknowledge(delivery))
        message = inbound[0]
        if isinstance(channel, AppChannel) and channel.holds:
            return await self._pulls.respond(request, channel, message, channel.acknowledge(delivery))
        key = (channel.name, short_id(message.message_id))
        if key in self._said:
            # The response did not reach the platform, or it would not deliver again.
            return _response(self._said[key])
        waiter = self._intake.expect(channel, message)
        arrived = False
        try:
            await self._intake.accept(channel, inbound)
            await asyncio.wait([waiter.answer], timeout=channel.reply_window_s)
            if not waiter.answer.done():
                return _response(channel.acknowledge(delivery))
            inline = channel.reply_inline(waiter.answer.result())
            if inline is None or request.transport is None or request.transport.is_closing():
                return _response(channel.acknowledge(delivery))
            response = _response(inline)
            # Written here, because only what has left may be struck from the queue.
            await response.prepare(request)
            await response.write_eof()
            arrived = True
            self._said[key] = inline
            while len(self._said) > _REMEMBERED:
                del self._said[next(iter(self._said))]
            return response
        finally:
            self._intake.give_up(channel, message, waiter, arrived=arrived)


def _response(acknowledgement: Acknowledgement) -> web.Response:
    return web.Response(
        text=acknowledgement.body,
        content_type=acknowledgement.content_type,
        charset="utf-8",
        status=acknowledgement.status,
    )
