"""The two kinds of sources, and how an item of any of them becomes a raw post."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actions.opinion.model import RawPost

_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "external_id", "guid", "uuid", "message_id", "编号"),
    "text": ("text", "content", "body", "message", "post", "review", "正文", "内容", "诉求内容"),
    "at": ("at", "created_at", "time", "date", "timestamp", "published", "发布时间", "时间", "日期"),
    "author": ("author", "user", "username", "account", "作者", "用户"),
    "url": ("url", "link", "链接"),
    "reach": ("reach", "followers", "views", "影响", "阅读量", "粉丝数"),
    "district": ("district", "区", "区县", "辖区"),
}


@dataclass(frozen=True)
class Batch:
    """Posts, and how far the source is read once they are kept."""

    posts: Sequence[RawPost]
    position: Mapping[str, Any]


class PullSource(ABC):
    """A source that is asked now and then; its position is kept under `cursor_name`, by default its name."""

    name: str
    cursor_name: str = ""

    @abstractmethod
    def read(self, position: Mapping[str, Any]) -> Iterator[Batch]:
        """Yield what is new since `position`, in batches; raises SourceError when it cannot be read."""


class QueueSource(ABC):
    """A broker's queue: delivered at least once, acknowledged after the posts are kept."""

    name: str

    @abstractmethod
    async def run(self, keep: Callable[[Sequence[RawPost]], None], stop: Callable[[], bool]) -> None:
        """Hand batches to `keep` (in a thread), acknowledge each when it returns, until `stop` says so."""


def to_raw(item: Any, source: str, district: str = "") -> RawPost:
    """Return an item with any of the known field names as a raw post; without an id its content stands for one."""
    if not isinstance(item, Mapping):
        item = {"text": item if isinstance(item, str) else ""}
    values = {str(key).strip().lower(): value for key, value in item.items() if key is not None}
    found = {
        field: next((values[name] for name in names if values.get(name) not in (None, "")), None)
        for field, names in _NAMES.items()
    }
    if isinstance(found["author"], Mapping):
        inner = found["author"]
        found["author"] = inner.get("id") or inner.get("acct") or inner.get("name")
    identity = found["id"]
    if identity is None:
        content = json.dumps(item, ensure_ascii=True, sort_keys=True, default=str)
        identity = "sha-" + hashlib.sha256(content.encode()).hexdigest()[:32]
    return RawPost(
        source=source,
        external_id=str(identity),
        text=str(found["text"] or ""),
        at=found["at"],
        author=str(found["author"] or ""),
        url=str(found["url"] or ""),
        reach=number_of(found["reach"]),
        district=str(found["district"] or district),
    )


def number_of(value: Any) -> float | None:
    """Return a count as a number, `None` when it is none."""
    try:
        return None if value is None else float(str(value).replace(",", ""))
    except ValueError:
        return None
