"""The store through its public door, on a real SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event

from channels.records import Access, Claim
from channels.store import ConversationStore
from city.messages import Citation, Reply


@pytest.fixture
async def store(database: str) -> AsyncIterator[ConversationStore]:
    store = ConversationStore(database)
    await store.open()
    yield store
    await store.close()


async def test_only_the_hash_of_a_token_is_kept(store: ConversationStore, tmp_path: Path) -> None:
    conversation_id, token = await store.create()
    assert await store.check_token(conversation_id, token) is Access.GRANTED
    assert await store.check_token(conversation_id, token + "x") is Access.REFUSED
    assert await store.check_token(conversation_id, "\ud800") is Access.REFUSED
    assert await store.check_token("nobody", token) is Access.UNKNOWN
    await store.close()
    assert all(token.encode() not in path.read_bytes() for path in tmp_path.iterdir())


async def test_claim_answer_and_claim_again(store: ConversationStore) -> None:
    conversation_id, _ = await store.create()
    assert (await store.claim(conversation_id, "m1", "你好", 10, create=False)).kind == Claim.REFUSED
    assert (await store.claim(conversation_id, "m1", "你好", 10)).kind == Claim.NEW
    reply = Reply("您好", "knowledge", (Citation("a", "标题", "https://x.example/"),))
    await store.save_answer(conversation_id, "m1", "zh", [reply])
    claim = await store.claim(conversation_id, "m1", "你好", 10)
    assert claim.kind == Claim.ANSWERED
    assert claim.message is not None
    assert claim.message.replies == (reply,)
    assert (await store.claim("nobody", "m1", "x", 10)).kind == Claim.UNKNOWN


async def test_an_empty_answer_counts_as_answered(store: ConversationStore) -> None:
    conversation_id, _ = await store.create()
    await store.claim(conversation_id, "m", "x", 10)
    await store.save_answer(conversation_id, "m", "zh", [])
    assert (await store.claim(conversation_id, "m", "x", 10)).kind == Claim.ANSWERED


async def test_two_processes_share_messages_by_lease(store: ConversationStore, database: str) -> None:
    conversation_id, _ = await store.create()
    await store.claim(conversation_id, "m", "x", 60)
    other = ConversationStore(database)
    other.is_open = True
    assert (await other.claim(conversation_id, "m", "x", 60)).kind == Claim.BUSY
    await store.claim(conversation_id, "late", "x", -1)
    assert (await other.claim(conversation_id, "late", "x", 60)).kind == Claim.NEW
    assert (await store.claim(conversation_id, "late", "x", 60)).kind == Claim.BUSY
    await other.close()
    assert (await store.claim(conversation_id, "late", "x", 60)).kind == Claim.NEW


async def test_what_a_killed_process_left_is_free_after_a_restart(
    store: ConversationStore, database: str
) -> None:
    conversation_id, _ = await store.create()
    await store.claim(conversation_id, "m", "x", 3600)
    successor = ConversationStore(database)
    await successor.open()
    assert (await successor.claim(conversation_id, "m", "x", 60)).kind == Claim.NEW
    await successor.close()


async def test_history_in_order_after_and_limit(store: ConversationStore) -> None:
    conversation_id, _ = await store.create()
    for number in range(5):
        await store.claim(conversation_id, f"m{number}", str(number), 10)
    assert [m.text for m in await store.history(conversation_id)] == list("01234")
    assert [m.text for m in await store.history(conversation_id, "m2")] == list("34")
    assert [m.text for m in await store.history(conversation_id, limit=2)] == list("34")
    assert len(await store.history(conversation_id, "unknown")) == 5


async def test_erase_leaves_no_trace_on_disk(store: ConversationStore, tmp_path: Path) -> None:
    conversation_id, _ = await store.create()
    secret = "MySecretPassportNumber"
    await store.claim(conversation_id, "m", secret, 10)
    await store.save_answer(conversation_id, "m", "en", [Reply("Echo " + secret, "smalltalk")])
    assert await store.rate(conversation_id, "m", "down", "Comment" + secret)
    assert any(secret.encode() in path.read_bytes() for path in tmp_path.iterdir())
    await store.erase(conversation_id)
    assert await store.count() == {"conversations": 0, "messages": 0, "feedback": 0}
    assert all(secret.encode() not in path.read_bytes() for path in tmp_path.iterdir())


async def test_the_latest_rating_stays(store: ConversationStore) -> None:
    conversation_id, _ = await store.create()
    await store.claim(conversation_id, "m", "x", 10)
    assert not await store.rate(conversation_id, "other", "up", "")
    await store.rate(conversation_id, "m", "up", "")
    await store.rate(conversation_id, "m", "down", "no")
    assert (await store.count())["feedback"] == 1
    assert (await store.history(conversation_id))[0].rating == "down"


async def test_a_sender_keeps_one_conversation_per_channel(store: ConversationStore) -> None:
    first = await store.for_sender("telegram", "42")
    assert await store.for_sender("telegram", "42") == first
    assert await store.for_sender("slack", "42") != first
    found = await store.describe(first)
    assert found is not None
    assert (found.channel, found.sender_id) == ("telegram", "42")
    assert await store.check_token(first, "") is Access.REFUSED


async def test_the_engine_never_runs_on_the_event_loop(database: str) -> None:
    import threading

    threads: set[str] = set()
    engine = create_engine(database, future=True, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "before_cursor_execute")
    def note(*_: Any) -> None:
        threads.add(threading.current_thread().name)

    store = ConversationStore(engine)
    await store.open()
    await store.create()
    await store.close()
    assert threads
    assert all(name.startswith("channels-store") for name in threads)
    engine.dispose()
