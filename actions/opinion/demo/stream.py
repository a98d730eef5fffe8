"""A stream of posts with a daily rhythm and planted incidents: demo data, and what detection is measured on."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from actions.opinion.model import RawPost
from actions.opinion.sources.base import Batch, PullSource

FILE = Path(__file__).parent / "stream.yml"
_CHINESE = 0.65


@dataclass(frozen=True)
class Incident:
    """A planted incident: its name, when it begins, how many hours it lasts, posts an hour at its height."""

    id: str
    start: datetime
    hours: float
    per_h: float


def load() -> dict[str, Any]:
    """Return the templates."""
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(FILE.read_text(encoding="utf-8"))
    return found


def generate(
    start: datetime, days: int, incidents: Sequence[Incident], seed: int = 7, scale: float = 1.0
) -> list[tuple[RawPost, str]]:
    """Return posts in the order of time, each with the incident it belongs to ("" for everyday posts).

    Arrivals are a Poisson process: few at night, most at noon and in the evening. An incident rises within a
    quarter of an hour and fades over its length.

    Args:
        start: aware beginning.
        days: length.
        incidents: what to plant.
        seed: the same stream for the same seed.
        scale: of everyday posts; 1 is about fifteen an hour at midday.
    """
    data, rng = load(), random.Random(seed)
    found: list[tuple[RawPost, str]] = []
    for hour in range(24 * days):
        begin = start + timedelta(hours=hour)
        rhythm = _rhythm(begin)
        for topic in data["background"]:
            for _ in range(_poisson(topic["rate"] * rhythm * scale, rng)):
                at = begin + timedelta(seconds=rng.uniform(0, 3600))
                found.append((_post(data["words"], topic, at, rng, {}), ""))
    known = {item["id"]: item for item in data["incidents"]}
    for incident in incidents:
        item = known[incident.id]
        minutes = int(incident.hours * 60)
        for minute in range(minutes):
            strength = min(1.0, minute / 15) * (1 - 0.6 * minute / minutes)
            for _ in range(_poisson(incident.per_h / 60 * strength, rng)):
                at = incident.start + timedelta(minutes=minute, seconds=rng.uniform(0, 60))
                place = {"zh": item["place_zh"], "en": item["place_en"]}
                found.append((_post(data["words"], item, at, rng, place), incident.id))
    found.sort(key=lambda pair: pair[0].at)
    return found


def planted(start: datetime, days: int, seed: int = 11) -> list[Incident]:
    """Return the ten incidents, spread over the days after the first week at waking hours."""
    data, rng = load(), random.Random(seed)
    items = list(data["incidents"])
    rng.shuffle(items)
    step = (days - 8) / len(items)
    found = []
    for number, item in enumerate(items):
        day = 7 + number * step
        at = start + timedelta(
            days=int(day), hours=rng.choice((8, 10, 12, 15, 18, 20, 22)), minutes=rng.randrange(60)
        )
        found.append(Incident(item["id"], at, rng.choice((3, 4, 6)), float(item["per_h"])))
    return found


class DemoSource(PullSource):
    """Eight days of the demo city up to the present, with two incidents; read once."""

    name = "demo"

    def __init__(self, now: datetime, batch: int = 64) -> None:
        self._now, self._batch = now, batch

    def read(self, position: Mapping[str, Any]) -> Iterator[Batch]:
        """Yield the posts; nothing when they were read before."""
        if position.get("done"):
            return
        started = str(position.get("now") or self._now.isoformat())
        now = datetime.fromisoformat(started)
        start = (now - timedelta(days=8)).replace(minute=0, second=0, microsecond=0)
        incidents = [
            Incident("water", now - timedelta(hours=5), 5, 16),
            Incident("metro", now - timedelta(days=3, hours=4), 4, 18),
        ]
        posts = [post for post, _ in generate(start, 9, incidents, seed=3, scale=0.5) if post.at <= now]
        for begin in range(int(position.get("records", 0)), len(posts), self._batch):
            end = min(begin + self._batch, len(posts))
            yield Batch(posts[begin:end], {"now": started, "records": end, "done": end == len(posts)})


def _rhythm(at: datetime) -> float:
    """Return how busy an hour is, 0.06 at night to about 1.2 at noon and in the evening."""
    local = (at.astimezone(timezone.utc).hour + 8 + at.minute / 60) % 24
    day = math.exp(-((local - 12.5) ** 2) / 12) + 0.9 * math.exp(-((local - 20) ** 2) / 5)
    return 0.06 + 1.1 * day


def _poisson(mean: float, rng: random.Random) -> int:
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def _post(
    words: Mapping[str, Mapping[str, Sequence[str]]],
    topic: Mapping[str, Any],
    at: datetime,
    rng: random.Random,
    place: Mapping[str, str],
) -> RawPost:
    language = "zh" if rng.random() < _CHINESE else "en"
    text = "{lead}" + str(rng.choice(topic[language]))
    if place:
        text += "{tail}"
    if place:
        text = text.replace("{place}", place[language])
    for name, choices in words[language].items():
        while "{" + name + "}" in text:
            text = text.replace("{" + name + "}", rng.choice(choices), 1)
    text = text[:1].upper() + text[1:]
    return RawPost(
        source="demo",
        external_id=f"d{at.timestamp():.3f}-{rng.randrange(10**6)}",
        text=text,
        at=at,
        author=f"user{int(rng.paretovariate(0.6)) % 5000 if not place else rng.randrange(100_000)}",
        reach=float(int(rng.paretovariate(0.9)) % 20_000),
    )
