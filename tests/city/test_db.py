"""Engines, transactions and migrations."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from city.db import DatabaseError, make_engine, migrate, reading, writing

VERSIONS = Path(__file__).resolve().parents[2] / "knowledge" / "migrations"


def test_migration_makes_the_tables_once(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'new' / 'a.db'}")
    head = migrate(engine, "knowledge", VERSIONS)
    assert migrate(engine, "knowledge", VERSIONS) == head
    assert {"knowledge_articles", "knowledge_versions", "alembic_knowledge"} <= set(
        inspect(engine).get_table_names()
    )


def test_two_rooms_share_a_database(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine, "knowledge", VERSIONS)
    other = tmp_path / "versions"
    other.mkdir()
    (other / "0001_x.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision='x1'\ndown_revision=None\n"
        "def upgrade():\n    op.create_table('x', sa.Column('id', sa.Integer, primary_key=True))\n"
    )
    assert migrate(engine, "other", other) == "x1"
    assert "x" in inspect(engine).get_table_names()


def test_failed_block_changes_nothing(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with writing(engine) as session:
        session.execute(text("CREATE TABLE t (n INTEGER)"))

    def fail() -> None:
        with writing(engine) as session:
            session.execute(text("INSERT INTO t VALUES (1)"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with reading(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM t")) == 0


def test_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine, "knowledge", VERSIONS)
    with writing(engine) as session:
        session.execute(text("UPDATE alembic_knowledge SET version_num = 'from_the_future'"))
    with pytest.raises(DatabaseError, match="another version"):
        migrate(engine, "knowledge", VERSIONS)


@pytest.mark.parametrize("url", ["nonsense", "oracle+nothing://u:secret@h/d", "://"])
def test_wrong_url_is_named_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        make_engine(url)
    assert "secret" not in str(caught.value)
    assert "sqlite:////" in str(caught.value)


def test_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("this is no database at all, but long enough to look at" * 20)
    with pytest.raises(DatabaseError, match="cannot be opened"):
        migrate(make_engine(f"sqlite:///{tmp_path / 'a.db'}"), "knowledge", VERSIONS)
