"""Talks to a remote GeoReport v2 server: files a request, reads how it stands, finds what an earlier attempt filed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import aiohttp

from actions.requests.errors import Open311Error
from actions.requests.open311.georeport import MAX_ANSWER_BYTES, GarbageError, Item, parse_list
from actions.requests.settings import Open311ClientSection

PAGES = 50


@dataclass(frozen=True)
class Receipt:
    """What a remote server gave for a filed request: its id, or a token to ask for the id with."""

    request_id: str = ""
    token: str = ""


class UnsureError(Open311Error):
    """The answer was lost on the way: the remote server may or may not have filed it."""


class Open311Client:
    """One remote server.

    Args:
        section: its address and limits.
        api_key: the key it gave us, from the environment.
        session: the HTTP session, the caller's to close.
    """

    def __init__(self, section: Open311ClientSection, api_key: str, session: aiohttp.ClientSession) -> None:
        self._section, self._key, self._session = section, api_key, session
        self._timeout = aiohttp.ClientTimeout(total=section.timeout_s)

    async def file(self, fields: Mapping[str, str], once: str = "") -> Receipt:
        """File a request.

        Args:
            fields: the specification's arguments.
            once: names this report for good, for servers that know the header Idempotency-Key.

        Raises:
            UnsureError: it may have been filed; look before trying again.
            Open311Error: it was not filed; `passing` says whether trying again can help.
        """
        data = {**self._common(), **fields}
        if self._key:
            data["api_key"] = self._key
        headers = {"Idempotency-Key": once} if once else {}
        items = await self._call("POST", "/requests.json", "service_requests", data=data, headers=headers)
        for item in items:
            if item.get("service_request_id"):
                return Receipt(request_id=str(item["service_request_id"]))
            if item.get("token"):
                return Receipt(token=str(item["token"]))
        raise _unsure("the answer holds neither service_request_id nor token")

    async def resolve(self, token: str) -> str | None:
        """Return the id that a token stands for, `None` while the server has none yet."""
        items = await self._call("GET", f"/tokens/{_safe(token)}.json", "service_requests")
        return next((str(i["service_request_id"]) for i in items if i.get("service_request_id")), None)

    async def status(self, request_id: str) -> Item | None:
        """Return how a request stands, `None` when the server does not know it."""
        try:
            items = await self._call("GET", f"/requests/{_safe(request_id)}.json", "service_requests")
        except Open311Error as error:
            if error.details.get("status") == 404:
                return None
            raise
        return items[0] if items else None

    async def filed_since(self, since: datetime) -> list[Item]:
        """Return everything filed at the server since `since` (UTC), page by page."""
        found: dict[str, Item] = {}
        for page in range(1, PAGES + 1):
            query = {
                "start_date": since.isoformat(timespec="seconds") + "Z",
                "page": str(page),
                "page_size": "500",
            }
            items = await self._call("GET", "/requests.json", "service_requests", params=query)
            fresh = [i for i in items if str(i.get("service_request_id")) not in found]
            found.update((str(i.get("service_request_id")), i) for i in fresh)
            # A server that knows no pages gives the same list again.
            if not fresh or len(items) < 500:
                break
        return list(found.values())

    def _common(self) -> dict[str, str]:
        return {"jurisdiction_id": self._section.jurisdiction_id} if self._section.jurisdiction_id else {}

    async def _call(self, method: str, path: str, root: str, **how: Any) -> list[Item]:
        if method == "GET":
            how["params"] = {
                **self._common(),
                **how.get("params", {}),
                **({"api_key": self._key} if self._key else {}),
            }
        writing = method == "POST"
        try:
            async with self._session.request(
                method, self._section.url + path, timeout=self._timeout, allow_redirects=False, **how
            ) as response:
                body = await response.content.read(MAX_ANSWER_BYTES + 1)
                while len(body) <= MAX_ANSWER_BYTES and not response.content.at_eof():
                    body += await response.content.read(MAX_ANSWER_BYTES)
                return self._read(response.status, body, response.content_type, root, writing)
        except aiohttp.ClientConnectorError as error:
            # No connection was made, so nothing was said.
            raise _refusal(0, str(error), passing=True) from error
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            if writing:
                raise _unsure(reason) from error
            raise _refusal(0, reason, passing=True) from error

    @staticmethod
    def _read(status: int, body: bytes, content_type: str, root: str, writing: bool) -> list[Item]:
        if 200 <= status < 300:
            try:
                return parse_list(body, content_type, root)
            except GarbageError as error:
                if writing:
                    raise _unsure(str(error)) from error
                raise _refusal(status, str(error), passing=True) from error
        said = body[:300].decode("utf-8", "replace")
        if writing and status >= 500 and status != 503:
            raise _unsure(f"HTTP {status}: {said}")
        raise _refusal(status, said, passing=status in (408, 425, 429) or status >= 500)


def _safe(part: str) -> str:
    return quote(part, safe="")


def _unsure(reason: str) -> UnsureError:
    return UnsureError(
        f"远端 Open311 服务未确认是否受理（{reason[:200]}）。",
        f"the remote Open311 server did not say whether it filed the request ({reason[:200]})",
        passing=True,
    )


def _refusal(status: int, reason: str, passing: bool) -> Open311Error:
    return Open311Error(
        f"远端 Open311 服务未受理（HTTP {status}：{reason[:200]}）。",
        f"the remote Open311 server did not take the request (HTTP {status}: {reason[:200]})",
        passing=passing,
        status=status,
    )
