"""Sends queued notifications through apprise: retried when a target refuses, never sent twice.

A notification is claimed in the database before it is sent. When the process dies between sending and noting it, the
claim stays: it is then shown as `unknown` and left to people, since sending again might send twice.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.engine import Engine

from actions.opinion.errors import TargetError
from actions.opinion.settings import TargetSection
from actions.opinion.store import bare
from actions.opinion.tables import notifications
from city.db import reading, writing

log = logging.getLogger(__name__)
Send = Callable[[str, str, str], bool]
_RETRY_S = (30, 120, 600, 1800, 3600, 7200, 14_400, 28_800)
_CLAIM = timedelta(minutes=10)


class Notifier:
    """Delivers what is queued.

    Args:
        engine: the module's database.
        targets: of city.yml; their URLs are read from the environment when they are needed.
        send: sends (url, title, body) and says whether the target took it; apprise by default.
    """

    def __init__(self, engine: Engine, targets: list[TargetSection], send: Send | None = None) -> None:
        self._engine, self._send = engine, send or send_by_apprise
        self._targets = {target.name: target for target in targets}

    def check(self) -> None:
        """Raise TargetError naming the first target whose address is missing from the environment or unusable."""
        for target in self._targets.values():
            url_of(target)

    def deliver(self, now: datetime | None = None, most: int = 100) -> dict[str, int]:
        """Send what is due, oldest first, and return counts of `sent`, `retry`, `dead` and `unknown`."""
        now = now or datetime.now(timezone.utc)
        counts = {"sent": 0, "retry": 0, "dead": 0, "unknown": self._abandon(now)}
        with reading(self._engine) as session:
            due = [
                dict(row)
                for row in session.execute(
                    select(notifications)
                    .where(notifications.c.state == "waiting", notifications.c.next_at <= bare(now))
                    .order_by(notifications.c.id)
                    .limit(most)
                ).mappings()
            ]
        for row in due:
            if self._claim(row, now):
                counts[self._one(row, now)] += 1
        return counts

    def _claim(self, row: Mapping[str, Any], now: datetime) -> bool:
        with writing(self._engine) as session:
            claimed = session.execute(
                update(notifications)
                .where(notifications.c.id == row["id"], notifications.c.state == "waiting")
                .values(state="sending", next_at=bare(now + _CLAIM))
            )
            return bool(claimed.rowcount)

    def _one(self, row: Mapping[str, Any], now: datetime) -> str:
        try:
            target = self._targets.get(str(row["target"]))
            if target is None:
                raise TargetError(
                    f"city.yml 已无通知对象 {row['target']}",
                    f"city.yml names no target {row['target']} any more",
                )
            taken = self._send(url_of(target), str(row["title"]), str(row["body"]))
            error = "" if taken else "the target did not take it"
        except TargetError as problem:
            taken, error = False, str(problem)
        except Exception as problem:  # a plug-in's own exception must not stop the others
            log.warning("notification %s failed: %s", row["id"], type(problem).__name__)
            taken, error = False, type(problem).__name__
        attempts = int(row["attempts"]) + 1
        if taken:
            outcome, values = "sent", {"state": "sent", "sent_at": bare(now), "error": ""}
        elif attempts > len(_RETRY_S):
            outcome, values = "dead", {"state": "dead", "error": error}
        else:
            outcome = "retry"
            wait = timedelta(seconds=_RETRY_S[attempts - 1])
            values = {"state": "waiting", "next_at": bare(now + wait), "error": error}
        with writing(self._engine) as session:
            session.execute(
                update(notifications)
                .where(notifications.c.id == row["id"])
                .values(attempts=attempts, **values)
            )
        return outcome

    def _abandon(self, now: datetime) -> int:
        """Mark what a dead process had claimed as unknown."""
        with writing(self._engine) as session:
            found = session.execute(
                update(notifications)
                .where(notifications.c.state == "sending", notifications.c.next_at <= bare(now))
                .values(state="unknown", error="the process ended while it was being sent; ask the receiver")
            )
            return int(found.rowcount)


def url_of(target: TargetSection) -> str:
    """Return a target's apprise URL from the environment; raises TargetError, which never shows the URL."""
    url = os.environ.get(target.url_env, "")
    if not url:
        raise TargetError(
            f"通知对象 {target.name}：环境变量 {target.url_env} 未设置，请写入 apprise 地址",
            f"target {target.name}: the environment variable {target.url_env} is not set; put its apprise URL there",
        )
    import apprise

    if not apprise.Apprise().add(url):
        raise TargetError(
            f"通知对象 {target.name}：{target.url_env} 不是 apprise 能识别的地址",
            f"target {target.name}: {target.url_env} holds no URL that apprise knows",
        )
    return url


def send_by_apprise(url: str, title: str, body: str) -> bool:
    """Send one message; whether the target took it."""
    import apprise

    sender = apprise.Apprise()
    sender.add(url)
    return bool(sender.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))
