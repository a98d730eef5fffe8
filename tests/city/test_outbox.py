"""The outbox: idempotent, in order, leased, given up and tried again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from city.db import make_engine
from city.messages import Button, Reply
from city.outbox import Outbox, OutboxError, OutboxNotConfiguredError, get_outbox, set_outbox

HELLO = Reply("您好 hello", "requests", buttons=(Button("好", "ok"),))


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return make_engine(f"sqlite:///{tmp_path / 'box.db'}")


@pytest.fixture
def outbox(engine: Engine) -> Outbox:
    box = Outbox(engine)
    box.create_tables()
    return box


def test_a_key_is_put_once(outbox: Outbox) -> None:
    calls: list[int] = []
    outbox.listen(lambda: calls.append(1))
    assert outbox.put("c", [HELLO], key="request:1:closed")
    assert not outbox.put("c", [Reply("other", "requests")], key="request:1:closed")
    (parcel,) = outbox.take("me", 10, 60)
    assert parcel.replies == (HELLO,)
    assert (parcel.attempts, calls) == (1, [1])


def test_a_parcel_needs_replies_and_a_key(outbox: Outbox) -> None:
    for replies, key in (([], "k"), ([HELLO], ""), ([HELLO], "k" * 256)):
        with pytest.raises(OutboxError):
            outbox.put("c", replies, key=key)


def test_only_the_oldest_of_a_conversation_leaves(outbox: Outbox) -> None:
    for number in range(3):
        outbox.put("ann", [HELLO], key=f"a{number}")
        outbox.put("bob", [HELLO], key=f"b{number}")
    taken = outbox.take("me", 10, 60)
    assert [parcel.key for parcel in taken] == ["a0", "b0"]
    assert outbox.take("me", 10, 60) == []
    assert outbox.next_due_s() is None
    outbox.sent(taken[0].seq)
    assert [parcel.key for parcel in outbox.take("me", 10, 60)] == ["a1"]


def test_a_waiting_parcel_holds_back_its_conversation_only(outbox: Outbox) -> None:
    outbox.put("ann", [HELLO], key="a0")
    outbox.put("ann", [HELLO], key="a1")
    (first,) = outbox.take("me", 10, 60)
    outbox.again(first.seq, "platform down", 60)
    outbox.put("bob", [HELLO], key="b0")
    assert [parcel.key for parcel in outbox.take("me", 10, 60)] == ["b0"]
    assert 0 < (outbox.next_due_s() or 0) <= 60


def test_dead_letters_are_seen_and_tried_again(outbox: Outbox) -> None:
    outbox.put("ann", [HELLO], key="a0")
    (parcel,) = outbox.take("me", 10, 60)
    outbox.part_sent(parcel.seq, 2, 60)
    outbox.dead(parcel.seq, "blocked")
    (dead,) = outbox.dead_letters()
    assert (dead.error, dead.replies, dict(outbox.counts())) == ("blocked", (HELLO,), {"dead": 1})
    assert outbox.retry(999) == 0
    assert outbox.retry() == 1
    (again,) = outbox.take("me", 10, 60)
    assert (again.attempts, again.parts_sent) == (1, 2)


def test_a_lease_ends_with_its_time_or_its_owner(outbox: Outbox) -> None:
    outbox.put("ann", [HELLO], key="a0")
    assert outbox.take("first", 1, 60)
    assert outbox.take("second", 1, 60) == []
    outbox.release("second")
    assert outbox.take("second", 1, 60) == []
    outbox.release("first")
    (parcel,) = outbox.take("second", 1, -1)
    assert parcel.attempts == 2
    assert outbox.take("third", 1, 60)[0].attempts == 3


def test_delivered_text_is_not_kept_but_its_key_is(outbox: Outbox) -> None:
    outbox.put("ann", [HELLO], key="a0")
    outbox.sent(outbox.take("me", 1, 60)[0].seq)
    assert not outbox.put("ann", [HELLO], key="a0")
    assert outbox.prune(1) == 0
    assert outbox.prune(-1) == 1
    assert outbox.put("ann", [HELLO], key="a0")
    outbox.erase("ann")
    assert dict(outbox.counts()) == {}


def test_threads_put_the_same_key_once(outbox: Outbox) -> None:
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda: results.append(outbox.put("c", [HELLO], key="k"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 7 + [True]


def test_the_process_wide_outbox(outbox: Outbox) -> None:
    set_outbox(None)
    with pytest.raises(OutboxNotConfiguredError, match="start the gateway"):
        get_outbox()
    set_outbox(outbox)
    assert get_outbox() is outbox
    set_outbox(None)
