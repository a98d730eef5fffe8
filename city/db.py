"""The SQLAlchemy engine, sessions and Alembic migrations; each room declares its own tables and migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool, StaticPool

MIGRATIONS_ENV = Path(__file__).parent / "migrations"


class DatabaseError(Exception):
    """A database cannot be opened or migrated; the message names it (without its password) and the mend."""


def make_engine(url: str, *, pool_size: int = 8) -> Engine:
    """Return an engine for `url`.

    SQLite files get write-ahead logging, so that readers never wait for a writer, and their folder is made.

    Args:
        url: SQLAlchemy URL such as `sqlite:////srv/var/knowledge.db` or `postgresql://user:pw@host/name`.
        pool_size: connections that are kept open.

    Raises:
        DatabaseError: when the URL is none or its driver is not installed.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(url, future=True, pool_pre_ping=True, pool_size=pool_size)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise DatabaseError(
            f"database URL {_shown(url)!r} cannot be used ({error}); write it as sqlite:////path/file.db or "
            "postgresql://user:password@host/name"
        ) from None
    memory = parsed.database in (None, "", ":memory:")
    if not memory:
        Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
    pool: dict[str, Any] = (
        {"poolclass": StaticPool} if memory else {"poolclass": QueuePool, "pool_size": pool_size}
    )
    engine = create_engine(url, future=True, connect_args={"check_same_thread": False, "timeout": 15}, **pool)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # Transactions are begun by the listener below: pysqlite would begin them too late for BEGIN IMMEDIATE.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=15000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Yield a session whose work is committed as one whole, or rolled back when the block raises.

    On SQLite the write lock is taken at once: two writers queue instead of failing in the middle.
    """
    with Session(engine.execution_options(writes=True), future=True) as session, session.begin():
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Yield a session for reading."""
    with Session(engine, future=True) as session:
        yield session


def migrate(engine: Engine, room: str, versions: Path) -> str:
    """Bring one room's tables up to its newest migration.

    Args:
        engine: the database.
        room: the room's name; its state is kept in the table `alembic_<room>`, so that rooms may share a database.
        versions: the folder with the room's migration scripts.

    Returns:
        The revision the tables are at.

    Raises:
        DatabaseError: when the database cannot be reached or was made by a newer version of Chengda.
    """
    config = Config()
    config.set_main_option("script_location", MIGRATIONS_ENV.as_posix().replace("%", "%%"))
    config.set_main_option("version_locations", versions.as_posix().replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["version_table"] = f"alembic_{room}"
    try:
        with engine.execution_options(writes=True).begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise DatabaseError(
            f"{_shown(str(engine.url))}: its tables of {room} were made by another version ({error}); "
            "run the newest Chengda, or restore a backup"
        ) from error
    except SQLAlchemyError as error:
        raise DatabaseError(f"{_shown(str(engine.url))}: cannot be opened ({error})") from error
    return str(ScriptDirectory.from_config(config).get_current_head())


def _shown(url: str) -> str:
    try:
        return str(make_url(url).render_as_string(hide_password=True))
    except ArgumentError:
        return url
