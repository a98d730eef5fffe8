"""A thread pool for database work in which what is urgent goes before what waits."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any


class UrgentThreads(Executor):
    """Runs work in the order of submission, urgent work first.

    Args:
        count: threads.
        name: begins the threads' names.
    """

    def __init__(self, count: int, name: str) -> None:
        self._work: list[tuple[int, int, Future[Any], Callable[[], Any]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `fn` after what waits already."""
        return self._add(1, partial(fn, *args, **kwargs))

    def urgent(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Run `fn` before everything that is not urgent."""
        return self._add(0, partial(fn, *args))

    def _add(self, rank: int, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            heapq.heappush(self._work, (rank, next(self._order), future, work))
            self._changed.notify()
        return future

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._work:
                    if self._closed:
                        return
                    self._changed.wait()
                _rank, _number, future, work = heapq.heappop(self._work)
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
            # A waiting thread must not keep the last work's data alive.
            del future, work

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more; finish what waits, or cancel it."""
        with self._changed:
            self._closed = True
            if cancel_futures:
                for _rank, _number, future, _work in self._work:
                    future.cancel()
                self._work.clear()
            self._changed.notify_all()
        if wait:
            for thread in self._threads:
                thread.join()
