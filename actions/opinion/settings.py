"""The `opinion:` section of city.yml."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Extra, Field, validator

FACTORS = ("feeling", "action", "safety", "urgency", "vulnerable", "reach", "growth", "repetition")


class _Section(BaseModel):
    class Config:
        extra = Extra.forbid
        allow_mutation = False


class SourceSection(_Section):
    """One place that posts come from.

    `kind`: "rss" (RSS and Atom), "mastodon" (a public tag timeline), "file" (CSV or JSONL, a file or a folder),
    "webhook", "rabbitmq" and "kafka" (`queue` is the queue or topic). A secret stands in the environment variable
    that `secret_env` names: an access token, a webhook key, or a broker's whole URL.
    """

    name: str = Field(regex=r"^[a-z0-9][a-z0-9-]{0,39}$")
    kind: Literal["rss", "mastodon", "file", "webhook", "rabbitmq", "kafka"]
    url: str = ""
    path: Path | None = None
    queue: str = ""
    group: str = "chengda-opinion"
    tag: str = ""
    secret_env: str = ""
    every_s: float = Field(300, ge=5, le=86400)
    most_items: int = Field(500, ge=1, le=100_000)
    timeout_s: float = Field(10, gt=0, le=120)
    district: str = ""

    @validator("url")
    def _http(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError(
                f"{value!r} is no HTTP address; a broker's URL belongs in the environment (secret_env)"
            )
        return value


class TargetSection(_Section):
    """Who is told. `url_env` names the environment variable with an apprise URL (mailto://, wecombot://, dingtalk://…)."""

    name: str = Field(regex=r"^[a-z0-9][a-z0-9-]{0,39}$")
    url_env: str
    departments: list[str] = []
    min_level: int = Field(2, ge=0, le=4)
    language: Literal["zh", "en"] = "zh"
    escalation: bool = False
    digests: list[Literal["daily", "weekly"]] = []


class SeveritySection(_Section):
    """How much each factor (0 to 1) adds to the score, and from which score a post is of level 1, 2, 3, 4."""

    weights: dict[str, float] = {
        "feeling": 0.30, "action": 0.16, "safety": 0.62, "urgency": 0.14,
        "vulnerable": 0.12, "reach": 0.14, "growth": 0.14, "repetition": 0.08,
    }  # fmt: skip
    cuts: list[float] = [0.16, 0.36, 0.62, 0.98]

    @validator("weights")
    def _known(cls, value: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(value) - set(FACTORS))
        if unknown:
            raise ValueError(f"has unknown factors {', '.join(unknown)}; known: {', '.join(FACTORS)}")
        if any(weight < 0 for weight in value.values()):
            raise ValueError("has a weight below zero; give 0 to switch a factor off")
        return {**dict.fromkeys(FACTORS, 0.0), **value}

    @validator("cuts")
    def _rising(cls, value: list[float]) -> list[float]:
        if len(value) != 4 or any(b <= a for a, b in itertools.pairwise(value)):
            raise ValueError("needs four rising scores, for the levels 1 to 4")
        return value


class AlarmSection(_Section):
    """Limits of the alarm rules (see docs/opinion.md)."""

    min_posts: int = Field(5, ge=2, le=1000)
    min_authors: int = Field(4, ge=1, le=1000)
    z: float = Field(5.0, ge=2, le=50)
    season_days: int = Field(21, ge=3, le=90)
    share_posts: int = Field(15, ge=5, le=1000)
    share_margin: float = Field(0.15, ge=0, le=0.9)
    severe_authors: int = Field(3, ge=1, le=100)
    cool_down_h: float = Field(12, ge=0, le=336)
    escalate_after_min: float = Field(30, ge=1, le=10080)
    fresh_h: float = Field(24, ge=1, le=720)


class TopicSection(_Section):
    """When two posts are of one topic: least cosine of a post to the topic's centre; topics sleep after `days`."""

    cosine: float = Field(0.60, ge=0.2, le=0.99)
    days: int = Field(30, ge=1, le=365)
    most: int = Field(3000, ge=10, le=50_000)
    shown_from: int = Field(3, ge=1, le=100)


class OpinionSection(_Section):
    """Sources, limits and targets of the opinion module; relative paths start from city.yml's folder.

    `adapter` is a folder of sentiment adapters instead of the shipped ones. With `watch`, `chengda run` also watches
    the sources, in a process of its own, when there are sources or targets. Webhooks are received at `webhook_host`
    and `webhook_port`. `threads` read posts at the same time; 0 takes all cores, four at most.
    """

    sources: list[SourceSection] = []
    targets: list[TargetSection] = []
    demo: bool = False
    watch: bool = True
    webhook_host: str = "127.0.0.1"
    webhook_port: int = Field(8083, ge=0, le=65535)
    gazetteer: Path = Path("bot/data/gazetteer/city.csv")
    adapter: Path | None = None
    database_url: str = ""
    keep_days: int = Field(180, ge=1, le=3650)
    batch: int = Field(128, ge=1, le=1024)
    threads: int = Field(0, ge=0, le=64)
    max_chars: int = Field(4000, ge=100, le=100_000)
    repost_window_h: float = Field(72, ge=1, le=720)
    complaints: bool = True
    severity: SeveritySection = SeveritySection()
    alarms: AlarmSection = AlarmSection.parse_obj({})
    topics: TopicSection = TopicSection.parse_obj({})

    @validator("sources", "targets")
    def _unique(cls, value: list[SourceSection]) -> list[SourceSection]:
        names = [item.name for item in value]
        double = sorted({name for name in names if names.count(name) > 1})
        if double:
            raise ValueError(f"has the name {double[0]!r} twice; give each its own")
        return value
