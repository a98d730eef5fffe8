"""The requests module's tables; `actions/requests/migrations` makes them. Times are UTC without an offset."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()
KEY = BigInteger().with_variant(Integer(), "sqlite")

requests = Table(
    "requests_requests",
    metadata,
    Column("id", KEY, primary_key=True, autoincrement=True),
    # What the citizen is told, and the hash of the code that opens it from elsewhere.
    Column("number", String(24), nullable=False, unique=True),
    Column("code_hash", String(64), nullable=False),
    # Filing the same thing twice (a repeated delivery) has the same key.
    Column("filing_key", String(200), nullable=False, unique=True),
    Column("kind", String(12), nullable=False),
    Column("category", String(60), nullable=False, index=True),
    Column("department", String(60), nullable=False, index=True),
    Column("confidence", Float, nullable=False),
    Column("needs_review", Boolean, nullable=False),
    Column("urgency", String(10), nullable=False),
    Column("danger", String(12)),
    Column("state", String(12), nullable=False, index=True),
    Column("outcome", String(12)),
    Column("description", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("lat", Float, index=True),
    Column("lon", Float),
    Column("district", String(40)),
    Column("contact", String(200), nullable=False),
    Column("language", String(2), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("source", String(12), nullable=False),
    Column("conversation_id", String(64), index=True),
    Column("assignee", String(120), nullable=False),
    Column("created_at", DateTime, nullable=False, index=True),
    Column("updated_at", DateTime, nullable=False, index=True),
    Column("respond_due", DateTime, nullable=False),
    Column("resolve_due", DateTime, nullable=False),
    Column("responded_at", DateTime),
    Column("resolved_at", DateTime),
    Column("closed_at", DateTime),
    Column("reopened", Integer, nullable=False),
    Column("rating", Integer),
    Column("solved", Boolean),
    Column("rating_comment", Text, nullable=False),
    Column("token", String(40), nullable=False, unique=True),
    Column("attributes", JSON, nullable=False),
    sqlite_autoincrement=True,
)

events = Table(
    "requests_events",
    metadata,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("request_id", KEY, ForeignKey("requests_requests.id"), nullable=False, index=True),
    Column("at", DateTime, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("state", String(12)),
    Column("public", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    # Public news is told to the citizen once; `False` waits for the push.
    Column("told", Boolean, nullable=False, index=True),
    sqlite_autoincrement=True,
)

followers = Table(
    "requests_followers",
    metadata,
    Column("request_id", KEY, ForeignKey("requests_requests.id"), primary_key=True),
    Column("conversation_id", String(64), primary_key=True),
    Column("language", String(2), nullable=False),
    Column("created_at", DateTime, nullable=False),
)

photos = Table(
    "requests_photos",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("request_id", KEY, ForeignKey("requests_requests.id"), index=True),
    Column("conversation_id", String(64), index=True),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("lat", Float),
    Column("lon", Float),
    Column("created_at", DateTime, nullable=False),
)

# Wrong numbers and codes, so that guessing is slow.
misses = Table(
    "requests_misses",
    metadata,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("conversation_id", String(64), nullable=False, index=True),
    Column("at", DateTime, nullable=False),
    sqlite_autoincrement=True,
)

# What is to be filed at a remote Open311 server, and what became of it there.
outbox = Table(
    "requests_remote",
    metadata,
    Column("request_id", KEY, ForeignKey("requests_requests.id"), primary_key=True),
    Column("state", String(10), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("next_at", DateTime, nullable=False, index=True),
    Column("service_code", String(120), nullable=False),
    Column("marker", String(60), nullable=False),
    Column("remote_id", String(200), index=True),
    Column("remote_token", String(200)),
    Column("remote_status", String(40)),
    Column("last_error", Text, nullable=False),
    Column("polled_at", DateTime),
    UniqueConstraint("marker", name="uq_requests_remote_marker"),
)
