"""What a section keeps between requests, one per application and only as long as that lives."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from aiohttp import web

T = TypeVar("T")

_LOCK = Lock()
_KEPT: WeakKeyDictionary[web.Application, dict[type, Any]] = WeakKeyDictionary()


def per_app(request: web.Request, kind: type[T], make: Callable[[], T]) -> T:
    """Return the application's only `kind`, made at the first request that needs it."""
    with _LOCK:
        kept = _KEPT.setdefault(request.app, {})
        if kind not in kept:
            kept[kind] = make()
        found: T = kept[kind]
        return found
