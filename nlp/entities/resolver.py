"""Settles what the model, the gazetteer and the rules say about one text into one list of entities."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nlp.entities.folding import fold_char, has_han
from nlp.entities.gazetteer import Entry, Gazetteer, Match
from nlp.entities.model import Entity
from nlp.entities.rules import RuleMatch, find_all, line_value
from nlp.joint_decode import Span

# Of a name that several kinds of things bear, the kind meant when the model says nothing.
PREFERRED = ("line", "intersection", "district", "street", "place", "stop", "building", "waste_item")
# Names that are everyday words count only when the model sees an entity there.
_EVERYDAY = frozenset({"waste_item", "building"})
_BREAK = re.compile(r"[，。？！；,?!;\n]")
_LONGEST_HAN = 16
_SURE_RULE, _WEAK_RULE = 0.95, 0.5
_BETWEEN = re.compile(r"\s*(?:口?\s*(?:和|与|跟|及|、|/|-)?|and|&|at|/)\s*")
_CROSSING = re.compile(
    r"(?:的)?(?:交叉路口|交叉口|交汇处|交界处|十字路口|路口|口)|\s*(?:intersection|junction|crossing|crossroads)",
    re.I,
)
_AGREED, _ALONE = 0.97, 0.75


@dataclass(frozen=True)
class _Candidate:
    entity: Entity
    rank: float


class Resolver:
    """Combines model spans, gazetteer matches and rules; holds no state between texts."""

    def __init__(
        self, gazetteer: Gazetteer, rules: Sequence[str], synonyms: Mapping[str, Mapping[str, str]]
    ) -> None:
        self._gazetteer = gazetteer
        self._rules = tuple(rules)
        self._synonyms = synonyms

    def resolve(self, text: str, prepared: str, spans: Sequence[Span]) -> list[Entity]:
        """Return the entities of a text in their order, without overlaps.

        Args:
            text: the citizen's own words.
            prepared: the same, character for character, as `nlp.joint_text.prepare` gives it.
            spans: what the model tagged in `prepared`.
        """
        names = self._gazetteer.find(prepared)
        rules = find_all(prepared, self._rules)
        crossings = self._crossings(text, prepared, names, spans) if "intersection" in self._rules else []
        candidates = [_Candidate(entity, 2.6) for entity in crossings]
        candidates += [c for rule in rules if (c := self._from_rule(text, rule, spans)) is not None]
        rules = [rule for rule in rules if rule.entity != "intersection"]
        for span in spans:
            candidates += self._from_model(text, prepared, _cut(span, prepared), names, rules)
        candidates += [c for name in names if (c := self._from_gazetteer(text, name)) is not None]
        kept: list[Entity] = []
        for candidate in sorted(candidates, key=lambda c: (-c.rank, c.entity.start - c.entity.end)):
            entity = candidate.entity
            if all(entity.end <= other.start or other.end <= entity.start for other in kept):
                kept.append(entity)
        return sorted(kept, key=lambda entity: entity.start)

    def _crossings(
        self, text: str, prepared: str, names: Sequence[Match], spans: Sequence[Span]
    ) -> list[Entity]:
        """Two known streets side by side are a crossing when the words or the model say so."""
        found = []
        for first, second in itertools.pairwise(names):
            a, b = first.of("street"), second.of("street")
            if a is None or b is None or not _BETWEEN.fullmatch(prepared, first.end, second.start):
                continue
            suffix = _CROSSING.match(prepared, second.end)
            said = suffix is not None or not has_han(prepared[first.start : second.end])
            tagged = any(
                s.entity == "intersection" and s.start < second.end and first.start < s.end for s in spans
            )
            if not (said or tagged):
                continue
            end = suffix.end() if suffix is not None and has_han(suffix[0]) else second.end
            identifier = " × ".join(sorted((a.id, b.id)))
            surface = text[first.start : end]
            found.append(
                Entity("intersection", surface, first.start, end, surface, _AGREED, "gazetteer", identifier)
            )
        return found

    def _from_rule(self, text: str, rule: RuleMatch, spans: Sequence[Span]) -> _Candidate | None:
        entry = self._gazetteer.lookup(rule.entity, rule.value)
        surface = text[rule.start : rule.end]
        value = entry.name(surface) if entry is not None else self._value(rule.entity, surface, rule.value)
        agreed = any(s.entity == rule.entity and s.start < rule.end and rule.start < s.end for s in spans)
        if rule.confidence < _WEAK_RULE and not agreed:
            return None
        confidence = max(rule.confidence, _AGREED if agreed else 0.0)
        identifier = entry.id if entry is not None else rule.normal or None
        found = Entity(rule.entity, value, rule.start, rule.end, surface, confidence, "rule", identifier)
        return _Candidate(found, 3.0 if rule.confidence >= _SURE_RULE else 2.0 + 0.5 * agreed)

    def _from_model(
        self, text: str, prepared: str, span: Span, names: Sequence[Match], rules: Sequence[RuleMatch]
    ) -> list[_Candidate]:
        if span.end <= span.start:
            return []
        same_rule = [
            r for r in rules if r.entity == span.entity and r.start < span.end and span.start < r.end
        ]
        if same_rule:
            return []  # the rule's own candidate has the better bounds
        near = [n for n in names if n.start < span.end and span.start < n.end]
        known = [n for n in near if n.of(span.entity) is not None]
        wider = len(known) == 1 and span.start <= known[0].start and known[0].end <= span.end
        if wider and span.entity in _EVERYDAY and span.end - span.start > known[0].end - known[0].start:
            # "Chicken bone" is a kind of bone: the citizen's words stay, the known thing gives the id.
            start, end = _whole_words(prepared, span.start, span.end)
            entry = known[0].of(span.entity)
            assert entry is not None
            surface = text[start:end]
            found = Entity(span.entity, surface, start, end, surface, span.confidence, "model", entry.id)
            return [_Candidate(found, 2.0 + span.confidence)]
        if known:
            return [self._named(text, name, name.of(span.entity), span.confidence) for name in known]
        start, end = span.start, span.end
        if len(near) == 1 and span.entity != "intersection":
            # Another kind of name: the kind is the model's to say, the bounds are the name's.
            start, end = min(start, near[0].start), max(end, near[0].end)
        start, end = _whole_words(prepared, start, end)
        surface = text[start:end]
        entry = self._gazetteer.closest(span.entity, prepared[start:end])
        if entry is None and span.entity == "line" and (line := line_value(prepared[start:end])):
            entry = self._gazetteer.lookup("line", line)
        value = entry.name(surface) if entry is not None else self._value(span.entity, surface, surface)
        found = Entity(
            span.entity, value, start, end, surface, span.confidence, "model", entry.id if entry else None
        )
        return [_Candidate(found, 1.0 + span.confidence)]

    def _from_gazetteer(self, text: str, name: Match) -> _Candidate | None:
        for entity in PREFERRED:
            entry = name.of(entity)
            if entry is not None and entity not in _EVERYDAY and _telling(text[name.start : name.end]):
                return replace(self._named(text, name, entry, 0.0), rank=0.5)
        return None

    def _named(self, text: str, name: Match, entry: Entry | None, model: float) -> _Candidate:
        assert entry is not None
        surface = text[name.start : name.end]
        confidence = max(model, _AGREED) if model else _ALONE
        found = Entity(
            entry.entity,
            entry.name(surface),
            name.start,
            name.end,
            surface,
            confidence,
            "gazetteer",
            entry.id,
        )
        return _Candidate(found, 2.0 + model)

    def _value(self, entity: str, surface: str, default: str) -> str:
        key = surface.lower()
        return self._synonyms.get(entity, {}).get(key) or self._synonyms.get("", {}).get(key) or default


def _telling(surface: str) -> bool:
    """A name of one letter or of lower-case short English says too little alone."""
    return len(surface) >= 2 if has_han(surface) else len(surface) >= 5


def _cut(span: Span, prepared: str) -> Span:
    """End a span at a sentence's break, and drop one as long as a sentence."""
    match = _BREAK.search(prepared, span.start, span.end)
    if match is not None:
        before, after = match.start() - span.start, span.end - match.end()
        start, end = (span.start, match.start()) if before >= after else (match.end(), span.end)
        while start < end and prepared[start].isspace():
            start += 1
        span = replace(span, start=start, end=end)
    if has_han(prepared[span.start : span.end]) and span.end - span.start > _LONGEST_HAN:
        return replace(span, end=span.start)
    return span


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    def joined(at: int) -> bool:
        if not 0 < at < len(text):
            return False
        first, second = fold_char(text[at - 1]), fold_char(text[at])
        return bool(first and second) and first.isascii() and second.isascii()

    while joined(start):
        start -= 1
    while joined(end):
        end += 1
    return start, end
