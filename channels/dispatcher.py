"""From a channel's message to the brain and back: deduplicated, in order, limited, never silent."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from channels.config import Limits
from channels.limits import TokenBuckets
from channels.notice import PAGE, Notice, said_first
from channels.problem import Problem, not_found
from channels.protocols import Brain, ConversationObserver, ConversationOwner, TurnObserver
from channels.records import Claim, StoredMessage
from channels.store import ConversationStore
from city.messages import Answer, Button, Message, Reply, Trace

logger = logging.getLogger(__name__)

_SHOW_THEMSELVES = frozenset({PAGE, "phone"})


class DuplicateInFlight(Problem):
    """The same message is being answered now; `turn` is that answer when this process works on it."""

    def __init__(self, turn: Turn | None) -> None:
        super().__init__(
            "duplicate-in-flight",
            "这条消息正在处理中，请稍候。",
            "This message is being answered; ask again in a moment.",
            retry_after_s=1,
        )
        self.turn = turn


@dataclass(eq=False)
class Turn:
    """One accepted message: `started` is set when the brain begins, `result` holds the answered message."""

    message: Message
    stored: StoredMessage
    started: asyncio.Event = field(default_factory=asyncio.Event)
    result: asyncio.Future[StoredMessage] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def __post_init__(self) -> None:
        # A citizen who has left never asks for the result; that is no error worth a log line.
        self.result.add_done_callback(lambda future: future.cancelled() or future.exception())


class _Lane:
    """The queue of one conversation; it lives while somebody waits in it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.turns: deque[Turn] = deque()
        self.task: asyncio.Task[None] | None = None
        self.current: Turn | None = None
        self.visitors = 0


def _shutting_down() -> Problem:
    return Problem(
        "shutting-down",
        "服务正在重启，您的消息已保留，请稍后再试。",
        "The service is restarting; your message is kept, try again in a moment.",
        retry_after_s=5,
    )


def apology(text: str) -> Reply:
    """Return the reply for an answer that failed or took too long; its button asks again."""
    return Reply(
        text="抱歉，我没能及时给出答复。您的问题已保留，请再试一次。\n\n"
        "Sorry, I could not answer in time. Your question is kept; please try again.",
        source="error",
        buttons=(Button("再试一次 / Try again", text),),
    )


def spoken_in(replies: Sequence[Reply]) -> str:
    """Return the language that replies are written in, as their script tells."""
    text = "".join(reply.text for reply in replies)
    return "zh" if not text or any("\u3400" <= letter <= "\u9fff" for letter in text) else "en"


class Dispatcher:
    """Feeds the brain from every channel.

    Messages of one conversation are answered one after the other in the order of arrival; messages of
    different conversations side by side, at most `limits.concurrency` at a time.

    Args:
        brain: answers.
        store: keeps messages and answers.
        limits: see `Limits`.
        own_words: answers the few words that the gateway itself understands, `None` for all others.
        owner: asked before the brain whether a person owns the conversation; the brain is then left out.
        turn_observers: told of every turn that the brain answered.
        conversation_observers: told of ratings, and before a conversation is erased from the store.
        notice: returns the notice to all citizens; it is said once in each conversation of a chat app.
        enabled: whether a channel is switched on now; asked by what takes messages in.
    """

    def __init__(
        self,
        brain: Brain,
        store: ConversationStore,
        limits: Limits | None = None,
        *,
        owner: ConversationOwner | None = None,
        own_words: Callable[[Message], Awaitable[Reply | None]] | None = None,
        turn_observers: Sequence[TurnObserver] = (),
        conversation_observers: Sequence[ConversationObserver] = (),
        notice: Callable[[], Notice | None] = lambda: None,
        enabled: Callable[[str], bool] = lambda name: True,
    ) -> None:
        self.brain = brain
        self.store = store
        self.limits = limits or Limits()
        self.owner = owner
        self.own_words = own_words
        self.notice = notice
        self.enabled = enabled
        self.turn_observers = tuple(turn_observers)
        self.conversation_observers = tuple(conversation_observers)
        self._lanes: dict[str, _Lane] = {}
        self._running: dict[tuple[str, str], Turn] = {}
        self._slots = asyncio.Semaphore(self.limits.concurrency)
        self._admitted = 0
        self._per_conversation = TokenBuckets(self.limits.per_conversation)
        self._per_address = TokenBuckets(self.limits.per_address)
        self.closing = False
        # Told the id of every erased conversation, so that open connections to it can end.
        self.on_erased: Callable[[str], Awaitable[None]] | None = None

    @property
    def lanes(self) -> int:
        """Number of conversations with somebody waiting."""
        return len(self._lanes)

    @property
    def admitted(self) -> int:
        """Number of messages being stored, waiting or being answered."""
        return self._admitted

    def busy(self, conversation_id: str) -> bool:
        """Return whether somebody waits in a conversation."""
        return conversation_id in self._lanes

    async def handle(self, message: Message, address: str = "") -> StoredMessage:
        """Return the answered message; see `submit` for what it raises."""
        turn = await self.submit(message, address)
        return await asyncio.shield(turn.result)

    async def submit(self, message: Message, address: str = "") -> Turn:
        """Store a message and queue it; it is safe in the store when this returns.

        Args:
            message: `conversation_id` and `message_id` together are the idempotency key.
            address: network address for the limit per address; empty for trusted platforms.

        Raises:
            DuplicateInFlight: the same message is being answered.
            Problem: `not-found`, `rate-limited`, `overloaded` or `shutting-down`.
        """
        if self.closing:
            raise _shutting_down()
        running = self._running.get((message.conversation_id, message.message_id))
        if running is not None:
            raise DuplicateInFlight(running)
        if self._admitted >= self.limits.concurrency + self.limits.waiting:
            raise Problem(
                "overloaded",
                "当前咨询人数较多，请稍后再试。",
                "Many people are asking at this moment; try again shortly.",
                retry_after_s=2,
            )
        lane = self._lanes.setdefault(message.conversation_id, _Lane())
        lane.visitors += 1
        self._admitted += 1
        queued = False
        try:
            async with lane.lock:
                turn = await self._admit(lane, message, address)
            queued = not turn.result.done()
            return turn
        finally:
            lane.visitors -= 1
            if not queued:
                self._admitted -= 1
            self._drop_if_idle(message.conversation_id, lane)

    async def _admit(self, lane: _Lane, message: Message, address: str) -> Turn:
        key = (message.conversation_id, message.message_id)
        if key in self._running:
            raise DuplicateInFlight(self._running[key])
        wait_s = max(
            self._per_conversation.wait_s(message.conversation_id),
            self._per_address.wait_s(address) if address else 0.0,
        )
        lease_s = self.limits.message_timeout_s * 2
        # An answer given before is free: the limit only stops messages not seen yet from being stored.
        claim = await self.store.claim(*key, message.text, lease_s, create=not wait_s)
        if claim.kind == Claim.REFUSED:
            raise Problem(
                "rate-limited",
                "发送过于频繁，请稍候再发。",
                "Too many messages in a short time; wait a moment before sending again.",
                retry_after_s=wait_s,
            )
        if claim.message is None:
            raise not_found()
        if claim.kind == Claim.BUSY:
            raise DuplicateInFlight(None)
        turn = Turn(replace(message, text=claim.message.text), claim.message)
        if claim.kind == Claim.ANSWERED:
            turn.started.set()
            turn.result.set_result(claim.message)
            return turn
        if self.closing:
            raise _shutting_down()
        self._per_conversation.take(message.conversation_id)
        if address:
            self._per_address.take(address)
        self._running[key] = turn
        lane.turns.append(turn)
        if lane.task is None:
            lane.task = asyncio.create_task(self._work(message.conversation_id, lane))
        return turn

    def _drop_if_idle(self, conversation_id: str, lane: _Lane) -> None:
        if not lane.visitors and lane.task is None and self._lanes.get(conversation_id) is lane:
            del self._lanes[conversation_id]

    async def _work(self, conversation_id: str, lane: _Lane) -> None:
        try:
            while lane.turns:
                async with self._slots:
                    lane.current = turn = lane.turns.popleft()
                    turn.started.set()
                    self._finish(turn, await self._answer(turn))
                    lane.current = None
        finally:
            lane.task = None
            self._drop_if_idle(conversation_id, lane)

    def _finish(self, turn: Turn, outcome: StoredMessage | Problem) -> None:
        self._running.pop((turn.message.conversation_id, turn.message.message_id), None)
        self._admitted -= 1
        turn.started.set()
        if turn.result.done():
            return
        if isinstance(outcome, Problem):
            turn.result.set_exception(outcome)
        else:
            turn.result.set_result(outcome)

    async def _answer(self, turn: Turn) -> StoredMessage:
        message = turn.message
        language = message.language or "zh"
        replies: tuple[Reply, ...] = (apology(message.text),)
        owned = await self._owned(message)
        if owned is not None:
            language = message.language or spoken_in(owned)
            said = await self._keep(message, language, owned, known=bool(message.language or owned))
            return replace(turn.stored, language=language, replies=said)
        trace = Trace(message.conversation_id, message.message_id)
        started = time.perf_counter()
        try:
            answer = await asyncio.wait_for(self.brain.respond(message), self.limits.message_timeout_s)
            language, trace = answer.language, answer.trace
            replies = await self._completed(message, answer)
        except asyncio.TimeoutError:
            trace.steps.append({"step": "turn", "error": "TimeoutError"})
            logger.error(
                "conversation %s: no answer within %.0f s",
                message.conversation_id,
                self.limits.message_timeout_s,
            )
        except Exception as error:
            trace.steps.append({"step": "turn", "error": type(error).__name__})
            logger.exception("conversation %s: the brain failed", message.conversation_id)
        trace.steps.append({"step": "answered", "ms": round((time.perf_counter() - started) * 1000, 3)})
        said = await self._keep(message, language, replies)
        self._tell(message, Answer(message.message_id, language, replies, trace))
        return replace(turn.stored, language=language, replies=said)

    async def _keep(
        self, message: Message, language: str, replies: tuple[Reply, ...], *, known: bool = True
    ) -> tuple[Reply, ...]:
        """Store an answer and return it as it is said, with the notice that this conversation has not had yet.

        Args:
            known: whether `language` is the citizen's, or only a guess.
        """
        conversation_id, notice = message.conversation_id, self.notice()
        try:
            # The page shows the banner, and the telephone says it itself.
            if notice is not None and message.channel not in _SHOW_THEMSELVES:
                if await self.store.was_told(conversation_id, notice.id):
                    notice = None
                else:
                    replies = said_first(notice, replies, language if known else None)
            else:
                notice = None
            told = notice.id if notice is not None else ""
            await self.store.save_answer(conversation_id, message.message_id, language, replies, told)
        except Exception:
            # The citizen still gets the answer; a repeated delivery would be answered anew.
            logger.exception("conversation %s: the answer was not stored", conversation_id)
        return replies

    async def _owned(self, message: Message) -> tuple[Reply, ...] | None:
        """Return what the gateway says itself, or while a person owns the conversation; `None` asks the brain."""
        if self.own_words is not None:
            reply = await self.own_words(message)
            if reply is not None:
                return (reply,)
        if self.owner is None:
            return None
        try:
            return await asyncio.wait_for(self.owner.take(message), self.limits.message_timeout_s)
        except Exception:
            # An answer from the bot is better than silence when nobody can tell whose turn it is.
            logger.exception("conversation %s: its owner is not known", message.conversation_id)
            return None

    async def _completed(self, message: Message, answer: Answer) -> tuple[Reply, ...]:
        """Return the brain's replies with what the owner adds to them."""
        if self.owner is None:
            return tuple(answer.replies)
        try:
            added = self.owner.answered(message, answer)
            return tuple(await asyncio.wait_for(added, self.limits.message_timeout_s))
        except Exception:
            logger.exception("conversation %s: nothing is added to its answer", message.conversation_id)
            return tuple(answer.replies)

    def _tell(self, message: Message, answer: Answer) -> None:
        for observer in self.turn_observers:
            try:
                observer.turn(message, answer)
            except Exception:
                logger.exception("%s failed to take in a turn", type(observer).__name__)

    async def rated(self, conversation_id: str, message_id: str, rating: str, comment: str) -> None:
        """Tell the observers of a rating that the store has kept."""
        for observer in self.conversation_observers:
            try:
                await observer.rated(conversation_id, message_id, rating, comment)
            except Exception:
                logger.exception("%s failed to take in a rating", type(observer).__name__)

    async def _stop_lane(self, lane: _Lane, problem: Problem) -> None:
        task = lane.task
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            # A task cancelled before its first step never reaches its own `finally`.
            lane.task = None
        for turn in [lane.current, *lane.turns]:
            if turn is not None:
                self._finish(turn, problem)
        lane.turns.clear()
        lane.current = None

    async def erase(self, conversation_id: str) -> None:
        """Stop what is being answered and erase the conversation from the brain, the observers and the store.

        Raises:
            Problem: `erase-incomplete` when a part failed; the token stays valid to try again.
        """
        lane = self._lanes.setdefault(conversation_id, _Lane())
        lane.visitors += 1
        try:
            async with lane.lock:
                await self._stop_lane(lane, not_found())
                # The brain first: while the rows stand, the citizen can ask again if it fails.
                await self.brain.forget(conversation_id)
                for observer in self.conversation_observers:
                    await observer.erased(conversation_id)
                await self.store.erase(conversation_id)
            if self.on_erased is not None:
                await self.on_erased(conversation_id)
        except Exception as error:
            logger.exception("conversation %s: not erased", conversation_id)
            raise Problem(
                "erase-incomplete",
                "对话未能完全删除，请稍后再试一次。",
                "The conversation could not be erased completely; try again in a moment.",
                retry_after_s=5,
            ) from error
        finally:
            lane.visitors -= 1
            self._drop_if_idle(conversation_id, lane)

    async def close(self, deadline_s: float | None = None) -> None:
        """Take no more messages, answer those accepted, and give up on the rest after `deadline_s`.

        What is given up stays in the store unanswered; the same message sent again is answered then.
        """
        self.closing = True
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=self.limits.drain_s if deadline_s is None else deadline_s)
        for conversation_id, lane in list(self._lanes.items()):
            await self._stop_lane(lane, _shutting_down())
            self._drop_if_idle(conversation_id, lane)
