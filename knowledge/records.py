"""What the store returns besides articles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Summary:
    """One article in a list: where it stands, without its text."""

    id: str
    title: Mapping[str, str]
    category: str
    department: str
    status: str
    version: int
    published_version: int | None
    updated_at: datetime
    updated_by: str


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
