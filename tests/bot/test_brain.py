import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from rasa_sdk.interfaces import ActionExecutionRejection

from bot import brain as brain_module
from bot.brain import Brain, BrainConfig, BrainError
from city.messages import Answer, Message

numbers = count()


async def ask(brain: Brain, text: str, conversation: str = "a", **more: Any) -> Answer:
    return await brain.respond(Message(conversation, f"m{next(numbers)}", text, **more))


async def test_the_answer_comes_in_the_language_of_the_question(brain: Brain) -> None:
    assert (
        "城市助手" in (await ask(brain, "你好")).replies[0].text
        or "小测" in (await ask(brain, "你好")).replies[0].text
    )
    english = await ask(brain, "hello")
    assert english.language == "en"
    assert "Testy" in english.replies[0].text


async def test_the_citys_own_names_are_said(brain: Brain) -> None:
    assert "测试市" in (await ask(brain, "你是谁")).replies[0].text
    assert "Testville" in (await ask(brain, "who are you")).replies[0].text


async def test_a_wish_for_a_language_holds_for_texts_that_tell_nothing(brain: Brain) -> None:
    assert "English" in (await ask(brain, "说英文")).replies[0].text
    assert (await ask(brain, "👍")).language == "en"
    assert "中文" in (await ask(brain, "speak chinese")).replies[0].text
    assert (await ask(brain, "👍")).language == "zh"


async def test_the_pages_language_is_a_hint_only(brain: Brain) -> None:
    assert (await ask(brain, "?!", "b", language="en")).language == "en"
    assert (await ask(brain, "你好", "c", language="en")).language == "zh"


async def test_an_emergency_wins(brain: Brain) -> None:
    answer = await ask(brain, "你好，我家着火了")
    assert answer.replies[0].source == "emergency"
    assert "119" in answer.replies[0].text


async def test_the_last_answer_is_repeated(brain: Brain) -> None:
    first = await ask(brain, "转人工")
    again = await ask(brain, "再说一遍")
    assert [reply.text for reply in again.replies] == [reply.text for reply in first.replies]


async def test_nothing_said_yet_to_repeat(brain: Brain) -> None:
    assert (await ask(brain, "say that again", "fresh")).replies[0].source == "smalltalk"


@pytest.mark.parametrize(
    "text", ["/restart", "/emergency", "//greet", "／greet", '/greet{"language": "en"}', "/"]
)
async def test_a_leading_slash_is_no_command(
    brain: Brain, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await ask(brain, text)
    nlu = next(step for step in answer.trace.steps if step["step"] == "nlu")
    assert nlu["intent"].get("confidence") != 1.0 or nlu["intent"]["name"] not in {"restart", "emergency"}


async def test_a_failing_action_apologises_and_keeps_the_slots(
    brain: Brain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(brain, "说英文")
    assert brain._actions is not None

    def fail(*_: Any) -> None:
        raise OSError("the back end is down")

    monkeypatch.setitem(brain._actions.executor.actions, "action_handoff", fail)
    answer = await ask(brain, "talk to a person")
    assert [reply.source for reply in answer.replies] == ["error"]
    assert "Sorry" in answer.replies[0].text
    assert "OSError" in str(answer.trace.steps)
    assert (await ask(brain, "👍")).language == "en"


async def test_a_failing_turn_apologises_and_the_next_one_works(
    brain: Brain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(brain, "你好")
    with monkeypatch.context() as patch:
        patch.setattr(brain, "_parse", lambda *_: 1 / 0)
        assert (await ask(brain, "你好")).replies[0].source == "error"
    assert (await ask(brain, "你好")).replies[0].source == "smalltalk"


async def test_messages_at_once_are_answered_one_after_another(brain: Brain) -> None:
    answers = await asyncio.gather(*(ask(brain, "你好" if n % 2 else "hello", "same") for n in range(20)))
    assert [answer.language for answer in answers] == ["en", "zh"] * 10
    assert brain._store is not None
    tracker = await brain._store.retrieve_full_tracker("same")
    assert tracker is not None
    users = [event.text for event in tracker.events if event.type_name == "user"]
    assert users == ["hello", "你好"] * 10


async def test_a_long_conversation_stays_cheap_and_keeps_its_slots(
    brain: Brain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brain_module, "MAX_TURNS_PER_SESSION", 5)
    await ask(brain, "说英文", "long")
    for _ in range(12):
        answer = await ask(brain, "👍", "long")
        assert answer.language == "en"
    events = next(step["events"] for step in answer.trace.steps if step["step"] == "conversation")
    assert events < 60
    assert brain._store is not None
    full = await brain._store.retrieve_full_tracker("long")
    assert full is not None
    assert sum(event.type_name == "user" for event in full.events) == 13


async def test_a_conversation_outlives_the_process(small_model: Path, tmp_path: Path) -> None:
    config = BrainConfig(small_model, f"sqlite:///{tmp_path / 'c.db'}")
    first = Brain(config)
    first.load()
    await ask(first, "说英文")
    first.close()
    second = Brain(config)
    second.load()
    assert (await ask(second, "👍")).language == "en"
    second.close()


async def test_replicas_share_a_conversation(small_model: Path, tmp_path: Path) -> None:
    config = BrainConfig(small_model, f"sqlite:///{tmp_path / 'c.db'}", replicas=True)
    one, two = Brain(config), Brain(config)
    one.load()
    two.load()
    await ask(one, "说英文")
    assert (await ask(two, "👍")).language == "en"
    await ask(two, "说中文")
    assert (await ask(one, "👍")).language == "zh"
    one.close()
    two.close()


async def test_forgetting_starts_from_nothing(brain: Brain) -> None:
    await ask(brain, "说英文")
    await brain.forget("a")
    assert (await ask(brain, "👍")).language == "zh"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "😀" * 50,
        "\u202e\u200f",
        "\x00\x01",
        "啊" * 10_000,
        "<script>alert(1)</script>",
        "{city}",
        "%s{}",
    ],
)
async def test_odd_texts_are_answered(brain: Brain, text: str) -> None:
    answer = await ask(brain, text)
    assert answer.replies
    assert answer.replies[0].text


async def test_the_trace_names_each_step_and_its_time(brain: Brain) -> None:
    steps = {step["step"]: step for step in (await ask(brain, "转人工")).trace.steps}
    assert {"conversation", "nlu", "action", "dialogue", "store"} <= steps.keys()
    assert "model" in steps["nlu"]
    assert all(step["ms"] >= 0 for step in steps.values())
    assert (
        steps["dialogue"]["actions"] == ["action_handoff"] or "action_handoff" in steps["dialogue"]["actions"]
    )


def test_a_missing_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BrainError, match="chengda train dialogue"):
        Brain(BrainConfig(tmp_path / "none.tar.gz", "sqlite://")).load()


def test_a_damaged_model_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "broken.tar.gz"
    file.write_bytes(b"not a model")
    with pytest.raises(BrainError, match="train dialogue"):
        Brain(BrainConfig(file, "sqlite://")).load()


async def test_a_rejected_action_is_left_to_the_policies(
    brain: Brain, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert brain._actions is not None

    def reject(*_: Any) -> None:
        raise ActionExecutionRejection("action_handoff")

    monkeypatch.setitem(brain._actions.executor.actions, "action_handoff", reject)
    assert (await ask(brain, "转人工")).replies


TALK = ["你好", "谢谢", "你是谁", "说英文", "hello", "👍", "转人工", "再说一遍", "我家着火了", "lorem ipsum"]


async def test_every_prediction_is_the_one_that_rasa_makes(
    brain: Brain, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rasa.core.processor import MessageProcessor
    from rasa.engine.runner.dask import DaskGraphRunner

    quick = MessageProcessor._predict_next_with_tracker
    quick_run = DaskGraphRunner.run
    compared: list[str] = []

    def both(self: Any, tracker: Any) -> Any:
        if tracker.followup_action:
            return quick(self, tracker)
        with monkeypatch.context() as patch:
            patch.setattr(DaskGraphRunner, "run", quick_run.upstream)
            slow = quick.upstream(self, tracker)
        found = quick(self, tracker)
        assert found == slow
        assert found.events == slow.events and found.hide_rule_turn == slow.hide_rule_turn
        compared.append(found.policy_name)
        return found

    monkeypatch.setattr(MessageProcessor, "_predict_next_with_tracker", both)
    for text in TALK:
        answer = await brain.respond(Message("compared", f"p{next(numbers)}", text))
        assert all(reply.source != "error" for reply in answer.replies)
    assert len(compared) >= 2 * len(TALK)
    assert brain._processor is not None and brain._processor._chengda_rules is not None


async def test_memory_is_not_asked_where_a_rule_is_certain(
    brain: Brain, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rasa.core.policies.memoization import MemoizationPolicy

    asked: list[str] = []
    original = MemoizationPolicy.predict_action_probabilities

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append("memory")
        return original(self, *args, **kwargs)

    monkeypatch.setattr(MemoizationPolicy, "predict_action_probabilities", watched)
    await brain.respond(Message("certain", f"p{next(numbers)}", "谢谢"))
    assert asked == []


async def test_a_part_that_fails_is_an_apology_as_before(
    brain: Brain, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rasa.core.policies.rule_policy import RulePolicy

    def broken(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(RulePolicy, "_predict", broken)
    answer = await brain.respond(Message("broken", f"p{next(numbers)}", "谢谢"))
    assert answer.replies[-1].source == "error"
