"""Makes the sources that city.yml names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy.engine import Engine

from actions.opinion.errors import SourceError
from actions.opinion.settings import OpinionSection, SourceSection
from actions.opinion.sources.base import PullSource, QueueSource
from actions.opinion.sources.feeds import FeedSource
from actions.opinion.sources.files import FileSource
from actions.opinion.sources.kafka import KafkaSource
from actions.opinion.sources.mastodon import MastodonSource
from actions.opinion.sources.rabbitmq import RabbitSource
from actions.opinion.sources.webhook import InboxSource

ASSISTANT = "assistant"  # complaints made to the assistant itself


def open_source(
    item: SourceSection, section: OpinionSection, engine: Engine, path: Callable[[Path], Path]
) -> PullSource | QueueSource:
    """Return the source of one entry; raises SourceError when the entry lacks what its kind needs."""
    if item.kind in ("rss", "mastodon") and not item.url:
        raise _missing(item, "url")
    if item.kind == "mastodon" and not item.tag:
        raise _missing(item, "tag")
    if item.kind in ("rabbitmq", "kafka") and not item.queue:
        raise _missing(item, "queue")
    if item.kind in ("rabbitmq", "kafka", "webhook") and not item.secret_env:
        raise _missing(item, "secret_env")
    if item.kind == "rss":
        return FeedSource(item.name, item.url, item.timeout_s, item.most_items, section.batch, item.district)
    if item.kind == "mastodon":
        return MastodonSource(item.name, item.url, item.tag, item.secret_env, item.timeout_s, item.district)
    if item.kind == "file":
        if item.path is None:
            raise _missing(item, "path")
        return FileSource(item.name, path(item.path), section.batch, item.district)
    if item.kind == "webhook":
        return InboxSource(item.name, engine, section.batch, item.district)
    if item.kind == "rabbitmq":
        return RabbitSource(item.name, item.queue, item.secret_env, section.batch, item.district)
    return KafkaSource(item.name, item.queue, item.group, item.secret_env, section.batch, item.district)


def _missing(item: SourceSection, key: str) -> SourceError:
    return SourceError(
        f"city.yml：opinion.sources 中的 {item.name}（{item.kind}）缺少 {key}",
        f"city.yml: the source {item.name} ({item.kind}) in opinion.sources lacks `{key}`",
    )
