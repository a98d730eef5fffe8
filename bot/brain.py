"""The embedded Rasa agent: takes one `Message`, returns one `Answer`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from bot import patches

patches.keep_tensorflow_out()
patches.apply()

from rasa.core.agent import Agent  # noqa: E402
from rasa.core.channels.channel import UserMessage  # noqa: E402
from rasa.core.lock_store import InMemoryLockStore, LockStore  # noqa: E402
from rasa.core.processor import MessageProcessor  # noqa: E402
from rasa.shared.constants import DEFAULT_NLU_FALLBACK_INTENT_NAME  # noqa: E402
from rasa.shared.core.constants import ACTION_LISTEN_NAME  # noqa: E402
from rasa.shared.core.domain import Domain  # noqa: E402
from rasa.shared.core.events import ActionExecuted, SessionStarted, SlotSet, UserUttered  # noqa: E402
from rasa.shared.core.trackers import DialogueStateTracker  # noqa: E402

from bot.action_endpoint import APOLOGY, InProcessActions  # noqa: E402
from bot.components.language import DETECTED, ENTITY  # noqa: E402
from bot.components.models import MODEL  # noqa: E402
from bot.output import ReplyCollector  # noqa: E402
from bot.steering import steer  # noqa: E402
from bot.tracker_store import ConversationStore  # noqa: E402
from city.messages import Answer, Message, Reply, Trace, current_trace  # noqa: E402

logger = logging.getLogger(__name__)

# A turn costs a little more with every earlier one of its session, so long conversations are cut into sessions.
MAX_TURNS_PER_SESSION = 30
# Rasa's own wait is one second, which makes simultaneous messages of one citizen wait for whole seconds.
LOCK_POLL_S = 0.02
LOCK_LIFETIME_S = 60.0


class BrainError(RuntimeError):
    """The dialogue model is missing or cannot be loaded; the message says what to do."""


@dataclass(frozen=True)
class BrainConfig:
    """What the brain needs to know of the city.

    `names` maps a language to the values of the slots that responses mention (`city`, `assistant`, `hotline`,
    `emergency_numbers`). `tracker_url` is an SQLAlchemy URL. `replicas` says that other processes serve the
    same conversations, so nothing may be kept in memory between turns.
    """

    model: Path
    tracker_url: str
    default_language: str = "zh"
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    replicas: bool = False


class Brain:
    """Answers messages with Rasa's agent; one conversation's messages are worked one after another."""

    def __init__(self, config: BrainConfig, lock_store: LockStore | None = None) -> None:
        self._config = config
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._lock_store = lock_store or InMemoryLockStore()
        self._store: ConversationStore | None = None
        self._processor: MessageProcessor | None = None
        self._actions: InProcessActions | None = None

    def load(self) -> None:
        """Load the dialogue model, the conversation store and the actions.

        Raises:
            BrainError: when the model is missing, damaged or names actions that do not exist.
        """
        if not self._config.model.exists():
            raise BrainError(f"{self._config.model}: no dialogue model; run `chengda train dialogue`")
        self._actions = InProcessActions()
        self._store = ConversationStore(
            self._config.tracker_url, cache_size=0 if self._config.replicas else 2000
        )
        agent = Agent(tracker_store=self._store, lock_store=self._lock_store, action_endpoint=self._actions)
        try:
            agent.load_model(self._config.model)
        except Exception as error:
            raise BrainError(
                f"{self._config.model}: cannot be loaded ({error}); run `chengda train dialogue` again"
            ) from error
        processor = agent.processor
        missing = sorted(
            set(processor.domain.user_actions) - set(self._actions.names) - _utterances(processor.domain)
        )
        if missing:
            raise BrainError(f"the dialogue model names actions that no module has: {', '.join(missing)}")
        self._processor = processor
        # The first parse loads the language model; better now than in a citizen's turn.
        self._parse(
            Message("warm-up", "warm-up", "你好"), DialogueStateTracker.from_events("warm-up", []), "zh"
        )

    def ready(self) -> Mapping[str, bool]:
        """Return what is loaded."""
        return {"dialogue": self._processor is not None}

    async def respond(self, message: Message) -> Answer:
        """Answer one message.

        Never raises for what a message or an action does: the citizen then gets an apology, and the
        conversation stays as it was stored before.
        """
        lock = self._locks.setdefault(message.conversation_id, asyncio.Lock())
        async with lock:
            if not self._config.replicas:
                return await self._turn(message)
            async with self._lock_store.lock(
                message.conversation_id, lock_lifetime=LOCK_LIFETIME_S, wait_time_in_seconds=LOCK_POLL_S
            ):
                return await self._turn(message)

    async def forget(self, conversation_id: str) -> None:
        """Erase everything stored of a conversation."""
        assert self._store is not None
        await self._store.erase(conversation_id)

    def close(self) -> None:
        """Finish pending writes."""
        if self._store is not None:
            self._store.close()

    async def _turn(self, message: Message) -> Answer:
        trace = Trace(message.conversation_id, message.message_id)
        token = current_trace.set(trace)
        language = message.language or self._config.default_language
        collector = ReplyCollector()
        try:
            language = await self._converse(message, collector, trace)
        except Exception as error:
            logger.exception("turn failed")
            trace.steps.append({"step": "turn", "error": type(error).__name__})
            assert self._store is not None
            self._store.forget_cached(message.conversation_id)
            collector.replies.append(Reply(APOLOGY.get(language, APOLOGY["en"]), "error"))
        finally:
            current_trace.reset(token)
        if not collector.replies:
            logger.error("no reply was made for intent %s", [s for s in trace.steps if s["step"] == "nlu"])
            collector.replies.append(Reply(APOLOGY.get(language, APOLOGY["en"]), "error"))
        return Answer(message.message_id, language, tuple(collector.replies), trace)

    async def _converse(self, message: Message, collector: ReplyCollector, trace: Trace) -> str:
        processor = self._processor
        if processor is None:
            raise BrainError("the brain is not loaded yet")
        with trace.step("conversation") as record:
            tracker = await processor.fetch_tracker_and_update_session(message.conversation_id, collector)
            await self._bound_session(tracker)
            record["events"] = len(tracker.events)
        conversation_language = tracker.get_slot("language") or message.language
        with trace.step("nlu") as record:
            user, parse = await asyncio.to_thread(self._parse, message, tracker, conversation_language)
            language = _reply_language(parse) or self._config.default_language
            record.update(
                language=language,
                detected=parse.get(DETECTED),
                intent=parse["intent"],
                ranking=parse.get("intent_ranking", [])[:3],
                entities=[e for e in parse["entities"] if e["entity"] != ENTITY],
                model=parse.get(MODEL),
            )
        user.parse_data = parse
        with trace.step("dialogue") as record:
            self._name_city(tracker, language)
            await processor._handle_message_with_tracker(user, tracker)
            tracker = await processor.run_action_extract_slots(collector, tracker)
            await processor._run_prediction_loop(collector, tracker)
            if tracker.latest_action_name != ACTION_LISTEN_NAME:
                # The loop was cut off at its limit; without this the next message would find it still running.
                tracker.update(ActionExecuted(ACTION_LISTEN_NAME), processor.domain)
            record["actions"] = _actions_of_turn(tracker)
        with trace.step("store"):
            await processor.save_tracker(tracker)
        return str(tracker.get_slot("language") or language)

    def _parse(
        self, message: Message, tracker: DialogueStateTracker, conversation_language: str | None
    ) -> tuple[UserMessage, dict[str, Any]]:
        assert self._processor is not None
        user = UserMessage(
            # Rasa takes a leading slash for a command that names an intent, past every classifier and check.
            text=message.text.lstrip().lstrip("/／") or message.text.strip("/／ ") or "?",
            sender_id=message.conversation_id,
            message_id=message.message_id,
            input_channel=message.channel,
            metadata={
                "conversation_language": conversation_language,
                "role": message.role,
                "channel": message.channel,
                "message_id": message.message_id,
                # A position shared and photos sent with the message, for the actions that can use them.
                **{k: message.metadata[k] for k in ("location", "attachments") if message.metadata.get(k)},
            },
        )
        parse = self._processor._parse_message_with_graph(user, tracker)
        if parse["intent"].get("name") not in self._processor.domain.intents:
            # No rule can answer an intent that the dialogue does not know, say of a newer language model.
            parse["intent"] = {"name": DEFAULT_NLU_FALLBACK_INTENT_NAME, "confidence": 1.0}
        return user, steer(parse, user.text, message.role, tracker.get_slot("last_topic"))

    def _name_city(self, tracker: DialogueStateTracker, language: str) -> None:
        assert self._processor is not None
        for slot, value in self._config.names.get(language, {}).items():
            if slot in tracker.slots and tracker.get_slot(slot) != value:
                tracker.update(SlotSet(slot, value), self._processor.domain)

    async def _bound_session(self, tracker: DialogueStateTracker) -> None:
        """Begin a new session, slots kept, when the current one is long and no form is open."""
        assert self._store is not None
        assert self._processor is not None
        turns = sum(isinstance(event, UserUttered) for event in tracker.events)
        if turns < MAX_TURNS_PER_SESSION or tracker.active_loop_name:
            return
        slots = {name: slot.value for name, slot in tracker.slots.items() if slot.value != slot.initial_value}
        fresh = [SessionStarted(), *(SlotSet(name, value) for name, value in slots.items())]
        tracker.update_with_events([*fresh, ActionExecuted(ACTION_LISTEN_NAME)], self._processor.domain)
        await self._processor.save_tracker(tracker)
        self._store.forget_cached(tracker.sender_id)
        reloaded = await self._store.retrieve(tracker.sender_id)
        assert reloaded is not None
        tracker.__dict__.update(reloaded.__dict__)
        if not self._config.replicas:
            self._store._remember(tracker)


def _utterances(domain: Domain) -> set[str]:
    return set(domain.responses) | {name for name in domain.user_actions if name.startswith("utter_")}


def _reply_language(parse: Mapping[str, Any]) -> str | None:
    return next((str(e["value"]) for e in parse["entities"] if e["entity"] == ENTITY), None)


def _actions_of_turn(tracker: DialogueStateTracker) -> list[str]:
    names: list[str] = []
    for event in reversed(tracker.events):
        if isinstance(event, UserUttered):
            break
        if isinstance(event, ActionExecuted) and event.action_name:
            names.append(event.action_name)
    return names[::-1]
