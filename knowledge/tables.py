"""The knowledge base's tables; `knowledge/migrations` makes them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()
_KEY = BigInteger().with_variant(Integer(), "sqlite")

articles = Table(
    "knowledge_articles",
    metadata,
    Column("id", String(120), primary_key=True),
    # The newest version, which staff are editing, and the one that citizens read (none: not public).
    Column("head_version", Integer, nullable=False),
    Column("published_version", Integer),
    Column("status", String(12), nullable=False),
    Column("category", String(60), nullable=False),
    Column("department", String(60), nullable=False),
    Column("title_zh", Text, nullable=False),
    Column("title_en", Text, nullable=False),
    # What the file looked like when it was last imported, and the version that this made.
    Column("import_hash", String(80)),
    Column("imported_version", Integer),
    Column("created_at", DateTime, nullable=False),
    Column("updated_at", DateTime, nullable=False),
    Column("updated_by", String(120), nullable=False),
    # Of the newest version: the languages that have an answer ("zh,en"), and the days on which it is true.
    Column("languages", String(20), nullable=False, server_default=""),
    Column("valid_from", Date),
    Column("valid_until", Date),
)

versions = Table(
    "knowledge_versions",
    metadata,
    Column("article_id", String(120), ForeignKey("knowledge_articles.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("content", JSON, nullable=False),
    Column("action", String(20), nullable=False),
    Column("comment", Text, nullable=False),
    Column("author", String(120), nullable=False),
    Column("created_at", DateTime, nullable=False),
)

# The searchable pieces of published versions. `key` is the piece's number in the vector store, never used twice.
passages = Table(
    "knowledge_passages",
    metadata,
    Column("key", _KEY, primary_key=True, autoincrement=True),
    Column("article_id", String(120), ForeignKey("knowledge_articles.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("language", String(2), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("position", Integer, nullable=False),
    Column("text", Text, nullable=False),
    sqlite_autoincrement=True,
)

# Every change that the index must follow, and the audit trail; an index remembers the last `seq` it holds.
changes = Table(
    "knowledge_changes",
    metadata,
    Column("seq", _KEY, primary_key=True, autoincrement=True),
    Column("article_id", String(120), nullable=False),
    Column("action", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("author", String(120), nullable=False),
    Column("created_at", DateTime, nullable=False),
    sqlite_autoincrement=True,
)

feedback = Table(
    "knowledge_feedback",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("question", Text, nullable=False),
    Column("language", String(2), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("article_id", String(120)),
    Column("probability", Float),
    Column("comment", Text, nullable=False),
    Column("conversation_id", String(120)),
    Column("status", String(12), nullable=False),
    Column("resolution", Text, nullable=False),
    Column("resolved_by", String(120), nullable=False),
    Column("created_at", DateTime, nullable=False),
    sqlite_autoincrement=True,
)

# How often an article was given as an answer, by the city's day.
usage = Table(
    "knowledge_usage",
    metadata,
    Column("article_id", String(120), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("answers", Integer, nullable=False),
)
