"""Public posts with a tag on a Mastodon server (API v1)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from actions.opinion.errors import SourceError
from actions.opinion.model import RawPost
from actions.opinion.sources.base import Batch, PullSource, number_of
from actions.opinion.sources.http import fetch

_PAGE = 40
_PAGES = 25


class MastodonSource(PullSource):
    """The tag timeline, read forward with `min_id` so that no post between two reads is missed."""

    def __init__(
        self, name: str, url: str, tag: str, token_env: str = "", timeout_s: float = 10, district: str = ""
    ) -> None:
        self.name, self._url, self._tag = name, url.rstrip("/"), tag.lstrip("#")
        self._token_env, self._timeout_s, self._district = token_env, timeout_s, district

    def read(self, position: Mapping[str, Any]) -> Iterator[Batch]:
        """Yield pages of posts, oldest first."""
        last = str(position.get("last_id") or "")
        headers = {}
        if self._token_env and os.environ.get(self._token_env):
            headers["Authorization"] = f"Bearer {os.environ[self._token_env]}"
        for _ in range(_PAGES):
            query = {"limit": str(_PAGE), **({"min_id": last} if last else {})}
            url = f"{self._url}/api/v1/timelines/tag/{quote(self._tag)}?{urlencode(query)}"
            page = self._page(fetch(url, self._timeout_s, headers).body)
            if not page:
                return
            page.sort(key=lambda status: _number(status["id"]))
            newest = str(page[-1]["id"])
            if last and _number(newest) <= _number(last):
                return
            last = newest
            yield Batch([self._raw(status) for status in page], {"last_id": last})
            if len(page) < _PAGE:
                return

    def _page(self, body: bytes) -> list[dict[str, Any]]:
        try:
            found = json.loads(body)
            if not isinstance(found, list):
                raise ValueError("no list")
            return [status for status in found if isinstance(status, dict) and status.get("id")]
        except ValueError as error:
            raise SourceError(
                f"{self._url}：返回的不是 Mastodon 时间线（{error}）",
                f"{self._url}: the answer is no Mastodon timeline ({error}); check url and tag",
            ) from None

    def _raw(self, status: Mapping[str, Any]) -> RawPost:
        given = status.get("account")
        account: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
        reach = (number_of(account.get("followers_count")) or 0) + (
            number_of(status.get("reblogs_count")) or 0
        )
        return RawPost(
            source=self.name,
            external_id=str(status["id"]),
            text=str(status.get("content") or ""),
            at=status.get("created_at"),
            author=str(account.get("acct") or account.get("id") or ""),
            url=str(status.get("url") or ""),
            reach=reach,
            district=self._district,
        )


def _number(identity: Any) -> tuple[int, str]:
    """Order ids, which are numbers of growing length."""
    return len(str(identity)), str(identity)
