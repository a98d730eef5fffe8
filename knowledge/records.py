"""What the store returns besides articles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class Summary:
    """One article in a list: where it stands, without its text.

    `answers`, `up` and `down` count how often it was given and rated within the list's period.
    """

    id: str
    title: Mapping[str, str]
    category: str
    department: str
    status: str
    version: int
    published_version: int | None
    updated_at: datetime
    updated_by: str
    languages: Sequence[str] = ()
    valid_from: date | None = None
    valid_until: date | None = None
    answers: int = 0
    up: int = 0
    down: int = 0


@dataclass(frozen=True)
class VersionRecord:
    """One line of an article's history."""

    article_id: str
    version: int
    action: str
    comment: str
    author: str
    created_at: datetime


@dataclass(frozen=True)
class StoredPiece:
    """A searchable piece of a published article and its number in the vector store."""

    key: int
    article_id: str
    version: int
    language: str
    kind: str
    text: str
