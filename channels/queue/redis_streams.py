"""The inbound queue in a Redis stream (Redis 6.2 or newer): one gateway reads, the others stand by."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import redis.asyncio as redis
from redis.exceptions import RedisError, ResponseError

from channels.base import Inbound
from channels.queue.base import KEPT_DAYS, Entry, InboundQueue, QueueError, from_json, short_id, to_json

_GROUP = "gateway"
_LEADER_MS = 15_000
# Adds a message unless its id was seen in the last days; one script, so that nothing comes between.
_PUT = """
if redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[1]) then
  redis.call('XADD', KEYS[1], '*', 'channel', ARGV[2], 'body', ARGV[3])
end
return 1
"""
# Takes or keeps the lead; nobody else may hold it.
_LEAD = """
local holder = redis.call('GET', KEYS[1])
if holder == false or holder == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return holder == ARGV[1] and 2 or 1
end
return 0
"""
_YIELD = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"


class RedisQueue(InboundQueue):
    """A stream with a consumer group; a lease on the lead keeps the order when there are several gateways.

    Redis must write its log to disk before it answers (`appendonly yes`, `appendfsync always`), else a power
    failure takes acknowledged messages with it.

    Args:
        url: such as `redis://:password@host:6379/0`.
        owner: name of this process.
        prefix: begins every key.
    """

    def __init__(self, url: str, owner: str, prefix: str = "chengda:inbox") -> None:
        self._client = redis.from_url(url, decode_responses=True, socket_timeout=10)
        self._owner = owner
        self._stream, self._dead, self._prefix = prefix, f"{prefix}:dead", prefix
        self._leads = False
        self._held: set[str] = set()

    async def open(self) -> None:
        """Connect and make the consumer group."""
        try:
            await self._client.xgroup_create(self._stream, _GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise QueueError(f"Redis: {error}") from error
        except RedisError as error:
            raise QueueError(f"Redis cannot be reached ({error}); check channels.queue.url") from error

    async def close(self) -> None:
        """Give up the lead and disconnect; what is pending goes to the next reader."""
        await self._client.eval(_YIELD, 1, f"{self._prefix}:leader", self._owner)
        await self._client.close()

    async def put(self, channel: str, messages: Sequence[Inbound]) -> None:
        """Add messages to the stream, each with its mark against repeated delivery."""
        seconds = int(KEPT_DAYS * 86_400)
        async with self._client.pipeline(transaction=True) as pipeline:
            for message in messages:
                seen = f"{self._prefix}:seen:{channel}:{short_id(message.message_id)}"
                body = json.dumps(to_json(message), ensure_ascii=False)
                pipeline.eval(_PUT, 2, self._stream, seen, seconds, channel, body)
            await pipeline.execute()

    async def take(self, limit: int, wait_s: float) -> Sequence[Entry]:
        """Return what waits, first of all what a reader that ended left."""
        lead = await self._client.eval(_LEAD, 1, f"{self._prefix}:leader", self._owner, _LEADER_MS)
        if not lead:
            self._leads = False
            await asyncio.sleep(wait_s)
            return []
        if not self._leads:
            self._leads = True
            return await self._take_over()
        wait_ms = max(1, int(min(wait_s, _LEADER_MS / 3000) * 1000))
        found = await self._client.xreadgroup(
            _GROUP, self._owner, {self._stream: ">"}, count=limit, block=wait_ms
        )
        return self._entries(found[0][1] if found else [])

    async def _take_over(self) -> Sequence[Entry]:
        taken: list[tuple[str, dict[str, str]]] = []
        start = "0-0"
        while True:
            start, claimed, *_ = await self._client.xautoclaim(
                self._stream, _GROUP, self._owner, min_idle_time=0, start_id=start, count=500
            )
            taken.extend(claimed)
            if start == "0-0":
                return self._entries(taken)

    def _entries(self, items: Sequence[tuple[str, dict[str, str]]]) -> list[Entry]:
        entries = []
        for handle, fields in items:
            if fields and handle not in self._held:
                self._held.add(handle)
                entries.append(Entry(handle, fields["channel"], from_json(json.loads(fields["body"]))))
        return entries

    async def done(self, entry: Entry) -> None:
        """Acknowledge and delete a message."""
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.xack(self._stream, _GROUP, entry.handle)
            pipeline.xdel(self._stream, entry.handle)
            await pipeline.execute()
        self._held.discard(entry.handle)

    async def dead(self, entry: Entry, error: str) -> None:
        """Move a message to the stream of dead letters."""
        fields: dict[Any, Any] = {
            "channel": entry.channel,
            "body": json.dumps(to_json(entry.inbound), ensure_ascii=False),
            "error": error[:2000],
        }
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.xadd(self._dead, fields)
            pipeline.xack(self._stream, _GROUP, entry.handle)
            pipeline.xdel(self._stream, entry.handle)
            await pipeline.execute()
        self._held.discard(entry.handle)

    async def dead_letters(self, limit: int = 200) -> Sequence[Entry]:
        """Return the newest dead letters."""
        items = await self._client.xrevrange(self._dead, count=limit)
        return [
            Entry(handle, fields["channel"], from_json(json.loads(fields["body"])), fields["error"])
            for handle, fields in items
        ]

    async def retry(self) -> int:
        """Move every dead letter back to the stream."""
        items = await self._client.xrange(self._dead)
        for handle, fields in items:
            async with self._client.pipeline(transaction=True) as pipeline:
                pipeline.xadd(self._stream, {"channel": fields["channel"], "body": fields["body"]})
                pipeline.xdel(self._dead, handle)
                await pipeline.execute()
        return len(items)
