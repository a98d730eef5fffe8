"""Staff accounts and their sessions in the database."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.engine import Engine, Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from city.db import make_engine, migrate, reading, writing
from console.staff import passwords, tables
from console.staff.clock import utc_now
from console.staff.errors import (
    LastAdminError,
    StaffError,
    UnknownUserError,
    UserExistsError,
    WrongRoleError,
)
from console.staff.roles import ROLES

MIGRATIONS = Path(__file__).parent / "migrations"
# From this many wrong passwords in a row on, each further one locks the account, twice as long every time.
FREE_FAILURES = 5
LOCK_S = 60
MAX_LOCK_S = 3600
_SEEN_EVERY_S = 60
_NAME = re.compile(r"[\w.@-]{1,64}\Z")


@dataclass(frozen=True)
class StaffUser:
    """One account; times are UTC without a zone."""

    id: int
    name: str
    role: str
    language: str
    disabled: bool
    locked_until: datetime | None
    created_at: datetime
    signed_in_at: datetime | None
    single_sign_on: bool


@dataclass(frozen=True)
class StaffSession:
    """A signed-in browser; `key` is the hash that the table knows it by."""

    key: str
    user: StaffUser
    flashes: Sequence[dict[str, str]]


@dataclass(frozen=True)
class SignIn:
    """The outcome of a password check: the account, or for how many seconds it stays locked."""

    user: StaffUser | None
    locked_s: float = 0.0


def fold_name(name: str) -> str:
    """Return a name as names are compared: compatibility forms and case make no difference."""
    return unicodedata.normalize("NFKC", name).casefold()


class StaffStore:
    """Accounts and sessions. Every method is one transaction and safe to call from any thread.

    Args:
        database: SQLAlchemy URL, or an engine of the caller's.
        idle_minutes: a session ends after so long without a request.
        session_hours: a session ends after so long in any case.
        hasher: of passwords; argon2id with the library's recommended cost when left out.
        clock: the time in UTC.
    """

    def __init__(
        self,
        database: str | Engine,
        *,
        idle_minutes: float = 60,
        session_hours: float = 12,
        hasher: PasswordHasher | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.engine = make_engine(database) if isinstance(database, str) else database
        self._owns_engine = isinstance(database, str)
        self._hasher = hasher or PasswordHasher()
        self._clock = clock
        self._idle = timedelta(minutes=idle_minutes)
        self._longest = timedelta(hours=session_hours)
        # Checked for unknown names, so that they take as long as known ones.
        self._nobody = self._hasher.hash(secrets.token_hex(16))
        migrate(self.engine, "console", MIGRATIONS)

    def close(self) -> None:
        """Close the connections."""
        if self._owns_engine:
            self.engine.dispose()

    # Accounts

    def add(self, name: str, role: str, password: str | None, *, subject: str | None = None) -> StaffUser:
        """Make an account.

        Args:
            name: 1 to 64 letters, digits or `. _ - @`.
            role: one of the staff roles.
            password: `None` makes an account that only single sign-on opens.
            subject: the account at the identity provider, `issuer subject`.

        Raises:
            UserExistsError: the name is taken, upper and lower case being the same.
            WrongRoleError: no such role.
            WeakPasswordError: the password is too weak.
            StaffError: the name is none.
        """
        name = unicodedata.normalize("NFKC", name).strip()
        if not _NAME.match(name):
            raise StaffError(
                f"用户名 {name[:70]!r} 无效：请用 1–64 个字母、数字或 . _ - @。 / "
                f"The name {name[:70]!r} must be 1 to 64 letters, digits or . _ - @."
            )
        _check_role(role)
        hashed = "!"
        if password is not None:
            passwords.check_password(name, password)
            hashed = self._hasher.hash(password)
        row = {
            "name": name,
            "folded": fold_name(name),
            "role": role,
            "password_hash": hashed,
            "language": "",
            "disabled": False,
            "failures": 0,
            "subject": subject,
            "created_at": self._clock(),
        }
        try:
            with writing(self.engine) as session:
                session.execute(insert(tables.users).values(row))
                return _user(_row(session, name))
        except IntegrityError:
            raise UserExistsError(
                f"用户 {name!r} 已存在，请换一个名字。 / The user {name!r} exists already; choose another name."
            ) from None

    def find(self, name: str) -> StaffUser:
        """Return an account by its name.

        Raises:
            UnknownUserError: there is none.
        """
        with reading(self.engine) as session:
            return _user(_row(session, name))

    def find_subject(self, subject: str) -> StaffUser | None:
        """Return the account of an identity provider's subject."""
        with reading(self.engine) as session:
            row = session.execute(select(tables.users).where(tables.users.c.subject == subject)).first()
            return _user(row) if row is not None else None

    def users(self) -> list[StaffUser]:
        """Return all accounts by name."""
        with reading(self.engine) as session:
            rows = session.execute(select(tables.users).order_by(tables.users.c.folded))
            return [_user(row) for row in rows]

    def count(self) -> int:
        """Return the number of accounts."""
        with reading(self.engine) as session:
            return int(session.execute(select(func.count()).select_from(tables.users)).scalar_one())

    def set_password(self, name: str, password: str, *, keep_session: str = "") -> StaffUser:
        """Set a new password, lift the lock, and end the account's sessions but `keep_session`.

        Raises:
            UnknownUserError: there is no such account.
            WeakPasswordError: the password is too weak.
        """
        passwords.check_password(self.find(name).name, password)
        hashed = self._hasher.hash(password)
        return self._change(
            name, keep_session=keep_session, password_hash=hashed, failures=0, locked_until=None
        )

    def set_role(self, name: str, role: str) -> StaffUser:
        """Give an account another role; its sessions end, so that nothing of the old role stays open.

        Raises:
            UnknownUserError, WrongRoleError, LastAdminError.
        """
        _check_role(role)
        return self._change(name, role=role)

    def set_disabled(self, name: str, disabled: bool) -> StaffUser:
        """Close or reopen an account; closing ends its sessions.

        Raises:
            UnknownUserError, LastAdminError.
        """
        return self._change(name, disabled=disabled)

    def set_language(self, user_id: int, language: str) -> None:
        """Remember the language an account reads the console in."""
        with writing(self.engine) as session:
            session.execute(
                update(tables.users).where(tables.users.c.id == user_id).values(language=language)
            )

    def _change(self, name: str, *, keep_session: str = "", **values: Any) -> StaffUser:
        with writing(self.engine) as session:
            row = _row(session, name)
            session.execute(update(tables.users).where(tables.users.c.id == row.id).values(values))
            admins = select(func.count()).where(
                tables.users.c.role == "admin", tables.users.c.disabled.is_(False)
            )
            if row.role == "admin" and not row.disabled and not session.execute(admins).scalar_one():
                raise LastAdminError(
                    f"{row.name!r} 是最后一个管理员，请先任命另一位。 / "
                    f"{row.name!r} is the last administrator; appoint another one first."
                )
            session.execute(
                delete(tables.sessions).where(
                    tables.sessions.c.user_id == row.id, tables.sessions.c.token_hash != keep_session
                )
            )
            return _user(_row(session, name))

    # Signing in

    def check(self, name: str, password: str) -> SignIn:
        """Check a password; wrong ones are counted and lock the account for a while.

        A locked account's password is not even looked at, and an unknown name takes as long as a known one.
        """
        now = self._clock()
        with reading(self.engine) as session:
            row = _find(session, name)
        if row is not None and row.locked_until is not None and row.locked_until > now:
            return SignIn(None, (row.locked_until - now).total_seconds())
        right = passwords.verify(
            self._hasher, row.password_hash if row is not None else self._nobody, password
        )
        if row is None:
            return SignIn(None)
        with writing(self.engine) as session:
            if not right:
                return SignIn(None, self._count_failure(session, row.id, now))
            if row.disabled:
                return SignIn(None)
            values: dict[str, Any] = {"failures": 0, "locked_until": None, "signed_in_at": now}
            if self._hasher.check_needs_rehash(row.password_hash):
                values["password_hash"] = self._hasher.hash(password)
            session.execute(update(tables.users).where(tables.users.c.id == row.id).values(values))
            return SignIn(_user(_row(session, name)))

    def _count_failure(self, session: Session, user_id: int, now: datetime) -> float:
        table = tables.users
        session.execute(update(table).where(table.c.id == user_id).values(failures=table.c.failures + 1))
        failures = session.execute(select(table.c.failures).where(table.c.id == user_id)).scalar_one()
        if failures < FREE_FAILURES:
            return 0.0
        lock_s = float(min(LOCK_S * 2 ** min(failures - FREE_FAILURES, 20), MAX_LOCK_S))
        session.execute(
            update(table).where(table.c.id == user_id).values(locked_until=now + timedelta(seconds=lock_s))
        )
        return lock_s

    # Sessions

    def open_session(self, user: StaffUser) -> str:
        """Start a session and return its token, which only the browser keeps; ended ones are swept away."""
        token = secrets.token_urlsafe(32)
        now = self._clock()
        with writing(self.engine) as session:
            session.execute(
                delete(tables.sessions).where(
                    (tables.sessions.c.seen_at < now - self._idle)
                    | (tables.sessions.c.created_at < now - self._longest)
                )
            )
            session.execute(
                insert(tables.sessions).values(
                    token_hash=_hashed(token), user_id=user.id, flashes=[], created_at=now, seen_at=now
                )
            )
        return token

    def session(self, token: str) -> StaffSession | None:
        """Return the session of a token, or `None` when it is unknown, ended, or its account is closed."""
        now, key = self._clock(), _hashed(token)
        opened, users = tables.sessions.c, tables.users.c
        query = (
            select(tables.users, opened.flashes, opened.seen_at, opened.created_at.label("opened_at"))
            .join(tables.sessions, opened.user_id == users.id)
            .where(opened.token_hash == key, users.disabled.is_(False))
        )
        with reading(self.engine) as session:
            row = session.execute(query).first()
        if row is None or now - row.seen_at > self._idle or now - row.opened_at > self._longest:
            return None
        if (now - row.seen_at).total_seconds() > _SEEN_EVERY_S:
            self._set_session(key, seen_at=now)
        return StaffSession(key, _user(row), tuple(row.flashes))

    def close_session(self, token: str) -> None:
        """End a session."""
        with writing(self.engine) as session:
            session.execute(delete(tables.sessions).where(tables.sessions.c.token_hash == _hashed(token)))

    def set_flashes(self, key: str, flashes: Sequence[dict[str, str]]) -> None:
        """Keep messages for the next page of a session."""
        self._set_session(key, flashes=list(flashes))

    def _set_session(self, key: str, **values: Any) -> None:
        with writing(self.engine) as session:
            session.execute(update(tables.sessions).where(tables.sessions.c.token_hash == key).values(values))

    def secret(self, name: str) -> str:
        """Return a random secret of the console, made on first use and shared by all replicas."""
        table = tables.secrets
        with writing(self.engine) as session:
            value = session.execute(select(table.c.value).where(table.c.name == name)).scalar()
            if value is None:
                value = secrets.token_hex(32)
                session.execute(insert(table).values(name=name, value=value))
        return str(value)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise WrongRoleError(
            f"角色 {role!r} 不存在，可用：{'、'.join(ROLES)}。 / "
            f"There is no role {role!r}; use one of {', '.join(ROLES)}."
        )


def _find(session: Session, name: str) -> Row | None:
    query = select(tables.users).where(tables.users.c.folded == fold_name(name[:200]).strip())
    return session.execute(query).first()


def _row(session: Session, name: str) -> Row:
    row = _find(session, name)
    if row is None:
        raise UnknownUserError(
            f"没有用户 {name[:70]!r}；用 chengda user list 查看。 / "
            f"There is no user {name[:70]!r}; chengda user list shows them."
        )
    return row


def _user(row: Row) -> StaffUser:
    return StaffUser(
        id=row.id,
        name=row.name,
        role=row.role,
        language=row.language,
        disabled=row.disabled,
        locked_until=row.locked_until,
        created_at=row.created_at,
        signed_in_at=row.signed_in_at,
        single_sign_on=row.subject is not None,
    )
