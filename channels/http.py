"""The HTTP client that every platform is called with, and the cache of access tokens."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from channels.base import MediaError, SendError, UndeliverableError

_ANSWER_BYTES = 1 << 20
# Credentials that the operator may mend, and conditions that pass, are not the message's fault.
_PASSING = frozenset({401, 403, 408, 425, 429})

_WORDS = frozenset({"application/json", "text/plain", "text/html", "text/xml"})
_BYTES = frozenset({"application/octet-stream", "binary/octet-stream"})


@dataclass(frozen=True)
class Response:
    """What a platform answered; `data` is empty where it is no JSON object."""

    status: int
    data: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""

    def check(self) -> Response:
        """Return self for a 2xx; raise `UndeliverableError` for a refusal and `SendError` for what may pass."""
        if self.status < 300:
            return self
        error = SendError if self.status in _PASSING else UndeliverableError
        raise error(f"HTTP {self.status}: {self.text[:500]}")


@dataclass(frozen=True)
class File:
    """A file to upload, under the name of its form field."""

    field: str
    name: str
    data: bytes


@dataclass(frozen=True)
class Recorded:
    """One request that was not sent, for `chengda channels test`."""

    method: str
    url: str
    body: Any


# What every platform would answer to a request that it takes.
_TAKEN: Mapping[str, Any] = {
    "ok": True,
    "code": 0,
    "errcode": 0,
    "access_token": "sample-token",
    "accessToken": "sample-token",
    "tenant_access_token": "sample-token",
    "expires_in": 7200,
    "expireIn": 7200,
    "expire": 7200,
    "media_id": "sample-media",
    "data": {"image_key": "sample-image"},
}


class PlatformClient:
    """Calls platforms; what may pass becomes a `SendError`, with the pause that the platform asks for.

    Args:
        timeout_s: of one whole call.
        dry: record instead of sending, and answer as if everything were taken.
    """

    def __init__(self, timeout_s: float = 15.0, *, dry: bool = False) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self.recorded: list[Recorded] | None = [] if dry else None

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        url: str,
        *,
        json_body: Any = None,
        form: Mapping[str, str] | None = None,
        file: File | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Response:
        """Make one request, with JSON, form fields, or fields and a file (multipart).

        Raises:
            SendError: the platform cannot be reached, is slow, fails (5xx) or limits the rate (429).
        """
        if self.recorded is not None:
            shown = json_body if form is None else dict(form)
            if file is not None:
                shown = {**(shown or {}), file.field: f"({len(file.data)} bytes)"}
            self.recorded.append(Recorded(method, url, shown))
            return Response(200, _TAKEN)
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=True)
        body = None if json_body is None else json.dumps(json_body, ensure_ascii=False).encode()
        sent = dict(headers or {})
        if body is not None:
            sent.setdefault("Content-Type", "application/json; charset=utf-8")
        try:
            async with self._session.request(
                method,
                url,
                data=_multipart(form or {}, file) if file else body if form is None else dict(form),
                headers=sent,
                params=params,
                auth=aiohttp.BasicAuth(*auth) if auth else None,
                allow_redirects=False,
            ) as answer:
                raw = await answer.content.read(_ANSWER_BYTES)
                return _read(answer.status, raw, answer.headers.get("Retry-After"))
        except asyncio.TimeoutError as error:
            raise SendError(
                f"{_host(url)} did not answer in {self._timeout.total:g} s", unsure=True
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            # The address may hold a token, so only the host is named. Without a connection nothing was sent.
            unsure = not isinstance(error, (aiohttp.ClientConnectorError, aiohttp.InvalidURL))
            raise SendError(
                f"{_host(url)} cannot be reached: {type(error).__name__}", unsure=unsure
            ) from error

    async def picture(
        self,
        url: str,
        limit_bytes: int,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> tuple[bytes, Response]:
        """Download a picture; its bytes are empty where the platform answers with words (an error) instead.

        Redirections are followed, without the credentials where they lead to another server.

        Raises:
            SendError: as `call`. UndeliverableError: the platform refuses.
            MediaError: it is larger than `limit_bytes`, or no picture.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=True)
        try:
            async with self._session.get(
                url,
                headers=headers,
                params=params,
                auth=aiohttp.BasicAuth(*auth) if auth else None,
                max_redirects=3,
            ) as answer:
                kind = answer.content_type
                if answer.status != 200 or kind in _WORDS:
                    raw = await answer.content.read(_ANSWER_BYTES)
                    return b"", _read(answer.status, raw, answer.headers.get("Retry-After")).check()
                if not kind.startswith("image/") and kind not in _BYTES:
                    raise MediaError(
                        "只能接收照片（JPEG、PNG、WebP）。", "Only photos (JPEG, PNG, WebP) can be received."
                    )
                data = bytearray()
                if (answer.content_length or 0) <= limit_bytes:
                    async for chunk in answer.content.iter_chunked(1 << 16):
                        data += chunk
                        if len(data) > limit_bytes:
                            break
                    else:
                        return bytes(data), Response(200)
                raise MediaError.too_large(limit_bytes)
        except (aiohttp.ClientError, OSError) as error:
            raise SendError(f"{_host(url)} cannot be reached: {type(error).__name__}") from error
        except asyncio.TimeoutError as error:
            raise SendError(f"{_host(url)} did not answer in {self._timeout.total:g} s") from error


def _multipart(fields: Mapping[str, str], file: File) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    form.add_field(file.field, file.data, filename=file.name, content_type="image/png")
    return form


def _host(url: str) -> str:
    return url.split("/")[2] if url.count("/") >= 2 else url


def _read(status: int, raw: bytes, retry_after: str | None) -> Response:
    text = raw.decode("utf-8", "replace")
    try:
        data = json.loads(text)
    except ValueError:
        data = {}
    if not isinstance(data, dict):
        data = {}
    if status == 429:
        raise SendError("HTTP 429: rate limited", _pause_s(retry_after, data))
    if status >= 500:
        pause_s = _pause_s(retry_after, {}) if retry_after else None
        # These come from something in between, which does not know what became of the request.
        raise SendError(f"HTTP {status}: {text[:200]}", pause_s, unsure=status in {502, 504})
    return Response(status, data, text)


def _pause_s(retry_after: str | None, data: Mapping[str, Any]) -> float:
    """Return the pause in `Retry-After` (RFC 9110, section 10.2.3) or in Telegram's body; a second else."""
    inner = data.get("parameters")
    if isinstance(inner, dict) and isinstance(inner.get("retry_after"), (int, float)):
        return float(inner["retry_after"])
    if retry_after:
        try:
            return min(3600.0, max(0.0, float(retry_after)))
        except ValueError:
            pass
        try:
            return min(3600.0, max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time()))
        except (ValueError, TypeError):
            return 1.0
    return 1.0


@contextmanager
def before_the_message() -> Iterator[None]:
    """Calls that only prepare a message: when one fails, nothing was sent, whatever became of it."""
    try:
        yield
    except SendError as error:
        error.unsure = False
        raise


class TokenCache:
    """An access token, fetched by one caller at a time and renewed before it ends.

    Args:
        fetch: returns a token and the seconds it lives.
        early_s: how long before its end it is renewed.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[tuple[str, float]]],
        *,
        early_s: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._early_s = early_s
        self._clock = clock
        self._token = ""
        self._until = float("-inf")
        self._lock = asyncio.Lock()

    async def get(self) -> str:
        """Return a token that is valid as far as we know."""
        async with self._lock:
            if self._clock() >= self._until:
                with before_the_message():
                    self._token, lives_s = await self._fetch()
                self._until = self._clock() + max(1.0, lives_s - min(self._early_s, lives_s / 2))
            return self._token

    def drop(self, token: str) -> None:
        """Forget a token that the platform no longer takes, unless it was renewed meanwhile."""
        if token == self._token:
            self._until = float("-inf")


async def with_token(
    tokens: TokenCache, call: Callable[[str], Awaitable[Response]], is_expired: Callable[[Response], bool]
) -> Response:
    """Call with a token, once more with a fresh one when the platform says that it has ended."""
    token = await tokens.get()
    response = await call(token)
    if is_expired(response):
        tokens.drop(token)
        response = await call(await tokens.get())
        if is_expired(response):
            raise SendError(f"the access token is refused: {response.text[:300]}")
    return response
