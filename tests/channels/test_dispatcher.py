"""Order, deduplication, limits, time-outs, draining and erasing, straight at the dispatcher."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from channels.dispatcher import Dispatcher, DuplicateInFlight
from channels.gateway import Limits, Rate
from channels.problem import Problem
from channels.store import ConversationStore
from city.messages import Message


@pytest.fixture
async def store(database: str) -> AsyncIterator[ConversationStore]:
    store = ConversationStore(database)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def make(brain: Any, store: ConversationStore) -> Callable[..., Dispatcher]:
    return lambda **limits: Dispatcher(brain, store, Limits(**limits))


async def _new(store: ConversationStore) -> str:
    return (await store.create())[0]


async def test_twenty_at_once_are_answered_in_order(make: Any, store: Any, brain: Any) -> None:
    dispatcher, conversation = make(), await _new(store)
    messages = [Message(conversation, f"m{n}", str(n)) for n in range(20)]
    answers = await asyncio.gather(*(dispatcher.handle(message, "1.2.3.4") for message in messages))
    assert [seen.text for seen in brain.seen] == [str(n) for n in range(20)]
    assert [answer.replies[0].text for answer in answers] == [str(n) for n in range(20)]
    assert [m.text for m in await store.history(conversation)] == [str(n) for n in range(20)]
    assert brain.most_running == 1
    assert (dispatcher.lanes, dispatcher.admitted) == (0, 0)


async def test_conversations_run_side_by_side_up_to_the_limit(make: Any, store: Any, brain: Any) -> None:
    dispatcher = make(concurrency=3)
    brain.sleep_s = 0.01
    conversations = [await _new(store) for _ in range(9)]
    await asyncio.gather(*(dispatcher.handle(Message(c, "m", "x")) for c in conversations))
    assert brain.most_running == 3
    assert dispatcher.lanes == 0


async def test_the_same_message_twice_is_answered_once(make: Any, store: Any, brain: Any) -> None:
    dispatcher, conversation = make(), await _new(store)
    first = await dispatcher.handle(Message(conversation, "m", "hello"))
    again = await dispatcher.handle(Message(conversation, "m", "changed"))
    assert again == first
    assert len(brain.seen) == 1


async def test_a_duplicate_in_flight_is_refused_and_names_the_turn(
    make: Any, store: Any, brain: Any, eventually: Any
) -> None:
    dispatcher, conversation = make(), await _new(store)
    brain.gate.clear()
    turn = await dispatcher.submit(Message(conversation, "m", "x"))
    with pytest.raises(DuplicateInFlight) as caught:
        await dispatcher.submit(Message(conversation, "m", "x"))
    assert caught.value.turn is turn
    brain.gate.set()
    await turn.result
    assert len(brain.seen) == 1


async def test_a_thousand_duplicates_at_once_are_answered_once(make: Any, store: Any, brain: Any) -> None:
    dispatcher, conversation = make(waiting=2000), await _new(store)
    results = await asyncio.gather(
        *(dispatcher.handle(Message(conversation, "m", "x")) for _ in range(1000)), return_exceptions=True
    )
    assert len(brain.seen) == 1
    assert all(isinstance(r, DuplicateInFlight) or r.replies[0].text == "x" for r in results)
    assert dispatcher.admitted == 0


async def test_rate_limits_refuse_with_a_wait_and_store_nothing(make: Any, store: Any) -> None:
    dispatcher, conversation = make(per_conversation=Rate(0.1, 2)), await _new(store)
    for number in range(2):
        await dispatcher.handle(Message(conversation, str(number), "x"))
    with pytest.raises(Problem, match="rate-limited") as caught:
        await dispatcher.handle(Message(conversation, "2", "x"))
    assert caught.value.retry_after_s == 10
    assert len(await store.history(conversation)) == 2
    # A repeated delivery of what was answered costs nothing.
    assert (await dispatcher.handle(Message(conversation, "0", "x"))).replies


async def test_rate_limit_per_address_spans_conversations(make: Any, store: Any) -> None:
    dispatcher = make(per_address=Rate(0.1, 2))
    conversations = [await _new(store) for _ in range(3)]
    for conversation in conversations[:2]:
        await dispatcher.handle(Message(conversation, "m", "x"), "10.0.0.1")
    with pytest.raises(Problem, match="rate-limited"):
        await dispatcher.handle(Message(conversations[2], "m", "x"), "10.0.0.1")
    await dispatcher.handle(Message(conversations[2], "m", "x"), "10.0.0.2")


async def test_a_full_house_is_overloaded(make: Any, store: Any, brain: Any) -> None:
    dispatcher = make(concurrency=1, waiting=1)
    brain.gate.clear()
    turns = [await dispatcher.submit(Message(await _new(store), "m", "x")) for _ in range(2)]
    with pytest.raises(Problem, match="overloaded") as caught:
        await dispatcher.submit(Message(await _new(store), "m", "x"))
    assert caught.value.retry_after_s
    brain.gate.set()
    await asyncio.gather(*(turn.result for turn in turns))
    assert (await dispatcher.handle(Message(await _new(store), "m", "x"))).replies


async def test_a_slow_brain_gets_an_apology_and_the_next_message_its_turn(
    make: Any, store: Any, brain: Any
) -> None:
    dispatcher, conversation = make(message_timeout_s=0.05), await _new(store)
    brain.gate.clear()
    slow = await dispatcher.submit(Message(conversation, "slow", "公交卡"))
    answered = await slow.result
    assert answered.replies[0].source == "error"
    assert "抱歉" in answered.replies[0].text
    assert "Sorry" in answered.replies[0].text
    assert answered.replies[0].buttons[0].payload == "公交卡"
    brain.gate.set()
    assert (await dispatcher.handle(Message(conversation, "next", "x"))).replies[0].text == "x"
    assert [m.text for m in await store.history(conversation)] == ["公交卡", "x"]


async def test_a_failing_brain_is_never_silence(make: Any, store: Any, brain: Any) -> None:
    dispatcher, conversation = make(), await _new(store)
    brain.fail = RuntimeError("action server down")
    assert (await dispatcher.handle(Message(conversation, "m", "x"))).replies[0].source == "error"


async def test_no_reply_is_an_answer_too(make: Any, store: Any, brain: Any) -> None:
    dispatcher, conversation = make(), await _new(store)
    brain.replies = []
    assert (await dispatcher.handle(Message(conversation, "m", "x"))).replies == ()


async def test_an_unknown_conversation_is_not_found(make: Any) -> None:
    with pytest.raises(Problem, match="not-found"):
        await make().handle(Message("nobody", "m", "x"))


async def test_closing_answers_what_was_accepted(make: Any, store: Any, brain: Any) -> None:
    dispatcher, conversation = make(), await _new(store)
    brain.gate.clear()
    turns = [await dispatcher.submit(Message(conversation, str(n), str(n))) for n in range(3)]
    closing = asyncio.create_task(dispatcher.close(5))
    await asyncio.sleep(0)
    with pytest.raises(Problem, match="shutting-down"):
        await dispatcher.submit(Message(conversation, "late", "x"))
    brain.gate.set()
    await closing
    assert [turn.result.result().replies[0].text for turn in turns] == ["0", "1", "2"]


async def test_what_closing_gives_up_is_answered_when_sent_again(
    make: Any, store: Any, brain: Any, database: str
) -> None:
    dispatcher, conversation = make(), await _new(store)
    brain.gate.clear()
    turns = [await dispatcher.submit(Message(conversation, str(n), str(n))) for n in range(3)]
    await dispatcher.close(0.02)
    for turn in turns:
        with pytest.raises(Problem, match="shutting-down"):
            await turn.result
    assert [m.replies for m in await store.history(conversation)] == [None, None, None]
    assert (dispatcher.lanes, dispatcher.admitted) == (0, 0)
    brain.gate.set()
    successor = make()
    assert (await successor.handle(Message(conversation, "1", "1"))).replies[0].text == "1"


async def test_erasing_stops_the_running_answer_and_forgets_everything(
    make: Any, store: Any, brain: Any
) -> None:
    dispatcher, conversation = make(), await _new(store)
    brain.gate.clear()
    turns = [await dispatcher.submit(Message(conversation, str(n), "x")) for n in range(3)]
    await dispatcher.erase(conversation)
    for turn in turns:
        with pytest.raises(Problem, match="not-found"):
            await turn.result
    assert brain.forgotten == [conversation]
    assert await store.count() == {"conversations": 0, "messages": 0, "feedback": 0}
    assert (dispatcher.lanes, dispatcher.admitted, brain.running) == (0, 0, 0)


async def test_a_failed_erasure_says_so_and_can_be_repeated(make: Any, store: Any, brain: Any) -> None:
    dispatcher, conversation = make(), await _new(store)
    await dispatcher.handle(Message(conversation, "m", "x"))
    brain.fail = RuntimeError("tracker store down")
    with pytest.raises(Problem, match="erase-incomplete"):
        await dispatcher.erase(conversation)
    assert len(await store.history(conversation)) == 1
    brain.fail = None
    await dispatcher.erase(conversation)
    assert await store.history(conversation) == []
