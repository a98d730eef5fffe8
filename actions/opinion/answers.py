"""What the dialogue says about public opinion: for staff only; a citizen is refused politely."""

# Texts for people run longer than code.
# ruff: noqa: E501

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from actions.opinion import decisions
from actions.opinion.decisions import Outcome, Query, buttons_of
from actions.opinion.errors import OpinionError
from actions.opinion.model import PostView, TopicView
from actions.opinion.report import (
    alarm_line,
    category_name,
    change,
    digest,
    group_line,
    place_name,
    share,
    tally_line,
    topic_line,
)
from actions.opinion.service import OpinionService
from city.messages import Button, Reply
from nlp.joint_text import prepare

STAFF_ROLES = frozenset({"viewer", "editor", "publisher", "operator", "admin"})
_MOST = 5
_DISTRICT = re.compile(r"哪个区|哪些区|哪区|各区|分区|which districts?|by district|每个区", re.IGNORECASE)
_POSTS = re.compile(
    r"原帖|帖子|原文|具体内容|背后|看看(?:都)?说了?什么|哪些人说|\bposts?\b|behind (?:it|this)|what (?:do|did) they say|examples?\b|verbatim",
    re.IGNORECASE,
)
_UNMUTE = re.compile(r"取消静音|解除静音|恢复提醒|恢复预警|\bun-?mute\b", re.IGNORECASE)
_MUTE = re.compile(
    r"静音|别再?提醒|不要再?提醒|屏蔽(?:这个|该)?话题|\bmute\b|\bsilence\b|stop (?:alert|notif)",
    re.IGNORECASE,
)
_COMPARE = re.compile(
    r"对比|相比|比较|和上(?:周|个?月)比|跟上(?:周|个?月)|比上(?:周|个?月)|环比|compare|compared|versus|\bvs\b|than (?:last|before)",
    re.IGNORECASE,
)
_ALARMS = re.compile(r"预警|警报|告警|突发|\balerts?\b|\balarms?\b|warnings?\b|sudden", re.IGNORECASE)
_ACK = re.compile(
    r"确认(?:这个|该|第?\d+号?)?预警|我来处理|已知悉|acknowledge|\back\b|i'?ll take it", re.IGNORECASE
)
_DIGEST = re.compile(r"简报|日报|周报|报告|digest|briefing|\breport\b|\bbrief\b|summary", re.IGNORECASE)
_TREND = re.compile(r"趋势|走势|曲线|trend|chart|curve", re.IGNORECASE)
_CATEGORY = re.compile(
    r"哪类|哪个部门|哪些问题|类别|which (?:category|department|kind)|most frequent issue", re.IGNORECASE
)
_TOPICS = re.compile(
    r"话题|热点|抱怨什么|反映什么|反映啥|topics?\b|complaining about|fastest rising", re.IGNORECASE
)
_MONTH = re.compile(
    r"本月|这个月|近?三十天|30 ?天|近一个月|上个?月|this month|last month|thirty days|30 days", re.IGNORECASE
)
_WEEK = re.compile(
    r"本周|这周|近?七天|7 ?天|近一周|上周|周报|this week|last week|seven days|7 days|weekly", re.IGNORECASE
)
_LAST = re.compile(r"上周|上个?月|昨[天日]|last (?:week|month)|yesterday", re.IGNORECASE)
_YESTERDAY = re.compile(r"昨[天日]|yesterday", re.IGNORECASE)
_NUMBER = re.compile(r"(?:#|第|话题|预警|topic|alarm|alert)\s*(\d{1,9})", re.IGNORECASE)
_OTHERWISE = re.compile(
    r"路口|信号|绿波|拥堵|公交|地铁|线路|用电|能耗|电量|诉求|工单|气温|天气|junction|intersection|signal|traffic|\bbus\b"
    r"|metro|energy|electricity|weather|my request|ticket",
    re.IGNORECASE,
)
_CERTAIN = (_MUTE, _UNMUTE, _POSTS, _ACK, _DISTRICT)
_POSSIBLE = (_COMPARE, _ALARMS, _TREND, _TOPICS, _CATEGORY, _DIGEST)
_SHORT = 40


def is_follow_up(text: str) -> bool:
    """Whether a text is meant for this module once it was the topic ("mute this topic", "compare with last week")."""
    if any(pattern.search(text) for pattern in _CERTAIN):
        return True
    named = _OTHERWISE.search(text) is not None
    return len(text) <= _SHORT and not named and any(pattern.search(text) for pattern in _POSSIBLE)


def refusal(language: str) -> Reply:
    """Tell a citizen that the figures are the staff's, and what is there for a citizen."""
    zh = language == "zh"
    text = (
        "舆情数据仅供工作人员查看。您若有投诉、建议或问题，可以直接告诉我，我帮您提交并给您编号，方便随时查进度。"
        if zh
        else "Public opinion figures are for city staff. If something troubles you, tell me: I can file your complaint or "
        "suggestion and give you a number to follow it."
    )
    buttons = (
        (Button("我要投诉", "我要投诉"), Button("查询进度", "查询我的诉求进度"))
        if zh
        else (
            Button("File a complaint", "I want to file a complaint"),
            Button("Check a request", "check my request"),
        )
    )
    return Reply(text, "opinion", buttons=buttons)


def answer(service: OpinionService, query: Query) -> Outcome:
    """Answer a question about public opinion; never raises `OpinionError`, whose text becomes the reply."""
    state = dict(query.state or {})
    if query.role not in STAFF_ROLES:
        return Outcome([refusal(query.language)], state)
    try:
        return _staff(service, query, state)
    except OpinionError as error:
        return Outcome([Reply(error.text(query.language), "opinion")], state)


def _staff(service: OpinionService, query: Query, state: dict[str, Any]) -> Outcome:
    text = query.text
    start, end, named = _period(service, text, state)
    district = _district(service, text) or ("" if named else str(state.get("district") or ""))
    number = _NUMBER.search(text)
    if number and not _ACK.search(text):
        state["topic"] = int(number.group(1))
    state |= {"start": start.isoformat(), "end": end.isoformat(), "district": district}
    if _UNMUTE.search(text):
        return decisions.unmute(service, query, state)
    if _MUTE.search(text):
        return decisions.mute(service, query, state)
    if _ACK.search(text):
        return decisions.acknowledge(service, query, state, int(number.group(1)) if number else 0)
    if _COMPARE.search(text):
        return _compare(service, query, state, start, end, district)
    if _POSTS.search(text):
        return _posts(service, query, state, start, end, district)
    if _ALARMS.search(text):
        return _alarms(service, query, state)
    if _DISTRICT.search(text):
        return _districts(service, query, state, start, end)
    if _CATEGORY.search(text):
        return _categories(service, query, state, start, end, district)
    if _TREND.search(text):
        return _trend(service, query, state, start, end, district)
    if _DIGEST.search(text):
        overview = service.queries.overview(start, end, district)
        return Outcome(
            [Reply(digest(service, overview, query.language), "opinion")], _keep(state, overview.topics)
        )
    return _overview(service, query, state, start, end, district)


def _period(service: OpinionService, text: str, state: Mapping[str, Any]) -> tuple[datetime, datetime, bool]:
    """Return the period asked about, and whether the text named one; else the last one, else today."""
    now = service.now().astimezone(service.zone)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    last = bool(_LAST.search(text)) and not _COMPARE.search(text)
    if _YESTERDAY.search(text):
        return midnight - timedelta(days=1), midnight, True
    if _MONTH.search(text):
        first = midnight - timedelta(days=29)
        return (first - timedelta(days=30), first, True) if last else (first, now, True)
    if _WEEK.search(text):
        monday = midnight - timedelta(days=midnight.weekday())
        if last:
            return monday - timedelta(days=7), monday, True
        return (midnight - timedelta(days=6)), now, True
    if re.search(r"今[天日]|今儿|\btoday\b|\bnow\b", text, re.IGNORECASE) or not state.get("start"):
        return midnight, now, True
    return datetime.fromisoformat(str(state["start"])), datetime.fromisoformat(str(state["end"])), False


def _district(service: OpinionService, text: str) -> str:
    if service.gazetteer is None:
        return ""
    for match in service.gazetteer.find(prepare(text)):
        entry = match.of("district")
        if entry is not None:
            return entry.id
    return ""


def _keep(state: dict[str, Any], topics: Sequence[TopicView]) -> dict[str, Any]:
    """Remember the first topic shown, which "this topic" means next."""
    return {**state, "topic": topics[0].id} if topics else state


def _span(service: OpinionService, start: datetime, end: datetime, language: str) -> str:
    first, last = start.astimezone(service.zone), end.astimezone(service.zone)
    if language == "zh":
        return f"{first.month}月{first.day}日 {first:%H:%M}–{last.month}月{last.day}日 {last:%H:%M}"
    return f"{first:%d %b %H:%M}–{last:%d %b %H:%M}"


def _overview(
    service: OpinionService,
    query: Query,
    state: dict[str, Any],
    start: datetime,
    end: datetime,
    district: str,
) -> Outcome:
    language, zh = query.language, query.language == "zh"
    found = service.queries.overview(start, end, district)
    where = f"{place_name(service, district, language)} " if district else ""
    lines = [f"{where}{_span(service, start, end, language)}", tally_line(found.now, found.before, language)]
    opened = [a for a in found.alarms if a.state == "open"]
    if opened:
        lines.append("待处理预警：" if zh else "Open alarms:")
        lines += [f"- {alarm_line(a, language, service)}" for a in opened[:3]]
    if found.topics:
        lines.append("主要话题：" if zh else "Main topics:")
        lines += [f"- {topic_line(t, language)}" for t in found.topics[:_MOST]]
    if not found.now.posts:
        lines = [lines[0], "该时段没有帖子。" if zh else "There are no posts in this period."]
    buttons = buttons_of(
        language, ("哪个区投诉最多？", "Which district complains most?"), ("看看背后的帖子", "show the posts behind it"),
        ("和上周比较", "compare with last week"),
    )  # fmt: skip
    return Outcome([Reply("\n".join(lines), "opinion", buttons=buttons)], _keep(state, found.topics))


def _districts(
    service: OpinionService, query: Query, state: dict[str, Any], start: datetime, end: datetime
) -> Outcome:
    language, zh = query.language, query.language == "zh"
    found = service.queries.overview(start, end)
    rows = [group_line(place_name(service, k, language), t, language) for k, t in found.districts]
    named = sum(t.posts for _, t in found.districts)
    if not rows:
        text = "该时段的帖子都没有提到区。" if zh else "No post of this period names a district."
    else:
        first = place_name(service, found.districts[0][0], language)
        head = f"负面最多的是{first}。" if zh else f"Most negative posts: {first}."
        tail = (
            f"其余 {found.now.posts - named} 条未提到区。"
            if zh
            else f"Posts that name no district: {found.now.posts - named}."
        )
        text = "\n".join(
            [f"{_span(service, start, end, language)}  {head}", *(f"- {row}" for row in rows), tail]
        )
        state = {**state, "district": found.districts[0][0]}
    return Outcome([Reply(text, "opinion")], state)


def _categories(
    service: OpinionService,
    query: Query,
    state: dict[str, Any],
    start: datetime,
    end: datetime,
    district: str,
) -> Outcome:
    language = query.language
    found = service.queries.overview(start, end, district)
    rows = []
    for name, tally in found.categories[:8]:
        department = (
            service.lexicon.categories[name].department[language]
            if name in service.lexicon.categories
            else ""
        )
        rows.append(f"- {group_line(category_name(service, name, language), tally, language)} → {department}")
    none = "该时段没有帖子。" if language == "zh" else "There are no posts in this period."
    return Outcome(
        [Reply("\n".join([_span(service, start, end, language), *(rows or [none])]), "opinion")], state
    )


def _compare(
    service: OpinionService,
    query: Query,
    state: dict[str, Any],
    start: datetime,
    end: datetime,
    district: str,
) -> Outcome:
    """Compare this week so far with the same days of last week, or a month with the one before."""
    language, zh = query.language, query.language == "zh"
    now = service.now().astimezone(service.zone)
    days = 30 if _MONTH.search(query.text) else 7
    end = now
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    found = service.queries.overview(start, end, district)
    lines = [_span(service, start, end, language), tally_line(found.now, found.before, language)]
    was = share(found.before.negative, found.before.posts)
    if found.now.posts and found.before.posts:
        moved = found.now.negative / found.now.posts - found.before.negative / found.before.posts
        lines.append(
            f"负面占比{'上升' if moved > 0 else '下降'} {abs(moved) * 100:.1f} 个百分点（上期 {was}）。"
            if zh
            else f"The negative share is {'up' if moved > 0 else 'down'} {abs(moved) * 100:.1f} points (was {was})."
        )
    rising = sorted(found.topics, key=lambda t: t.before - t.posts)[:_MOST]
    if rising:
        lines.append("变化最大的话题：" if zh else "Topics that moved most:")
        lines += [
            f"- {t.label[language]}: {t.before} → {t.posts}（{change(t.posts, t.before, 'zh')}）"
            if zh
            else f"- {t.label[language]}: {t.before} → {t.posts} ({change(t.posts, t.before, 'en')})"
            for t in rising
        ]
    state |= {"start": start.isoformat(), "end": end.isoformat()}
    return Outcome([Reply("\n".join(lines), "opinion")], _keep(state, rising))


def _posts(
    service: OpinionService,
    query: Query,
    state: dict[str, Any],
    start: datetime,
    end: datetime,
    district: str,
) -> Outcome:
    language, zh = query.language, query.language == "zh"
    topic = service.queries.topic(int(state["topic"])) if state.get("topic") else None
    found = (
        service.queries.posts(topic_id=topic.id, most=_MOST)
        if topic is not None
        else service.queries.posts(start=start, end=end, district=district, sentiment="negative", most=_MOST)
    )
    if not found:
        text = "没有找到相关帖子。" if zh else "No posts were found."
        return Outcome([Reply(text, "opinion")], state)
    head = topic_line(topic, language) if topic is not None else ("负面帖子：" if zh else "Negative posts:")
    lines = [head, *(f"- {_post_line(service, post, language)}" for post in found)]
    buttons = buttons_of(language, ("静音这个话题", "mute this topic"), ("趋势图", "show the trend chart"))
    return Outcome([Reply("\n".join(lines), "opinion", buttons=buttons if topic else ())], state)


def _post_line(service: OpinionService, post: PostView, language: str) -> str:
    zh = language == "zh"
    words = {
        "negative": ("负面", "negative"),
        "neutral": ("中性", "neutral"),
        "positive": ("正面", "positive"),
    }
    mood = words[post.sentiment][0 if zh else 1] + (("？" if zh else "?") if post.unsure else "")
    again = (f"，转发 {post.copies}" if zh else f", {post.copies} copies") if post.copies else ""
    text = post.text if len(post.text) <= 100 else post.text[:99] + "…"
    level = f"{post.severity} 级" if zh else f"level {post.severity}"
    return f"{post.at.astimezone(service.zone):%m-%d %H:%M} [{mood}, {level}{again}] {text}"


def _trend(
    service: OpinionService,
    query: Query,
    state: dict[str, Any],
    start: datetime,
    end: datetime,
    district: str,
) -> Outcome:
    language, zh = query.language, query.language == "zh"
    topic = service.queries.topic(int(state["topic"])) if state.get("topic") else None
    if topic is not None:
        scope, title = f"topic:{topic.id}", topic.label[language]
    elif district:
        scope, title = f"district:{district}", place_name(service, district, language)
    else:
        scope, title = "city", "全市" if zh else "Whole city"
    start = min(start, end - timedelta(days=3))
    picture = service.chart(scope, start, end, title, language)
    text = f"{title} · {_span(service, start, end, language)}"
    return Outcome([Reply(text, "opinion", image=f"/charts/{picture.name}")], state)


def _alarms(service: OpinionService, query: Query, state: dict[str, Any]) -> Outcome:
    language, zh = query.language, query.language == "zh"
    found = service.queries.alarms(states=("open", "acknowledged", "handed_over"), most=_MOST)
    if not found:
        return Outcome([Reply("目前没有预警。" if zh else "There is no alarm at present.", "opinion")], state)
    lines = [("当前预警：" if zh else "Alarms:"), *(f"- {alarm_line(a, language, service)}" for a in found)]
    image = f"/charts/{found[0].chart}" if found[0].chart else None
    buttons = buttons_of(
        language,
        ("看看背后的帖子", "show the posts behind it"),
        (f"确认预警 {found[0].id}", f"acknowledge alarm {found[0].id}"),
    )
    if found[0].topic_id:
        state = {**state, "topic": found[0].topic_id}
    return Outcome(
        [Reply("\n".join(lines), "opinion", buttons=buttons, image=image)], {**state, "alarm": found[0].id}
    )


__all__ = ["Outcome", "Query", "answer", "is_follow_up", "refusal"]
