"""What lists of articles filter by, and how often each article answered."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "knowledge_0002"
down_revision = "knowledge_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, fill them from the newest versions, and make the table of usage."""
    op.add_column(
        "knowledge_articles", sa.Column("languages", sa.String(20), nullable=False, server_default="")
    )
    op.add_column("knowledge_articles", sa.Column("valid_from", sa.Date))
    op.add_column("knowledge_articles", sa.Column("valid_until", sa.Date))
    op.create_table(
        "knowledge_usage",
        sa.Column("article_id", sa.String(120), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("answers", sa.Integer, nullable=False),
    )
    op.create_index("ix_knowledge_feedback_article", "knowledge_feedback", ["article_id", "kind"])
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            "SELECT a.id AS id, v.content AS content FROM knowledge_articles a "
            "JOIN knowledge_versions v ON v.article_id = a.id AND v.version = a.head_version"
        )
    ).fetchall()
    change = sa.text(
        "UPDATE knowledge_articles SET languages = :languages, valid_from = :valid_from, "
        "valid_until = :valid_until WHERE id = :id"
    ).bindparams(sa.bindparam("valid_from", type_=sa.Date), sa.bindparam("valid_until", type_=sa.Date))
    for row in rows:
        content = json.loads(row.content) if isinstance(row.content, str) else row.content
        connection.execute(change, {"id": row.id, **_facts(content)})


def _facts(content: dict[str, Any]) -> dict[str, Any]:
    answers = content.get("answer") or {}
    days = {key: content.get(key) for key in ("valid_from", "valid_until")}
    return {
        "languages": ",".join(language for language in ("zh", "en") if answers.get(language)),
        **{key: date.fromisoformat(day) if day else None for key, day in days.items()},
    }


def downgrade() -> None:
    """Undo it."""
    op.drop_index("ix_knowledge_feedback_article", "knowledge_feedback")
    op.drop_table("knowledge_usage")
    with op.batch_alter_table("knowledge_articles") as batch:
        for name in ("languages", "valid_from", "valid_until"):
            batch.drop_column(name)
