"""From a citizen's words to a typed transit query. What was not said stays `None`, so that the dialogue asks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from actions.transit.errors import NaiveTimeError
from actions.transit.lines import LineIndex, LineMention
from actions.transit.stops import Match, StopIndex, Target
from actions.transit.text import fold, has_cjk
from actions.transit.times import When, read_when

SURE, PERHAPS = 88.0, 62.0

_LAST = re.compile(
    r"末班|最后一[班趟]|最晚[一的]|尾班|(?<!周)末车|\blast\b(?! (?:week|month|year|time))|\bfinal\b"
)
_FIRST = re.compile(r"首班|头班|第一[班趟]|最早|头一[班趟]|早班车|首车|\bfirst\b(?! people)|\bearliest\b")
_ENDS = re.compile("首末班|首班.*末班|first and last")
_BOTH = re.compile(r"时刻表|发车时间表|timetable|schedule\b|\btiming\b")
_OPPOSITE = re.compile(
    r"反方向|反向|对面|回程|往回|返程|返回|另一?(?:头|外一?个?(?:方向|direction)|个?方向)|另外一个direction|对过|反过来|相反|对向|"
    r"fan ?fang ?xiang|opposite|(?:the )?other (?:way|direction|side)|reverse|going back|return trip|back again"
)
_LATER = re.compile(
    r"再?下下[一班趟]|再下一?[班趟]|再后面|[那再]下一?[班趟]|之后那[班趟]|下一[班趟]呢|更晚|晚一点|后面一[班趟]|"
    r"(?:one|bus|train) after|next one after|following (?:bus|one|train)|later ones?|after that\b|any later"
)
_EARLIER = re.compile(r"早一点|前一[班趟]|上一[班趟]|更早|\bearlier\b|previous (?:bus|one|train)")
_EVERY = re.compile(
    r"(?:有|坐|乘)(?:什么|哪些|啥|几)(?:车|公交|线路|班次|路)|哪[几些条]?路|什么车|所有(?:车(?!站)|公交(?!站)|线路)|(?:别|其他|其它)的?(?:线路|车|公交)|还有哪趟|下几班车|"
    r"(?:any |the )?other (?:lines?|bus(?:es)?|routes?)|all (?:the )?(?:lines|buses|routes)|(?:which|what) (?:bus(?:es)?|lines?)|any bus(?:es)?"
)
_ELLIPTIC = re.compile(
    r"^\W*(?:那|换|要是|如果|and\b|n\b|what about|wat about|how about|same|also\b|or\b|if i\b|then\b)|(?:呢|咧|嘞|喃|then|instead)\W*$"
)
_HERE = re.compile(
    r"(?:我|咱|俺|我们|本人)(?:的|这|这里|这边)?附近|^\W*(?:请问)?附近|离我|near ?by\b|near me|around me|\b(?:nearest|closest) (?:bus |metro )?(?:stop|station)\b(?! (?:to|from|of|for))|closest to me|around here|near here"
)
_NEAR = re.compile(
    r"附近|周边|周围|旁边|边上|最近的?(?:公交|地铁|车)?站|门口|沿线|哪[一个]?站|哪些站|站台|near|closest|close to|around|bus stops?\b|stations?\b"
)
_YES_NO = re.compile(r"[到停经走去过][不没](?:到|停|经|走|去|过)|吗|么\W*$|\b(?:does|do|can|is|will)\b")
_CHANGE = re.compile(r"换乘|换车|能换|转乘|怎么换|interchange|transfer|\bcross\b|\bmeet\b|\bchange\b")
_CODE = re.compile(
    r"(?:站点|站牌号?|站号|\bstop (?:no\.? ?|code ?|id ?|#)|\bstop #?)\s*[:#]?\s*(?P<code>[a-z]{0,6}[-_]?[0-9][a-z0-9_\-]*)"
)
_PLACE_AT = re.compile(r"(?P<lat>[+-]?\d{1,2}\.\d{2,})\s*[,,\s]\s*(?P<lon>[+-]?\d{1,3}\.\d{2,})")
_ARRIVAL = re.compile(
    r"(?:几点钟?|什么时候|啥时候|何时|几时|多久|多长时间|几分钟|啥时间|还要?多久)(?:能|会|才)?(?:来|开)?到\s*$|"
    r"(?:gets to|arrives? (?:at|in)|reach(?:es)?|comes? to|coming to)(?: the)?\s*$"
)
_WHEN_GET = re.compile(r"\b(?:when|how long|what time|how many minutes)\b.*\bgets? to(?: the)?\s*$")
_TO_BEFORE = re.compile(r"(?:[去往到至赴]|开往|前往|直达|\bto|\btowards?|\bfor|\bbound for)(?: the| my)?\s*$")
_NOT_TO = re.compile(
    r"(?:departures|arrivals|timetable|schedule|times|live|closest|nearest|close|next) (?:for|to)(?: the)?\s*$"
)
_FROM_BEFORE = re.compile(r"(?:[从在由离]|\bfrom|\bat|\bin|\bon|\bleave|\bleaves)(?: the)?\s*$")
_TO_AFTER = re.compile(r"(?:站)?的?方向")
_UNKNOWN = (
    ("near", re.compile(r"(?:^|[在离问查下,,])(?:我|俺|咱)?(?:现?在|离)?(?P<x>[^\s,,。?!?]{2,14}?)(?:的)?(?:附近|周边|周围|旁边|边上|门口|最近的)")),
    ("stop", re.compile(r"(?:从|在|由)(?P<x>[^\s,,。?!?]{2,12}?)站?(?=坐|乘|等|上车|出发|走|的|到|去|有|开|下一|末班|首班|几点|往|呢|,|$)")),
    ("to", re.compile(r"(?:去|到|往|开往)(?P<x>[^\s,,。?!?]{2,12}?)(?=方向|的|坐|怎么|乘|要|有|吗|呢|末班|下一|首班|,|$)")),
    ("near", re.compile(r"\b(?:near(?:est)?(?: to)?|close(?:st)? to|around|next to|stops? (?:by|at|for))\s+(?P<x>[a-z][a-z0-9' .\-]{2,40}?)\s*(?=[?!,.]|$)")),
    ("stop", re.compile(r"\b(?:from|at|leaves?)\s+(?P<x>[a-z][a-z0-9' \-]{2,40}?)\s*(?=[?!,.]|$| to | at | towards | on | after )")),
    ("to", re.compile(r"\b(?:to|towards|for)\s+(?P<x>[a-z][a-z0-9' \-]{2,40}?)\s*(?=[?!,.]|$| from | at | on | after )")),
)  # fmt: skip
_FILLER = re.compile(
    "下一?[班趟]车?|末班车?|首班车?|头班车?|最后一[班趟]车?|几点钟?|什么时候|啥时候|何时|多久|发车|到站|时间|公交车?|地铁|请问|麻烦|帮我|查一?下|我想|知道|"
    "车|的|了|吗|呢|来|到|有|在|从|去|坐|等|还|要|会|能|[^\u4e00-\u9fff]"
)
_PLACELIKE = re.compile(
    "[\u4e00-\u9fff]{2,10}(?:站|小区|路|街|道|巷|广场|医院|公园|学校|学院|大学|中学|小学|村|镇|桥|楼|店|城|中心|大厦|园|门|口|湖|山|馆|寺|塔|亭|苑|里|厂|场|院)"
)
_NOT_NAMES = re.compile(
    "(?:我|俺|你|他|她|它|这|那|哪|什么|今天|明天|现在|公交|地铁|车站|站|前面|回|离|去|走|下一|末班|首班|更).*|.*(?:几|多少|哪|什么|啥|怎么|吗|有没有).*|"
    r"(?:me|here|there|it|my|the|that|this|home|work|a|an|bus|get|go|take|come|catch|be|one|now|night|once|all|least|stops?|"
    r"stations?|for|to|in|on|end|change|find|see|know|which|what|when|where)\b.*"
)


@dataclass(frozen=True)
class Mention:
    """A stop or landmark as said, and what it may be; `suggestions` when nothing fits well."""

    said: str
    targets: tuple[Target, ...] = ()
    suggestions: tuple[Target, ...] = ()

    @property
    def stops(self) -> tuple[int, ...]:
        """Numbers of the stop groups meant."""
        return tuple(t.index for t in self.targets if t.kind == "stop")

    @property
    def places(self) -> tuple[int, ...]:
        """Numbers of the landmarks meant."""
        return tuple(t.index for t in self.targets if t.kind == "place")


@dataclass(frozen=True)
class TransitQuery:
    """What a text asks for; fields are `None` or empty when it does not say."""

    text: str
    lines: tuple[LineMention, ...] = ()
    stop: Mention | None = None
    to: Mention | None = None
    others: tuple[Mention, ...] = ()
    when: When | None = None
    which: str | None = None
    opposite: bool = False
    later: bool = False
    earlier: bool = False
    every_line: bool = False
    elliptic: bool = False
    here: bool = False
    near: bool = False
    yes_no: bool = False
    change: bool = False
    position: tuple[float, float] | None = None


class Parser:
    """Parses texts about the lines, stops and landmarks of one city."""

    def __init__(self, lines: LineIndex, stops: StopIndex) -> None:
        self.lines, self.stops = lines, stops

    def parse(
        self, text: str, now: datetime, entities: Mapping[str, Sequence[str]] | None = None
    ) -> TransitQuery:
        """Return the query of a text.

        Args:
            text: what the citizen wrote, in any script.
            now: the present moment, aware, in the city's zone.
            entities: values found by the language model for line, stop, place, street and time.

        Raises:
            NaiveTimeError: `now` has no time zone.
        """
        if now.tzinfo is None:
            raise NaiveTimeError("now")
        entities = entities or {}
        folded = fold(text)
        code = _CODE.search(folded)
        by_code = self.stops.by_code(code["code"]) if code else None
        lined = _blank(folded, [code.span()]) if code and by_code else folded
        lines = self.lines.find(lined)
        names = [
            f
            for f in self.stops.find_in(folded)
            if not (f.end - f.start < 4 and folded[f.end : f.end + 1] == "区")
        ]
        # a name that holds a line ("12路总站") is the name; any other overlap is the line
        lines = [
            m
            for m in lines
            if not any(
                f.start <= m.start and m.end <= f.end and f.end - f.start > m.end - m.start for f in names
            )
        ]
        names = [f for f in names if all(f.end <= m.start or m.end <= f.start for m in lines)]
        spans = [(m.start, m.end) for m in lines] + [(f.start, f.end) for f in names]
        when = read_when(_blank(folded, spans), now)
        if when is None and entities.get("time"):
            when = read_when(fold(entities["time"][0]), now)
        if not lines:
            lines = self._entity_lines(folded, entities)
        roles = [
            (self._role(folded, f.start, f.end), Mention(folded[f.start : f.end], tuple(f.targets)))
            for f in names
        ]
        if by_code:
            roles.insert(0, ("stop", Mention(by_code.key, (Target("stop", by_code.index),))))
            roles = roles[:1] + [(r, m) for r, m in roles[1:] if by_code.index not in m.stops]
        rest = _blank(folded, spans + list(when.spans if when else ()))
        if not any(r in ("stop", "") for r, _ in roles):
            roles += self._unknown(folded, rest, entities, roles)
        stop, to, others = _assign(roles)
        left = re.sub(r"[\W_]|呢|那|站|的|the|and|about|what|from|路", "", rest)
        at = _PLACE_AT.search(folded)
        return TransitQuery(
            text=folded,
            lines=tuple(lines),
            stop=stop,
            to=to,
            others=tuple(others),
            when=when,
            which=_which(folded),
            opposite=bool(_OPPOSITE.search(folded)),
            later=bool(_LATER.search(folded)),
            earlier=bool(_EARLIER.search(folded)),
            every_line=bool(_EVERY.search(folded)),
            elliptic=bool(_ELLIPTIC.search(folded)) or len(left) <= 2,
            here=bool(_HERE.search(folded)),
            near=bool(_NEAR.search(folded)),
            yes_no=bool(_YES_NO.search(folded)),
            change=bool(_CHANGE.search(folded)),
            position=_position(at) if at else None,
        )

    def resolve(self, said: str) -> Mention:
        """Return what a name means: one sure meaning, several, or only suggestions."""
        folded = fold(said)
        found = self.stops.find_in(folded)
        if len(found) == 1 and found[0].end - found[0].start >= 0.6 * len(folded):
            return Mention(said, tuple(found[0].targets))
        matches = self.stops.search(folded)
        good = [m for m in matches if m.score >= SURE]
        if good:
            close = [m for m in good if m.score >= good[0].score - 4]
            return Mention(said, tuple(m.target for m in close))
        return Mention(said, (), tuple(_distinct(self.stops, [m for m in matches if m.score >= PERHAPS])[:4]))

    def _entity_lines(self, folded: str, entities: Mapping[str, Sequence[str]]) -> list[LineMention]:
        found = []
        for value in entities.get("line", ())[:4]:
            at = folded.find(fold(value))
            start, end = (at, at + len(fold(value))) if at >= 0 else (0, 0)
            lines = self.lines.by_name(value)
            if lines:
                found.append(LineMention(start, end, value, lines))
        return found

    def _unknown(
        self, folded: str, rest: str, entities: Mapping[str, Sequence[str]], known: list[tuple[str, Mention]]
    ) -> list[tuple[str, Mention]]:
        for kind in ("stop", "place", "street", "intersection"):
            for value in entities.get(kind, ())[:1]:
                said = fold(value)
                if any(said in m.said or m.said in said for _, m in known):
                    continue
                at = folded.find(said)
                role = self._role(folded, at, at + len(said)) if at >= 0 else ""
                return [(role or "stop", self.resolve(value))]
        for role, pattern in _UNKNOWN:
            match = pattern.search(rest)
            said = match["x"].strip() if match else ""
            if len(said) < 2 or _NOT_NAMES.match(said) or (role == "to" and any(r == "to" for r, _ in known)):
                continue
            mention = self.resolve(said)
            if mention.targets or mention.suggestions or has_cjk(said) or role != "stop":
                return [("stop" if role == "near" else role, mention)]
        for chunk in _FILLER.sub(" ", rest).split():
            if not known and _PLACELIKE.fullmatch(chunk) and not _NOT_NAMES.match(chunk):
                return [("stop", self.resolve(chunk.removesuffix("站")))]
        bare = re.sub(r"^[\s?!,。.]+|[\s?!,。.]+$", "", rest)
        if not known and 2 <= len(bare) <= 24 and not _NOT_NAMES.match(bare):
            mention = self.resolve(bare)
            if mention.targets:
                return [("stop", mention)]
        return []

    def _role(self, folded: str, start: int, end: int) -> str:
        before, after = folded[:start], folded[end:].lstrip()
        if _TO_AFTER.match(after):
            return "to"
        if _ARRIVAL.search(before) or _WHEN_GET.search(before):
            return "stop"
        if _TO_BEFORE.search(before) and not _NOT_TO.search(before):
            return "to"
        return "stop" if _FROM_BEFORE.search(before) or re.match(r"站?(?:附近|周边|上车|出发)", after) else ""


def _which(folded: str) -> str | None:
    for name, pattern in (("both", _ENDS), ("last", _LAST), ("first", _FIRST), ("both", _BOTH)):
        if pattern.search(folded):
            return name
    return None


def _blank(text: str, spans: Sequence[tuple[int, int]]) -> str:
    out = list(text)
    for start, end in spans:
        out[start:end] = " " * (end - start)
    return "".join(out)


def _position(match: re.Match[str]) -> tuple[float, float] | None:
    lat, lon = float(match["lat"]), float(match["lon"])
    return (lat, lon) if abs(lat) <= 90 and abs(lon) <= 180 else None


def _assign(roles: list[tuple[str, Mention]]) -> tuple[Mention | None, Mention | None, list[Mention]]:
    stop = next((m for r, m in roles if r == "stop"), None)
    to = next((m for r, m in roles if r == "to"), None)
    free = [m for r, m in roles if m is not stop and m is not to]
    if stop is None and free:
        stop = free.pop(0)
    elif to is None and stop is not None and free:
        to = free.pop(0)
    return stop, to, free


def _distinct(stops: StopIndex, matches: list[Match]) -> list[Target]:
    seen: dict[str, Target] = {}
    for match in matches:
        seen.setdefault(stops.name(match.target, "zh"), match.target)
    return list(seen.values())
