"""Remarks on an article while it is being written: duplicates, contradictions, gaps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from console.knowledge.editing import Fields
from knowledge.article import LANGUAGES, Article
from knowledge.service import KnowledgeService
from knowledge.snapshot import Filter
from knowledge.text import clean
from knowledge.validating import NEAR_DUPLICATE

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
# 30万 is 300000.
_MYRIADS = re.compile(r"(\d+(?:\.\d+)?)\s*万")
_MOST = 12
_SHOWN = 6
# Phrasings that are looked up for one remark round; more would make typing wait.
_LOOKED_UP = 60


@dataclass(frozen=True)
class Remark:
    """One remark: `severity` is "bad" (citizens would get something wrong) or "note"; `key` is a text's key."""

    severity: str
    key: str
    values: dict[str, object] = field(default_factory=dict)
    other: str = ""


def remarks(service: KnowledgeService, article_id: str, fields: Fields, today: date) -> list[Remark]:
    """Return what to look at before publishing, the worst first.

    Args:
        service: the knowledge base.
        article_id: the article being written; "" for a new one.
        fields: the editor's fields.
        today: the city's date.
    """
    found = [
        *_same(service, article_id, fields),
        *_similar(service, article_id, fields),
        *_gaps(fields, today),
    ]
    return sorted(found, key=lambda remark: remark.severity != "bad")[:_MOST]


def _same(service: KnowledgeService, article_id: str, fields: Fields) -> Iterator[Remark]:
    snapshot = service.index.snapshot
    masks = snapshot.masks(Filter())
    texts = [
        line
        for language in LANGUAGES
        for line in (fields[f"title_{language}"], *fields[f"questions_{language}"].splitlines())
        if line.strip()
    ]
    for text in list(dict.fromkeys(texts))[:_LOOKED_UP]:
        for ref in snapshot.exact(text, masks):
            other = snapshot.facts(ref)
            if other.id != article_id:
                title = other.title_in("zh")
                yield Remark("bad", "check.same", {"text": text, "other": title}, other.id)


def _similar(service: KnowledgeService, article_id: str, fields: Fields) -> Iterator[Remark]:
    seen: set[str] = set()
    for language in LANGUAGES:
        title, answer = fields[f"title_{language}"], fields[f"answer_{language}"]
        if not title or not answer:
            continue
        others = [
            service.store.version(hit.facts.id, hit.facts.version)
            for hit in service.search(title[:200], language, limit=4)
            if hit.facts.id != article_id and hit.facts.id not in seen and language in hit.facts.languages
        ]
        texts = [
            _gist(title, answer),
            *(_gist(item.title_in(language), item.answer[language]) for item in others),
        ]
        vectors = service.index.encoder.encode(texts)
        for other, vector in zip(others, vectors[1:], strict=True):
            cosine = float(vectors[0] @ vector)
            if cosine > NEAR_DUPLICATE:
                seen.add(other.id)
                yield from _about_similar(other, language, answer, cosine)


def _about_similar(other: Article, language: str, answer: str, cosine: float) -> Iterator[Remark]:
    title = other.title_in(language)
    yield Remark("note", "check.similar", {"other": title, "percent": round(cosine * 100)}, other.id)
    differing = numbers(answer) ^ numbers(other.answer[language])
    if differing:
        yield Remark("bad", "check.numbers", {"other": title, "numbers": _listed(differing)}, other.id)


def _gist(title: str, answer: str) -> str:
    return f"{clean(title)} {clean(answer)[:300]}"


def _gaps(fields: Fields, today: date) -> Iterator[Remark]:
    for language in LANGUAGES:
        if not fields[f"answer_{language}"]:
            yield Remark("note", f"check.no_{language}")
        elif not fields[f"questions_{language}"].strip():
            yield Remark("note", "check.no_questions", {"language": language})
    differing = numbers(fields["answer_zh"]) ^ numbers(fields["answer_en"])
    if fields["answer_zh"] and fields["answer_en"] and differing:
        yield Remark("note", "check.languages", {"numbers": _listed(differing)})
    if not any(line.startswith("topic:") for line in fields["tags"].splitlines()):
        yield Remark("note", "check.no_topic")
    if (
        re.fullmatch(r"\d{4}-\d{2}-\d{2}", fields["valid_until"])
        and fields["valid_until"] < today.isoformat()
    ):
        yield Remark("bad", "check.expired")


def numbers(text: str) -> frozenset[str]:
    """Return the figures in a text, thousands separators left out; single digits are too often only words."""
    written_out = _MYRIADS.sub(lambda match: f"{float(match[1]) * 10_000:.0f}", text)
    found = (match.replace(",", "") for match in _NUMBER.findall(written_out))
    return frozenset(number for number in found if len(number) > 1)


def _listed(found: frozenset[str]) -> str:
    shown = sorted(found, key=lambda number: (len(number), number))[:_SHOWN]
    return ", ".join(shown) + (" …" if len(found) > _SHOWN else "")
