"""What the opinion pages show: names in the page's language, trends by hour or day, and posts fit for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from actions.opinion.alarms import RULES
from actions.opinion.model import LEVELS, AlarmView, Overview, PostView, Tally, TopicView
from actions.opinion.notices import reason_text
from actions.opinion.report import EMOTION_NAMES, category_name, change, place_name, share
from actions.opinion.service import OpinionService
from actions.opinion.severity import FACTOR_NAMES

PERIODS = (1, 7, 30)
HOURS = (1, 8, 24, 72, 168)
# Beyond so many hours a trend is shown by days, so that chart and table stay readable.
_MOST_HOURS = 72
_EVIDENCE, _TOPIC_POSTS = 30, 40

Point = tuple[str, int, int]


@dataclass(frozen=True)
class Group:
    """A district or category with its counts."""

    id: str
    name: str
    tally: Tally
    negative: str


@dataclass(frozen=True)
class AlarmRow:
    """An alarm in the page's language."""

    view: AlarmView
    label: str
    rule: str
    reason: str
    level: str
    owner: str


@dataclass(frozen=True)
class PostRow:
    """A post in the page's language; `link` is empty unless it leads to a web page."""

    view: PostView
    level: str
    emotion: str
    place: str
    link: str
    why: Sequence[str]


@dataclass(frozen=True)
class OverviewPage:
    """Everything on the overview's page; `trend` holds (label, posts, negative)."""

    overview: Overview
    changed: str
    negative: str
    trend: Sequence[Point]
    districts: Sequence[Group]
    categories: Sequence[Group]
    alarms: Sequence[AlarmRow]
    emotions: Sequence[tuple[str, int]]
    refused: int

    @property
    def empty(self) -> bool:
        """Whether there is nothing at all to show."""
        seen = self.overview
        return not (seen.now.posts or seen.before.posts or self.alarms or self.districts)


@dataclass(frozen=True)
class AlarmPage:
    """One alarm with its evidence, what people did with it, and the posts around the time it was opened."""

    row: AlarmRow
    topic: TopicView | None
    posts: Sequence[PostRow]
    deeds: Sequence[Mapping[str, Any]]
    trend: Sequence[Point]


@dataclass(frozen=True)
class TopicPage:
    """One topic with its posts and its last week."""

    topic: TopicView
    posts: Sequence[PostRow]
    deeds: Sequence[Mapping[str, Any]]
    trend: Sequence[Point]
    category: str
    place: str
    muted: bool


def overview_page(
    service: OpinionService, days: int, district: str, closed: bool, language: str
) -> OverviewPage:
    """Return the last `days` days, of one district where it is named; `closed` also lists alarms that are over."""
    start, end = service.period(days)
    found = service.queries.overview(start, end, district)
    alarms = found.alarms
    if closed:
        alarms = tuple(service.queries.alarms(since=start - timedelta(days=7)))
    series = service.queries.trend(f"district:{district}" if district else "city", start, end)
    intake = service.queries.intake()
    return OverviewPage(
        overview=found,
        changed=change(found.now.posts, found.before.posts, language),
        negative=share(found.now.negative, found.now.posts),
        trend=points(series, service.zone),
        districts=[_group(id_, place_name(service, id_, language), tally) for id_, tally in found.districts],
        categories=[
            _group(id_, category_name(service, id_, language), tally) for id_, tally in found.categories
        ],
        alarms=[alarm_row(alarm, language) for alarm in alarms],
        emotions=sorted(
            ((EMOTION_NAMES.get(name, (name, name))[_at(language)], n) for name, n in found.emotions.items()),
            key=lambda item: -item[1],
        ),
        refused=sum(item["count"] for item in intake["rejects"]),
    )


def alarm_page(service: OpinionService, number: int, language: str) -> AlarmPage:
    """Return one alarm; raises `UnknownAlarmError`."""
    alarm = service.queries.alarm(number)
    scope = f"topic:{alarm.topic_id}" if alarm.topic_id else alarm.scope
    series = service.queries.trend(
        scope, alarm.opened_at - timedelta(days=2), alarm.opened_at + timedelta(hours=1)
    )
    posts = service.queries.posts(ids=alarm.evidence, most=_EVIDENCE) if alarm.evidence else []
    return AlarmPage(
        row=alarm_row(alarm, language),
        topic=service.queries.topic(alarm.topic_id) if alarm.topic_id else None,
        posts=[post_row(service, post, language) for post in posts],
        deeds=service.queries.deeds(alarm_id=number),
        trend=points(series, service.zone),
    )


def topic_page(service: OpinionService, number: int, language: str) -> TopicPage:
    """Return one topic, or the one it was merged into; raises `UnknownAlarmError`."""
    topic = service.queries.topic(number)
    start, end = service.period(7)
    return TopicPage(
        topic=topic,
        posts=[
            post_row(service, post, language)
            for post in service.queries.posts(topic_id=topic.id, most=_TOPIC_POSTS)
        ],
        deeds=service.queries.deeds(topic_id=topic.id),
        trend=points(service.queries.trend(f"topic:{topic.id}", start, end), service.zone),
        category=category_name(service, topic.category, language),
        place=place_name(service, topic.place or topic.district, language),
        muted=is_muted(topic, service.now()),
    )


def is_muted(topic: TopicView, now: datetime) -> bool:
    """Return whether a topic raises no alarm now."""
    return topic.muted_until is not None and topic.muted_until > now


def alarm_row(alarm: AlarmView, language: str) -> AlarmRow:
    """Return an alarm with its names in `language`."""
    at = _at(language)
    return AlarmRow(
        view=alarm,
        label=alarm.label[language],
        rule=RULES[alarm.rule][at],
        reason=reason_text(alarm.rule, alarm.reasons, language),
        level=LEVELS[alarm.level][at],
        owner=alarm.owner[language],
    )


def post_row(service: OpinionService, post: PostView, language: str) -> PostRow:
    """Return a post with its names in `language`; what a stranger wrote as its address is a link only to the web."""
    at = _at(language)
    why = []
    for factor in post.factors:
        name = FACTOR_NAMES.get(factor["name"], (factor["name"], factor["name"]))[at]
        words = ", ".join(str(word) for word in factor["words"])
        why.append(f"{name} +{factor['points']:.1f}" + (f" ({words})" if words else ""))
    return PostRow(
        view=post,
        level=LEVELS[post.severity][at],
        emotion=EMOTION_NAMES.get(post.emotion, (post.emotion, post.emotion))[at],
        place=place_name(service, post.place or post.district, language),
        link=post.url if post.url.startswith(("https://", "http://")) else "",
        why=why,
    )


def points(series: Sequence[tuple[datetime, int, int]], zone: ZoneInfo) -> list[Point]:
    """Return a trend as (label, posts, negative), by hours or, when it is long, by days of the city."""
    if len(series) <= _MOST_HOURS:
        return [(f"{at.astimezone(zone):%m-%d %H:%M}", posts, negative) for at, posts, negative in series]
    days: dict[str, tuple[int, int]] = {}
    for at, posts, negative in series:
        day = f"{at.astimezone(zone):%m-%d}"
        before = days.get(day, (0, 0))
        days[day] = (before[0] + posts, before[1] + negative)
    return [(day, *counts) for day, counts in days.items()]


def districts_of(service: OpinionService, language: str) -> list[tuple[str, str]]:
    """Return the districts to choose from, by id and name."""
    entries = service.gazetteer.entries if service.gazetteer is not None else ()
    found = {
        entry.id: place_name(service, entry.id, language) for entry in entries if entry.entity == "district"
    }
    return sorted(found.items(), key=lambda item: item[1])


def _group(id_: str, name: str, tally: Tally) -> Group:
    return Group(id_, name, tally, share(tally.negative, tally.posts))


def _at(language: str) -> int:
    return 0 if language == "zh" else 1
