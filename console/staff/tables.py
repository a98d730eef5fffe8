"""The tables of staff accounts, sessions and the audit log."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

# SQLite counts up by itself only on a plain INTEGER key.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

users = sa.Table(
    "console_users",
    metadata,
    sa.Column("id", KEY, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(64), nullable=False),
    # The name as compared: case folded, so that two accounts never look the same.
    sa.Column("folded", sa.String(128), nullable=False, unique=True),
    sa.Column("role", sa.String(12), nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("language", sa.String(2), nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("locked_until", sa.DateTime),
    sa.Column("subject", sa.String(255), unique=True),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("signed_in_at", sa.DateTime),
)

sessions = sa.Table(
    "console_sessions",
    metadata,
    # Only the hash is kept: who reads the table cannot take over a session.
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("user_id", KEY, sa.ForeignKey("console_users.id"), nullable=False, index=True),
    sa.Column("flashes", sa.JSON, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("seen_at", sa.DateTime, nullable=False),
)

secrets = sa.Table(
    "console_secrets",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.String(128), nullable=False),
)

audit = sa.Table(
    "console_audit",
    metadata,
    sa.Column("seq", KEY, primary_key=True, autoincrement=True),
    sa.Column("at", sa.DateTime, nullable=False, index=True),
    sa.Column("user", sa.String(64), nullable=False, index=True),
    sa.Column("role", sa.String(12), nullable=False),
    sa.Column("action", sa.String(60), nullable=False, index=True),
    sa.Column("target", sa.String(255), nullable=False, index=True),
    sa.Column("before", sa.JSON),
    sa.Column("after", sa.JSON),
    sqlite_autoincrement=True,
)
