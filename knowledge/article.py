"""The knowledge article: its fields, checks and errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Any

STATUSES = ("draft", "review", "published", "archived")
LANGUAGES = ("zh", "en")
MAX_ANSWER_CHARS = 20_000
MAX_QUESTIONS = 200
# Stands for an answer that staff have yet to write; an article with it is not published.
UNWRITTEN = {"zh": "（待写）", "en": "(to be written)"}

_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,118}\Z")


class ArticleError(Exception):
    """An article is wrong; the message names the article or file, the field, and the mend."""


class ArticleNotFound(ArticleError):
    """There is no article of this id."""


class StaleVersion(ArticleError):
    """Somebody else saved the article in the meantime."""


class WrongStatus(ArticleError):
    """The article cannot go from its status to the wished one."""


@dataclass(frozen=True)
class Article:
    """One article with its fields in Chinese and English; a language that is missing has no key.

    `tags` holds one `topic:<name>`, facets such as `fee` or `hours`, and `district:<id>` where it is local.
    The two dates are the first and last day on which the article is true; `None` leaves that side open.
    """

    id: str
    title: Mapping[str, str]
    questions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    answer: Mapping[str, str] = field(default_factory=dict)
    category: str = ""
    department: str = ""
    tags: Sequence[str] = ()
    source_url: str = ""
    contact: Mapping[str, str] = field(default_factory=dict)
    valid_from: date | None = None
    valid_until: date | None = None
    status: str = "draft"
    version: int = 1
    updated_at: str = ""
    updated_by: str = ""

    @property
    def topic(self) -> str:
        """The name in the `topic:` tag, or ""."""
        return next((tag[6:] for tag in self.tags if tag.startswith("topic:")), "")

    @property
    def facets(self) -> frozenset[str]:
        """The tags that are no `key:value`, such as `fee`."""
        return frozenset(tag for tag in self.tags if ":" not in tag)

    @property
    def districts(self) -> tuple[str, ...]:
        """The ids in `district:` tags; none means the whole city."""
        return tuple(tag[9:] for tag in self.tags if tag.startswith("district:"))

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that have an answer."""
        return tuple(language for language in LANGUAGES if self.answer.get(language))

    @property
    def unwritten(self) -> tuple[str, ...]:
        """The languages whose answer is still to be written."""
        return tuple(language for language, text in self.answer.items() if text == UNWRITTEN[language])

    def title_in(self, language: str) -> str:
        """Return the title in `language`, or in the other one when it has none, or the id."""
        return self.title.get(language) or next((text for text in self.title.values() if text), self.id)

    def is_valid_on(self, day: date) -> bool:
        """Return whether the article is true on `day`."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )

    def content(self) -> dict[str, Any]:
        """Return the JSON form of what a person writes: everything but status, version and who saved it when."""
        data = asdict(self)
        for key in ("id", "status", "version", "updated_at", "updated_by"):
            del data[key]
        data["tags"] = list(self.tags)
        data["questions"] = {language: list(texts) for language, texts in self.questions.items()}
        for key in ("valid_from", "valid_until"):
            data[key] = data[key].isoformat() if data[key] else None
        return data

    def to_dict(self) -> dict[str, Any]:
        """Return all fields in their JSON form, in the order of the article format."""
        content = self.content()
        tail = {key: getattr(self, key) for key in ("status", "version", "updated_at", "updated_by")}
        return {"id": self.id, **content, **tail}


def make_article(data: Mapping[str, Any], *, where: str = "") -> Article:
    """Build an article from its JSON or YAML form and check it.

    Args:
        data: the fields; `title`, `questions` and `answer` by language.
        where: the file or row, named in errors.

    Raises:
        ArticleError: when a field is unknown, missing or wrong.
    """
    where = where or str(data.get("id") or "article")
    unknown = set(data) - set(Article.__dataclass_fields__)
    if unknown:
        known = ", ".join(Article.__dataclass_fields__)
        raise ArticleError(f"{where}: unknown field `{sorted(map(str, unknown))[0]}`; known are {known}")
    article_id = str(data.get("id") or "")
    if not _ID.match(article_id):
        raise ArticleError(f"{where}: `id` {article_id!r} must be lower-case letters, digits and hyphens")
    answer = _texts(data, "answer", where)
    title = _texts(data, "title", where)
    if not answer:
        raise ArticleError(f"{where}: no `answer` in any language; write answer: {{zh: …, en: …}}")
    if not title:
        raise ArticleError(f"{where}: no `title` in any language; write title: {{zh: …, en: …}}")
    for language, text in answer.items():
        if len(text) > MAX_ANSWER_CHARS:
            raise ArticleError(
                f"{where}: `answer.{language}` has {len(text)} characters; split it below {MAX_ANSWER_CHARS}"
            )
    status = str(data.get("status") or "draft")
    if status not in STATUSES:
        raise ArticleError(f"{where}: `status` {status!r} must be one of {', '.join(STATUSES)}")
    valid_from, valid_until = _day(data, "valid_from", where), _day(data, "valid_until", where)
    if valid_from and valid_until and valid_until < valid_from:
        raise ArticleError(f"{where}: `valid_until` {valid_until} lies before `valid_from` {valid_from}")
    return Article(
        id=article_id,
        title=title,
        questions=_questions(data, where),
        answer=answer,
        category=str(data.get("category") or ""),
        department=str(data.get("department") or ""),
        tags=_tags(data, where),
        source_url=_url(data, where),
        contact=_texts(data, "contact", where),
        valid_from=valid_from,
        valid_until=valid_until,
        status=status,
        version=_number(data, where),
        updated_at=str(data.get("updated_at") or ""),
        updated_by=str(data.get("updated_by") or ""),
    )


def with_phrasing(article: Article, language: str, text: str) -> Article:
    """Return the article with one more phrasing; an existing one is not doubled."""
    phrasings = list(article.questions.get(language, ()))
    if text not in phrasings:
        phrasings.append(text)
    return replace(article, questions={**article.questions, language: phrasings})


def _mapping(data: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = data.get(key) or {}
    if not isinstance(value, Mapping):
        raise ArticleError(f"{where}: `{key}` must be given by language, as {key}: {{zh: …, en: …}}")
    wrong = [str(language) for language in value if language not in LANGUAGES]
    if wrong:
        raise ArticleError(
            f"{where}: `{key}.{wrong[0]}` is no language of Chengda; use {', '.join(LANGUAGES)}"
        )
    return value


def _texts(data: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    texts = {}
    for language, value in _mapping(data, key, where).items():
        if value is not None and not isinstance(value, (str, int, float)):
            raise ArticleError(f"{where}: `{key}.{language}` must be text")
        if str(value or "").strip():
            texts[language] = str(value).strip()
    return texts


def _questions(data: Mapping[str, Any], where: str) -> dict[str, list[str]]:
    questions = {}
    for language, values in _mapping(data, "questions", where).items():
        if isinstance(values, str) or not isinstance(values or [], Sequence):
            raise ArticleError(f"{where}: `questions.{language}` must be a list of phrasings")
        if len(values or []) > MAX_QUESTIONS:
            raise ArticleError(
                f"{where}: `questions.{language}` has over {MAX_QUESTIONS} phrasings; keep the best"
            )
        texts = [str(value).strip() for value in values or [] if str(value or "").strip()]
        if texts:
            questions[language] = list(dict.fromkeys(texts))
    return questions


def _tags(data: Mapping[str, Any], where: str) -> tuple[str, ...]:
    tags = data.get("tags") or ()
    if isinstance(tags, str) or not isinstance(tags, Sequence):
        raise ArticleError(f"{where}: `tags` must be a list, as [topic:library, hours]")
    return tuple(dict.fromkeys(str(tag).strip() for tag in tags if str(tag).strip()))


def _day(data: Mapping[str, Any], key: str, where: str) -> date | None:
    value = data.get(key)
    if value in (None, ""):
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value).strip()[:10])
    except ValueError:
        raise ArticleError(f"{where}: `{key}` {value!r} is no date; write it as 2026-12-31") from None


def _number(data: Mapping[str, Any], where: str) -> int:
    try:
        version = int(data.get("version") or 1)
    except (TypeError, ValueError):
        version = 0
    if version < 1:
        raise ArticleError(f"{where}: `version` {data.get('version')!r} must be a whole number from 1")
    return version


def _url(data: Mapping[str, Any], where: str) -> str:
    url = str(data.get("source_url") or "").strip()
    if url and not re.match(r"https?://[^\s<>\"]+\Z", url):
        raise ArticleError(f"{where}: `source_url` {url!r} is no web address; write it as https://…")
    return url
