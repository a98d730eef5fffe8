from pathlib import Path

import pytest
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, BotUttered, SessionStarted, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from bot.tracker_store import ConversationStore

DOMAIN = Domain.from_yaml(
    """
version: "3.1"
intents: [greet]
slots:
  topic: {type: text, influence_conversation: false, mappings: [{type: custom}]}
"""
)


@pytest.fixture(params=[0, 10], ids=["uncached", "cached"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ConversationStore:
    return ConversationStore(f"sqlite:///{tmp_path / 'c.db'}", DOMAIN, cache_size=request.param)


def turn(tracker: DialogueStateTracker, text: str) -> None:
    tracker.update_with_events(
        [
            UserUttered(text, {"name": "greet", "confidence": 1.0}),
            BotUttered("ok"),
            ActionExecuted("action_listen"),
        ],
        DOMAIN,
    )


async def test_turns_are_kept_in_order(store: ConversationStore) -> None:
    tracker = await store.get_or_create_tracker("a")
    for text in ("一", "two", "😀"):
        turn(tracker, text)
        await store.save(tracker)
    store.forget_cached("a")
    again = await store.retrieve("a")
    assert again is not None
    assert [e.text for e in again.events if isinstance(e, UserUttered)] == ["一", "two", "😀"]


async def test_saving_twice_stores_once(store: ConversationStore) -> None:
    tracker = await store.get_or_create_tracker("a")
    turn(tracker, "x")
    await store.save(tracker)
    await store.save(tracker)
    full = await store.retrieve_full_tracker("a")
    assert full is not None
    assert sum(isinstance(e, UserUttered) for e in full.events) == 1


async def test_a_new_session_starts_fresh_and_the_old_one_is_kept(store: ConversationStore) -> None:
    tracker = await store.get_or_create_tracker("a")
    turn(tracker, "old")
    tracker.update_with_events([SessionStarted(), SlotSet("topic", "bus")], DOMAIN)
    await store.save(tracker)
    store.forget_cached("a")
    latest = await store.retrieve("a")
    full = await store.retrieve_full_tracker("a")
    assert latest is not None
    assert full is not None
    assert not any(isinstance(e, UserUttered) for e in latest.events)
    assert latest.get_slot("topic") == "bus"
    assert any(isinstance(e, UserUttered) for e in full.events)


async def test_erase_leaves_nothing(store: ConversationStore, tmp_path: Path) -> None:
    for name in ("a", "b"):
        tracker = await store.get_or_create_tracker(name)
        turn(tracker, f"secret of {name}")
        await store.save(tracker)
    await store.erase("a")
    assert await store.retrieve("a") is None
    assert await store.retrieve("b") is not None
    store.close()
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"secret of a" not in stored
    assert b"secret of b" in stored


async def test_the_cache_is_bounded(tmp_path: Path) -> None:
    store = ConversationStore(f"sqlite:///{tmp_path / 'c.db'}", DOMAIN, cache_size=3)
    for number in range(10):
        tracker = await store.get_or_create_tracker(str(number))
        await store.save(tracker)
    assert len(store._cache) == 3
