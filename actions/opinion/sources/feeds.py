"""RSS and Atom feeds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import feedparser

from actions.opinion.errors import SourceError
from actions.opinion.model import RawPost
from actions.opinion.sources.base import Batch, PullSource
from actions.opinion.sources.http import fetch

# Entity definitions are what XML bombs are made of; no feed needs them.
_ENTITIES = re.compile(rb"<!ENTITY", re.IGNORECASE)


class FeedSource(PullSource):
    """One feed; asked with the ETag and date of the last answer. A feed that repeats everything costs only reading."""

    def __init__(
        self, name: str, url: str, timeout_s: float = 10, most: int = 500, batch: int = 64, district: str = ""
    ) -> None:
        self.name, self._url, self._timeout_s, self._most = name, url, timeout_s, most
        self._batch, self._district = batch, district

    def read(self, position: Mapping[str, Any]) -> Iterator[Batch]:
        """Yield the feed's entries, oldest first, at most `most`."""
        asked = {}
        if position.get("etag"):
            asked["If-None-Match"] = str(position["etag"])
        if position.get("modified"):
            asked["If-Modified-Since"] = str(position["modified"])
        answer = fetch(self._url, self._timeout_s, asked)
        if answer.status == 304:
            return
        posts = parse_feed(answer.body, self.name, self._url, self._district)[: self._most]
        state = {"etag": answer.headers.get("etag", ""), "modified": answer.headers.get("last-modified", "")}
        last = state if not answer.cut else {}
        for start in range(0, len(posts), self._batch):
            done = start + self._batch >= len(posts)
            yield Batch(posts[start : start + self._batch], last if done else dict(position))


def parse_feed(body: bytes, name: str, url: str = "", district: str = "") -> list[RawPost]:
    """Return the entries of a feed, oldest first; of a broken one those that can be read.

    Raises:
        SourceError: there is no entry in it, or it defines entities.
    """
    if _ENTITIES.search(body[:65_536]):
        raise SourceError(f"{url}：拒绝含实体定义的 XML", f"{url}: XML with entity definitions is refused")
    parsed = feedparser.parse(body, sanitize_html=False)
    if not parsed.entries and parsed.bozo:
        raise SourceError(
            f"{url}：不是可读的 RSS/Atom（{parsed.get('bozo_exception')}）",
            f"{url}: is no readable RSS or Atom feed ({parsed.get('bozo_exception')}); check the address",
        )
    posts = []
    for entry in reversed(parsed.entries):
        content = entry.get("content") or [{}]
        body_text = str(entry.get("summary") or content[0].get("value") or "")
        title = str(entry.get("title") or "")
        text = body_text if title and title in body_text else f"{title} {body_text}".strip()
        link = str(entry.get("link") or "")
        identity = str(entry.get("id") or link or "sha-" + hashlib.sha256(text.encode()).hexdigest()[:32])
        posts.append(
            RawPost(
                source=name,
                external_id=identity,
                text=text,
                at=entry.get("published") or entry.get("updated"),
                author=str(entry.get("author") or ""),
                url=link,
                district=district,
            )
        )
    return posts
