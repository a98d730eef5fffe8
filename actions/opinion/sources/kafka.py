"""A Kafka topic read by a consumer group; offsets are committed after the posts are kept."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from actions.opinion.errors import SourceError
from actions.opinion.model import RawPost
from actions.opinion.sources.base import QueueSource
from actions.opinion.sources.rabbitmq import message_post

log = logging.getLogger(__name__)
Maker = Callable[[dict[str, Any]], Any]


class KafkaSource(QueueSource):
    """Reads a topic. Partitions are shared within the group; a replay (an older offset) meets the kept keys.

    Args:
        name: of the source.
        topic: to read.
        group: consumer group.
        servers_env: environment variable with `bootstrap.servers`, for example `broker-1:9092,broker-2:9092`.
        make: makes a consumer from its configuration; confluent-kafka's by default.
    """

    def __init__(
        self,
        name: str,
        topic: str,
        group: str,
        servers_env: str,
        batch: int = 64,
        district: str = "",
        make: Maker | None = None,
    ) -> None:
        self.name, self._topic, self._group, self._servers_env = name, topic, group, servers_env
        self._batch, self._district, self._make = batch, district, make or _consumer

    async def run(self, keep: Callable[[Sequence[RawPost]], None], stop: Callable[[], bool]) -> None:
        """Read until told to stop, in a thread of its own (the client blocks)."""
        await asyncio.to_thread(self._loop, keep, stop)

    def _loop(self, keep: Callable[[Sequence[RawPost]], None], stop: Callable[[], bool]) -> None:
        servers = os.environ.get(self._servers_env, "")
        if not servers:
            raise SourceError(
                f"来源 {self.name}：环境变量 {self._servers_env or 'secret_env'} 未设置 Kafka 服务器",
                f"source {self.name}: the environment variable {self._servers_env or '(secret_env)'} names no Kafka servers",
            )
        consumer = self._make(
            {
                "bootstrap.servers": servers,
                "group.id": self._group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
            }
        )
        try:
            consumer.subscribe([self._topic])
            while not stop():
                messages = [m for m in consumer.consume(self._batch, timeout=1.0) if self._usable(m)]
                if messages:
                    keep([self._raw(message) for message in messages])
                    consumer.commit(asynchronous=False)
        finally:
            consumer.close()

    def _usable(self, message: Any) -> bool:
        error = message.error()
        if error is not None:
            log.warning("%s: %s", self.name, error)
            return False
        return message.value() is not None

    def _raw(self, message: Any) -> RawPost:
        place = f"{message.topic()}-{message.partition()}-{message.offset()}"
        return message_post(message.value(), place, self.name, self._district)


def _consumer(config: dict[str, Any]) -> Any:
    from confluent_kafka import Consumer

    return Consumer(config)
