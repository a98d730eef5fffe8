"""Reads all sources as they go, escalates, and sends what waits; runs until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from aiohttp import web

from actions.opinion.errors import OpinionError, SourceError
from actions.opinion.model import IngestReport, RawPost
from actions.opinion.pipeline import Pipeline, Prepared
from actions.opinion.service import OpinionService
from actions.opinion.sources.base import PullSource, QueueSource
from actions.opinion.sources.opening import ASSISTANT, open_source
from actions.opinion.sources.webhook import InboxSource, make_app

log = logging.getLogger(__name__)
Tell = Callable[[str, IngestReport], None]
_TICK_S, _ASSISTANT_S, _MOST_REST_S, _PRUNE_S = 5.0, 5.0, 900.0, 6 * 3600.0


def pull(
    service: OpinionService, pipeline: Pipeline, source: PullSource, lock: threading.Lock | None = None
) -> IngestReport:
    """Read what is new in a source, batch by batch, each kept with its position; return what became of it.

    Raises:
        SourceError: the source cannot be read (what was read before is kept).
    """
    total = IngestReport()
    held = lock or threading.Lock()
    key = source.cursor_name or source.name

    def keep(batch: Prepared, position: Mapping[str, Any]) -> None:
        with held:
            total.add(pipeline.keep(batch, {key: position}))
            opened, pipeline.opened = pipeline.opened, []
        service.draw(opened)

    # While one batch is being kept the next is being judged: two cores have work.
    with ThreadPoolExecutor(1, "opinion-ahead") as ahead:
        waiting: tuple[Future[Prepared], Mapping[str, Any]] | None = None
        try:
            for batch in source.read(service.store.cursor(key)):
                before, waiting = (
                    waiting,
                    (ahead.submit(pipeline.prepare, batch.posts, service.now()), batch.position),
                )
                if before is not None:
                    keep(before[0].result(), before[1])
        except SourceError:
            if waiting is not None:
                keep(waiting[0].result(), waiting[1])
            raise
        if waiting is not None:
            keep(waiting[0].result(), waiting[1])
    return total


class Watch:
    """One running watch.

    Args:
        service: the module.
        tell: called with a source's name and what was read.
        host, port: where webhooks are received; no port: no webhooks.
    """

    def __init__(
        self,
        service: OpinionService,
        tell: Tell | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
    ) -> None:
        self.service, self._tell, self._host, self._port = service, tell, host, port
        self._stopped = False
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Ask the watch to end after the batch in hand."""
        self._stopped = True

    async def run(self) -> None:
        """Watch until stopped; raises what `OpinionService.reader` and wrong source entries raise."""
        service = self.service
        opened = [
            (item, open_source(item, service.section, service.engine, service.path))
            for item in service.section.sources
        ]
        with service.reader() as pipeline:
            work = [
                self._pull(
                    pipeline, InboxSource(ASSISTANT, service.engine, service.section.batch), _ASSISTANT_S
                )
            ]
            for item, source in opened:
                if isinstance(source, QueueSource):
                    work.append(self._consume(pipeline, source))
                else:
                    every_s = _ASSISTANT_S if item.kind == "webhook" else item.every_s
                    work.append(self._pull(pipeline, source, every_s))
            runner = await self._webhooks()
            try:
                await asyncio.gather(*work, self._ticks())
            finally:
                self.stop()
                if runner is not None:
                    await runner.cleanup()

    async def _webhooks(self) -> web.AppRunner | None:
        keys = {item.name: item.secret_env for item in self.service.section.sources if item.kind == "webhook"}
        if not keys or self._port is None:
            return None
        runner = web.AppRunner(make_app(self.service.engine, keys))
        await runner.setup()
        await web.TCPSite(runner, self._host, self._port).start()
        return runner

    async def _pull(self, pipeline: Pipeline, source: PullSource, every_s: float) -> None:
        failures = 0
        while not self._stopped:
            try:
                report = await asyncio.to_thread(pull, self.service, pipeline, source, self._lock)
                failures = 0
                self._say(source.name, report)
            except OpinionError as error:
                failures += 1
                log.warning("%s: %s", source.name, error)
            except Exception:
                failures += 1
                log.exception("%s: could not be read in", source.name)
            # A broken source is asked less and less often, and never stops the others.
            await self._rest(min(every_s * 2 ** min(failures, 8), max(every_s, _MOST_REST_S)))

    async def _consume(self, pipeline: Pipeline, source: QueueSource) -> None:
        def keep(posts: Sequence[RawPost]) -> None:
            with self._lock:
                report = pipeline.ingest(posts, now=self.service.now())
                opened, pipeline.opened = pipeline.opened, []
            self.service.draw(opened)
            self._say(source.name, report)

        while not self._stopped:
            try:
                await source.run(keep, lambda: self._stopped)
            except OpinionError as error:
                log.warning("%s: %s", source.name, error)
                await self._rest(60)
            except Exception:
                log.exception("%s: could not be read in; trying again", source.name)
                await self._rest(10)

    async def _ticks(self) -> None:
        pruned = time.monotonic()
        while not self._stopped:
            try:
                await asyncio.to_thread(self.service.tick)
                if time.monotonic() - pruned > _PRUNE_S:
                    pruned = time.monotonic()
                    await asyncio.to_thread(self.service.prune)
            except Exception:
                log.exception("could not escalate or send; trying again")
            await self._rest(_TICK_S)

    async def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopped and time.monotonic() < until:
            await asyncio.sleep(0.1)

    def _say(self, name: str, report: IngestReport) -> None:
        if self._tell is not None and report.read:
            self._tell(name, report)
