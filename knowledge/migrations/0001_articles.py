"""Articles, versions, passages, the change log and feedback."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "knowledge_0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite counts up by itself only on a plain INTEGER key.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "knowledge_articles",
        sa.Column("id", sa.String(120), primary_key=True),
        sa.Column("head_version", sa.Integer, nullable=False),
        sa.Column("published_version", sa.Integer),
        sa.Column("status", sa.String(12), nullable=False, index=True),
        sa.Column("category", sa.String(60), nullable=False, index=True),
        sa.Column("department", sa.String(60), nullable=False, index=True),
        sa.Column("title_zh", sa.Text, nullable=False),
        sa.Column("title_en", sa.Text, nullable=False),
        sa.Column("import_hash", sa.String(80)),
        sa.Column("imported_version", sa.Integer),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
        sa.Column("updated_by", sa.String(120), nullable=False),
    )
    op.create_table(
        "knowledge_versions",
        sa.Column("article_id", sa.String(120), sa.ForeignKey("knowledge_articles.id"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("content", sa.JSON, nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("author", sa.String(120), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "knowledge_passages",
        sa.Column("key", KEY, primary_key=True, autoincrement=True),
        sa.Column(
            "article_id", sa.String(120), sa.ForeignKey("knowledge_articles.id"), nullable=False, index=True
        ),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "knowledge_changes",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("article_id", sa.String(120), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("author", sa.String(120), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "knowledge_feedback",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("article_id", sa.String(120)),
        sa.Column("probability", sa.Float),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("conversation_id", sa.String(120), index=True),
        sa.Column("status", sa.String(12), nullable=False, index=True),
        sa.Column("resolution", sa.Text, nullable=False),
        sa.Column("resolved_by", sa.String(120), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("feedback", "changes", "passages", "versions", "articles"):
        op.drop_table(f"knowledge_{name}")
