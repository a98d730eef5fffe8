"""The daily and weekly digest, as text, Markdown or plain data; queued once a day and week for who wants it."""

# Texts for people run longer than code.
# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from actions.opinion.alarm_book import queue
from actions.opinion.alarms import RULES
from actions.opinion.model import LEVELS, AlarmView, Overview, Tally, TopicView
from actions.opinion.notices import reason_text, times
from city.db import writing

if TYPE_CHECKING:
    from actions.opinion.service import OpinionService

_DIGEST_HOUR = 8
EMOTION_NAMES = {
    "angry": ("愤怒", "anger"), "fear": ("担忧", "fear"), "happy": ("高兴", "joy"),
    "neutral": ("平静", "calm"), "sad": ("难过", "sadness"), "surprise": ("惊讶", "surprise"),
}  # fmt: skip


def share(part: int, whole: int) -> str:
    """Return a share as per cent, "–" of nothing."""
    return f"{part / whole:.0%}" if whole else "–"


def place_name(service: OpinionService, id_: str, language: str) -> str:
    """Return the name of a gazetteer id, the id itself when it has none."""
    for entry in service.gazetteer.entries if service.gazetteer is not None else ():
        if entry.id == id_:
            return (entry.en or entry.zh) if language == "en" else (entry.zh or entry.en)
    return id_


def category_name(service: OpinionService, id_: str, language: str) -> str:
    """Return the name of a request category."""
    category = service.lexicon.categories.get(id_)
    return category.name[language] if category else id_


def change(now: int, before: int, language: str) -> str:
    """Return how a count moved against the period before."""
    if not before:
        return ("上期无数据" if language == "zh" else "nothing before") if now else ""
    moved = (now - before) / before
    if abs(moved) < 0.005:
        return "与上期持平" if language == "zh" else "unchanged"
    if now >= 2 * before:
        ratio = times(now / before)
        return f"是上期的 {ratio} 倍" if language == "zh" else f"{ratio} times the period before"
    if language == "zh":
        return f"较上期{'升' if moved > 0 else '降'} {abs(moved):.0%}"
    return f"{'up' if moved > 0 else 'down'} {abs(moved):.0%} on the period before"


def tally_line(tally: Tally, before: Tally, language: str) -> str:
    """Return a period's counts in one line."""
    if language == "zh":
        return (
            f"共 {tally.posts} 条（{change(tally.posts, before.posts, 'zh')}），负面 {tally.negative} 条占 {share(tally.negative, tally.posts)}"
            f"（上期 {share(before.negative, before.posts)}），正面 {share(tally.positive, tally.posts)}，严重 {tally.severe} 条，情感不确定 {tally.unsure} 条。"
        )
    return (
        f"{_counted(tally.posts)} ({change(tally.posts, before.posts, 'en')}), {tally.negative} negative = {share(tally.negative, tally.posts)} "
        f"(before: {share(before.negative, before.posts)}), {share(tally.positive, tally.posts)} positive, {tally.severe} serious, {tally.unsure} of uncertain feeling."
    )


def topic_line(topic: TopicView, language: str) -> str:
    """Return a topic in one line."""
    zh = language == "zh"
    new = ("【新】" if zh else "[new] ") if topic.is_new else ""
    muted = ("（已静音）" if zh else " (muted)") if topic.muted_until else ""
    if zh:
        return f"{new}#{topic.id} {topic.label['zh']}：{topic.posts} 条，负面 {topic.negative}，最高 {topic.severity} 级，{topic.department['zh']}{muted}"
    return f"{new}#{topic.id} {topic.label['en']}: {_counted(topic.posts)}, {topic.negative} negative, level up to {topic.severity}, {topic.department['en']}{muted}"


def alarm_line(alarm: AlarmView, language: str, service: OpinionService) -> str:
    """Return an alarm in one line."""
    at = 0 if language == "zh" else 1
    states = {
        "open": ("待处理", "open"), "acknowledged": ("已确认", "acknowledged"), "handed_over": ("已转办", "handed over"),
        "closed": ("已关闭", "closed"), "muted": ("已静音", "muted"),
    }  # fmt: skip
    when = alarm.opened_at.astimezone(service.zone)
    return (
        f"#{alarm.id} {when:%m-%d %H:%M} [{LEVELS[alarm.level][at]}·{states[alarm.state][at]}] {alarm.label[language]} — "
        f"{RULES[alarm.rule][at]}: {reason_text(alarm.rule, alarm.reasons, language)} → {alarm.owner[language]}"
    )


def digest(service: OpinionService, overview: Overview, language: str) -> str:
    """Return a digest as Markdown."""
    zh = language == "zh"
    start, end = (at.astimezone(service.zone) for at in (overview.start, overview.end))
    lines = [
        f"# {'舆情简报' if zh else 'Public opinion digest'} {start:%Y-%m-%d %H:%M} – {end:%Y-%m-%d %H:%M}",
        "",
        tally_line(overview.now, overview.before, language),
    ]
    emotions = sorted(overview.emotions.items(), key=lambda item: -item[1])
    if emotions:
        named = [f"{EMOTION_NAMES.get(k, (k, k))[0 if zh else 1]} {v}" for k, v in emotions]
        lines.append(("情绪：" if zh else "Emotions: ") + ("、" if zh else ", ").join(named))
    sections: Sequence[tuple[str, list[str]]] = (
        ("预警" if zh else "Alarms", [alarm_line(a, language, service) for a in overview.alarms[:10]]),
        ("话题" if zh else "Topics", [topic_line(t, language) for t in overview.topics[:10]]),
        (
            "各区" if zh else "Districts",
            [group_line(place_name(service, k, language), t, language) for k, t in overview.districts[:8]],
        ),
        (
            "类别" if zh else "Categories",
            [
                group_line(category_name(service, k, language), t, language)
                for k, t in overview.categories[:8]
            ],
        ),
    )
    for title, rows in sections:
        lines += ["", f"## {title}", "", *([f"- {row}" for row in rows] or ["- 无" if zh else "- none"])]
    lines += [
        "",
        "由模型自动汇总，可能有误；每个数字都可追溯到帖子。"
        if zh
        else "Summed up by a model, which errs; every number can be traced to posts.",
    ]
    return "\n".join(lines)


def group_line(name: str, tally: Tally, language: str) -> str:
    """Return the counts of a district or category in one line."""
    if language == "zh":
        return f"{name}：{tally.posts} 条，负面 {tally.negative}（{share(tally.negative, tally.posts)}）"
    return (
        f"{name}: {_counted(tally.posts)}, {tally.negative} negative ({share(tally.negative, tally.posts)})"
    )


def overview_data(overview: Overview) -> dict[str, Any]:
    """Return an overview as plain data for JSON."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return value

    found: dict[str, Any] = plain(asdict(overview))
    return found


def queue_digests(service: OpinionService) -> int:
    """Queue the digests that are due (from eight in the morning; weekly on Mondays), each once; return how many."""
    now = service.now().astimezone(service.zone)
    if now.hour < _DIGEST_HOUR:
        return 0
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    queued = 0
    for target in service.section.targets:
        for kind in target.digests:
            if kind == "weekly" and now.weekday() != 0:
                continue
            days = 7 if kind == "weekly" else 1
            overview = service.queries.overview(midnight - timedelta(days=days), midnight)
            title = (
                ("舆情周报" if days == 7 else "舆情日报")
                if target.language == "zh"
                else f"{kind} opinion digest"
            )
            body = digest(service, overview, target.language)
            with writing(service.engine) as session:
                key = f"digest-{kind}-{midnight:%Y-%m-%d}-{target.name}"
                queued += queue(session, key, target.name, f"{title} {midnight:%Y-%m-%d}", body, now)
    return queued


def _counted(posts: int) -> str:
    """Return a number of posts in English."""
    return f"{posts} post" if posts == 1 else f"{posts} posts"
