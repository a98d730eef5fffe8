"""An opinion service without models, and a store filled with posts, two topics and two alarms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert

from actions.opinion.service import OpinionService
from actions.opinion.settings import OpinionSection
from actions.opinion.tables import alarms, hours, posts, topics
from city.db import writing
from city.settings import load_settings

NOW = datetime(2026, 3, 18, 4, 30, tzinfo=timezone.utc)
HOSTILE = "自来水发黄 <script>alert('post')</script> <img src=x onerror=alert(2)> \"'&"
WATER, BUSES = 1, 2


def open_opinion(folder: Path, clock: Callable[[], datetime] = lambda: NOW) -> OpinionService:
    """Return an empty service below `folder`; nothing is read in, so no model is needed."""
    settings = load_settings()
    (folder / "opinion-var").mkdir(exist_ok=True)

    def no_judge() -> Any:
        raise AssertionError("no post is judged here")

    return OpinionService(
        OpinionSection(),
        settings.path,
        ZoneInfo("Asia/Shanghai"),
        folder / "opinion-var",
        clock=clock,
        make_judge=no_judge,
    )


def fill_opinion(service: OpinionService, now: datetime = NOW) -> None:
    """Write thirty posts of two days, two topics and two alarms."""
    bare = now.replace(tzinfo=None, minute=0, second=0, microsecond=0)
    rows = [_post(number, bare) for number in range(1, 31)]
    counted: dict[tuple[str, datetime], list[int]] = {}
    for row in rows:
        hour = row["at"].replace(minute=0)
        for scope in ("city", f"topic:{row['topic_id']}", f"district:{row['district']}"):
            count = counted.setdefault((scope, hour), [0, 0])
            count[0] += 1
            count[1] += row["sentiment"] == "negative"
    with writing(service.engine) as session:
        session.execute(insert(posts), rows)
        session.execute(insert(topics), [_topic(WATER, "自来水发黄", "brown tap water", "water", bare)])
        session.execute(
            insert(topics), [_topic(BUSES, "<b>公交</b>晚点", "<b>buses</b> late", "transit", bare)]
        )
        session.execute(
            insert(hours),
            [
                {"scope": scope, "hour": hour, "posts": n, "negative": bad, "concern": bad, "severe": 0}
                for (scope, hour), (n, bad) in counted.items()
            ],
        )
        session.execute(insert(alarms), [_alarm(WATER, "open", bare), _alarm(BUSES, "closed", bare)])


def _post(number: int, now: datetime) -> dict[str, Any]:
    water = number % 3 != 0
    return {
        "key": f"post-{number}",
        "source": "news",
        "external_id": str(number),
        "at": now - timedelta(hours=number % 26, minutes=-number),
        "received_at": now,
        "text": HOSTILE if number == 1 else f"第{number}条：水管" if water else f"Bus {number} is late again",
        "language": "zh" if water else "en",
        "author": f"a{number}",
        "url": "javascript:alert(3)" if number == 1 else f"https://news.example/{number}",
        "reach": 10.0,
        "sentiment": "negative" if water else "neutral",
        "p_negative": 0.9 if water else 0.2,
        "p_positive": 0.05,
        "unsure": number % 5 == 0,
        "emotion": "angry" if water else "neutral",
        "needs_action": 0.8,
        "severity": 3 if number == 1 else 1,
        "score": 2.0,
        "factors": [{"name": "safety", "value": 1.0, "points": 1.5, "words": ["<i>漏气</i>"]}],
        "topic_id": WATER if water else BUSES,
        "category": "water" if water else "transit",
        "district": "district:binhe" if water else "district:gaoxin",
        "place": "",
        "copies": 1,
        "fingerprint": f"f{number}",
        "notes": [],
        "model": "words-1",
    }


def _topic(number: int, zh: str, en: str, category: str, now: datetime) -> dict[str, Any]:
    return {
        "id": number,
        "first_at": now - timedelta(days=3),
        "last_at": now,
        "size": 20,
        "centre": b"",
        "terms": {},
        "categories": {},
        "places": {},
        "districts": {},
        "category": category,
        "place": "",
        "district": "district:binhe",
        "label_zh": zh,
        "label_en": en,
        "muted_until": None,
        "state": "open",
        "merged_into": None,
    }


def _alarm(topic: int, state: str, now: datetime) -> dict[str, Any]:
    return {
        "rule": "severe",
        "scope": f"topic:{topic}",
        "topic_id": topic,
        "level": 3,
        "state": state,
        "opened_at": now - timedelta(hours=1),
        "updated_at": now,
        "escalations": 1,
        "peak": 4.0,
        "reasons": {"posts": 5, "authors": 4, "urgent": 1},
        "evidence": [1, 2, 4] if topic == WATER else [],
        "category": "water",
        "label_zh": "自来水发黄" if topic == WATER else "公交晚点",
        "label_en": "brown tap water" if topic == WATER else "late buses",
        "owner_zh": "水务局",
        "owner_en": "Water bureau",
        "model": "words-1",
        "acted_by": "",
        "note": "",
        "chart": "",
    }
