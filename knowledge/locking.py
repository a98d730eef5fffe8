"""One writer at a time: among the threads of a process, and among processes."""

from __future__ import annotations

from typing import Any

from filelock import FileLock, Timeout


class Locked:
    """Holds the lock among this process's threads, then the one among processes."""

    def __init__(self, thread_lock: Any, file_lock: FileLock, wait_s: float) -> None:
        self._thread_lock, self._file_lock, self._wait_s = thread_lock, file_lock, wait_s

    def __enter__(self) -> None:
        if not self._thread_lock.acquire(timeout=self._wait_s):
            raise Timeout(self._file_lock.lock_file)
        try:
            self._file_lock.acquire(timeout=self._wait_s)
        except BaseException:
            self._thread_lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._file_lock.release()
        self._thread_lock.release()
