"""An article as the fields of a form and back, and merging two people's edits field by field."""

from __future__ import annotations

import re
from collections.abc import Mapping

from console.forms import Form
from knowledge.article import LANGUAGES, MAX_ANSWER_CHARS, Article, make_article

TEXT_FIELDS = ("title", "questions", "answer", "contact")
SINGLE_FIELDS = ("category", "department", "tags", "source_url", "valid_from", "valid_until")
FIELDS = (*(f"{name}_{language}" for name in TEXT_FIELDS for language in LANGUAGES), *SINGLE_FIELDS)
_LIMITS = {"title": 200, "questions": 40_000, "answer": MAX_ANSWER_CHARS, "contact": 500}
_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,118}\Z")

Fields = Mapping[str, str]


def fields_of(article: Article) -> dict[str, str]:
    """Return an article's content as the texts of the editor's fields."""
    fields = {
        "category": article.category,
        "department": article.department,
        "tags": "\n".join(article.tags),
        "source_url": article.source_url,
        "valid_from": article.valid_from.isoformat() if article.valid_from else "",
        "valid_until": article.valid_until.isoformat() if article.valid_until else "",
    }
    for language in LANGUAGES:
        fields[f"title_{language}"] = article.title.get(language, "")
        fields[f"questions_{language}"] = "\n".join(article.questions.get(language, ()))
        fields[f"answer_{language}"] = article.answer.get(language, "")
        fields[f"contact_{language}"] = article.contact.get(language, "")
    return fields


def empty_fields() -> dict[str, str]:
    """Return the fields of an article that nobody has written yet."""
    return dict.fromkeys(FIELDS, "")


def read_fields(form: Form) -> dict[str, str]:
    """Return the editor's fields as sent, each checked; see `form.errors`."""
    fields = {
        f"{name}_{language}": form.text(f"{name}_{language}", limit=_LIMITS[name])
        for name in TEXT_FIELDS
        for language in LANGUAGES
    }
    for name in ("category", "department"):
        fields[name] = form.text(name, limit=60)
    fields["tags"] = "\n".join(form.lines("tags", limit=4_000))
    fields["source_url"] = form.url("source_url")
    first, last = form.day("valid_from"), form.day("valid_until")
    fields["valid_from"] = first.isoformat() if first else form.value("valid_from").strip()
    fields["valid_until"] = last.isoformat() if last else form.value("valid_until").strip()
    if first and last and last < first:
        form.fail("valid_until", "knowledge.dates")
    if not any(fields[f"title_{language}"] and fields[f"answer_{language}"] for language in LANGUAGES):
        form.fail("answer_zh", "knowledge.one_language")
    return fields


def is_article_id(article_id: str) -> bool:
    """Return whether a text can name an article."""
    return bool(_ID.match(article_id))


def article_of(article_id: str, fields: Fields) -> Article:
    """Return the article that the fields describe.

    Raises:
        ArticleError: when a field is wrong.
    """
    data: dict[str, object] = {
        name: {language: fields[f"{name}_{language}"] for language in LANGUAGES}
        for name in ("title", "answer", "contact")
    }
    data["questions"] = {language: fields[f"questions_{language}"].splitlines() for language in LANGUAGES}
    data["tags"] = fields["tags"].splitlines()
    data.update({name: fields[name] for name in SINGLE_FIELDS if name != "tags"})
    return make_article({"id": article_id, **data})


def changes(before: Fields, after: Fields) -> tuple[dict[str, str], dict[str, str]]:
    """Return what differs, as it was and as it is."""
    names = [name for name in FIELDS if before.get(name, "") != after.get(name, "")]
    return {name: before.get(name, "") for name in names}, {name: after.get(name, "") for name in names}


def merge(base: Fields, mine: Fields, theirs: Fields) -> tuple[dict[str, str], dict[str, str]]:
    """Merge two edits of the same version.

    Fields that hold one entry a line (phrasings, tags) are merged line by line; of the others, one that only one
    person changed takes that change.

    Returns:
        The merged fields, mine where both differ, and their text of the fields that both changed differently.
    """
    merged, conflicts = dict(mine), {}
    for name in FIELDS:
        if mine[name] == theirs[name] or theirs[name] == base[name]:
            continue
        if mine[name] == base[name]:
            merged[name] = theirs[name]
        elif name == "tags" or name.startswith("questions_"):
            merged[name] = _merge_lines(base[name], mine[name], theirs[name])
        else:
            conflicts[name] = theirs[name]
    return merged, conflicts


def _merge_lines(base: str, mine: str, theirs: str) -> str:
    old, ours, others = base.splitlines(), mine.splitlines(), theirs.splitlines()
    removed = set(old) - set(others)
    kept = [line for line in ours if line not in removed]
    return "\n".join([*kept, *(line for line in others if line not in old and line not in ours)])
