"""Accounts, lock-out, sessions and the audit log."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from console.staff import (
    AuditLog,
    LastAdminError,
    StaffError,
    StaffStore,
    UnknownUserError,
    UserExistsError,
    WeakPasswordError,
    WrongRoleError,
    at_least,
    make_password,
)
from tests.console.conftest import FAST, PASSWORD


class Clock:
    """A clock that stands until it is told to go on."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 9)

    def __call__(self) -> datetime:
        return self.now

    def on(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    """The time of the store."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> StaffStore:
    """An empty store under that clock."""
    return StaffStore(f"sqlite:///{tmp_path / 'console.db'}", hasher=FAST, clock=clock)


def test_roles_are_ordered_and_citizens_are_below_all() -> None:
    assert at_least("admin", "viewer")
    assert not at_least("editor", "publisher")
    assert not at_least("citizen", "viewer")
    assert not at_least("superuser", "viewer")
    with pytest.raises(KeyError):
        at_least("admin", "king")


def test_names_that_look_the_same_are_the_same(store: StaffStore) -> None:
    store.add("Wang", "editor", PASSWORD)
    with pytest.raises(UserExistsError):
        store.add("ｗａｎｇ", "viewer", PASSWORD)
    assert store.find("WANG").name == "Wang"


@pytest.mark.parametrize("name", ["", " ", "a b", "x" * 65, "<b>", "a/b", "a\nb", "a\x00b"])
def test_names_that_are_none_are_refused(store: StaffStore, name: str) -> None:
    with pytest.raises(StaffError, match="1 to 64"):
        store.add(name, "viewer", PASSWORD)


@pytest.mark.parametrize("password", ["", "short", "aaaaaaaaaaaaaaa", "wang-wang-wang", "x" * 300])
def test_weak_passwords_are_refused(store: StaffStore, password: str) -> None:
    with pytest.raises(WeakPasswordError):
        store.add("wang", "viewer", password)


def test_wrong_roles_and_unknown_accounts_are_named(store: StaffStore) -> None:
    with pytest.raises(WrongRoleError, match="'king'"):
        store.add("wang", "king", PASSWORD)
    with pytest.raises(UnknownUserError, match="'li'"):
        store.find("li")


def test_a_password_is_stored_as_argon2id_only(store: StaffStore, tmp_path: Path) -> None:
    store.add("wang", "viewer", PASSWORD)
    store.close()
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"$argon2id$" in content
    assert PASSWORD.encode() not in content


def test_five_wrong_passwords_lock_and_each_further_one_locks_longer(store: StaffStore, clock: Clock) -> None:
    store.add("wang", "viewer", PASSWORD)
    assert [store.check("wang", "wrong").locked_s for _ in range(5)] == [0, 0, 0, 0, 60]
    assert store.check("wang", PASSWORD).user is None
    clock.on(seconds=61)
    assert store.check("wang", "wrong").locked_s == 120
    clock.on(seconds=121)
    assert store.check("wang", PASSWORD).user is not None
    assert store.check("wang", "wrong").locked_s == 0


def test_a_closed_account_cannot_sign_in_and_its_sessions_end(store: StaffStore) -> None:
    store.add("boss", "admin", PASSWORD)
    user = store.add("wang", "viewer", PASSWORD)
    token = store.open_session(user)
    store.set_disabled("wang", True)
    assert store.session(token) is None
    assert store.check("wang", PASSWORD).user is None
    store.set_disabled("wang", False)
    assert store.check("wang", PASSWORD).user is not None


def test_a_new_role_ends_sessions_of_the_old_one(store: StaffStore) -> None:
    user = store.add("wang", "admin", PASSWORD)
    store.add("li", "admin", PASSWORD)
    token = store.open_session(user)
    store.set_role("wang", "viewer")
    assert store.session(token) is None
    with pytest.raises(LastAdminError):
        store.set_role("li", "viewer")
    assert store.find("li").role == "admin"


def test_sessions_end_after_idling_and_in_any_case_after_hours(store: StaffStore, clock: Clock) -> None:
    user = store.add("wang", "viewer", PASSWORD)
    token = store.open_session(user)
    for _ in range(15):
        clock.on(minutes=45)
        assert store.session(token) is not None
    clock.on(minutes=61)
    assert store.session(token) is None
    token = store.open_session(user)
    for _ in range(15):
        clock.on(minutes=50)
        store.session(token)
    assert store.session(token) is None


def test_the_token_of_a_session_is_not_in_the_database(store: StaffStore, tmp_path: Path) -> None:
    token = store.open_session(store.add("wang", "viewer", PASSWORD))
    store.close()
    assert token.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_secrets_are_made_once(store: StaffStore) -> None:
    assert store.secret("csrf") == store.secret("csrf") != store.secret("other")


def test_made_passwords_are_strong(store: StaffStore) -> None:
    made = {make_password() for _ in range(50)}
    assert len(made) == 50
    store.add("wang", "viewer", made.pop())


def test_the_audit_log_keeps_both_states_and_filters(store: StaffStore, clock: Clock) -> None:
    log = AuditLog(store.engine, clock)
    log.add("wang", "editor", "knowledge.save", "library-card", {"title": "旧"}, {"title": "新"})
    clock.on(days=1)
    log.add("li", "admin", "users.add", "100%_x", after={"role": "viewer"})
    assert [entry.user for entry in log.entries()] == ["li", "wang"]
    assert log.entries(action="knowledge.")[0].before == {"title": "旧"}
    assert [entry.user for entry in log.entries(target="%_")] == ["li"]
    assert [entry.user for entry in log.entries(until=datetime(2026, 3, 2))] == ["wang"]
    assert log.entries(user="li")[0].before is None
