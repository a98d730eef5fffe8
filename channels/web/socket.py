"""The citizen API over WebSocket (`GET /api/v1/ws`): the same messages, streamed.

Every frame is one JSON object with a `type`. The client's first frame opens the conversation; the token
never stands in an address, where logs would keep it:

    → {"type":"auth","conversation_id":…,"token":…}        ← {"type":"ready"}

A message is acknowledged when it is safe in the store, and answered in the order of arrival:

    → {"type":"message","message_id":…,"text":…,"language"?:"zh"|"en"}
    ← {"type":"ack","message_id":…}
    ← {"type":"typing","message_id":…}
    ← {"type":"reply","message_id":…,"reply":Reply,"index":0}   (none or several)
    ← {"type":"done","message_id":…,"language":…}

After a broken connection the client opens the conversation again, asks for what it missed and sends again,
with the same ids, what was not acknowledged; a message that arrives twice is answered once:

    → {"type":"resume","after"?:<last message id that was done>}
    ← for each later message: ack (with "text"), typing while it is being answered, reply…, done
    ← {"type":"resumed"}                                        (every later message was announced)

A notice that staff set, change or take away (`null`) is shown to everybody at once:

    ← {"type":"notice","notice":{"zh","en","urgent"}|null}

What is said unasked (a warning, a person at the desk) comes when it comes, and after a resume:

    ← {"type":"push","message_id":…,"replies":[Reply],"language":…}

The server sends {"type":"ping"} now and then, so that a client notices a dead connection; it may answer
{"type":"pong"}. A refusal is {"type":"error","problem":Problem,"message_id"?:…}; the connection stays open,
except when opening the conversation failed (close code 4401, 4403, 4404 or 4408). At shutdown and after an
erasure the server closes with 1001 and 4404.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from channels.dispatcher import DuplicateInFlight, Turn
from channels.jsonio import dumps
from channels.limits import Rate, TokenBuckets
from channels.problem import Problem, too_large
from channels.records import StoredMessage
from channels.switches import ChannelSwitches
from channels.web.keys import ADDRESS, CONFIG, DISPATCHER, STORE, SWITCHES
from channels.web.parsing import parse_json, parse_message
from channels.web.security import authorise
from city.messages import Message

WEB = "web"
RESUME_LIMIT = 200
# A client resumes once per connection; each one reads the history.
_RESUMES = Rate(per_s=0.2, burst=5)


def refuse_when_off(switches: ChannelSwitches) -> None:
    """Raise the problem `channel-off` when staff have switched the chat page off."""
    if not switches.enabled(WEB):
        raise Problem(
            "channel-off",
            "网页咨询暂停服务，请稍后再来，或拨打市民热线。",
            "The chat page is switched off at the moment; come back later, or call the citizens' hotline.",
            retry_after_s=60,
        )


class Sockets:
    """The open connections: counted per address, closed together at shutdown or after an erasure."""

    def __init__(self, limit: int, per_address: int) -> None:
        self._limit = limit
        self._per_address = per_address
        self._addresses: Counter[str] = Counter()
        self._open: set[Session] = set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, session: Session) -> None:
        """Count a connection in; raise the problem `overloaded` or `rate-limited` when there are too many."""
        if len(self._open) >= self._limit:
            raise Problem(
                "overloaded", "连接数已满，请稍后再试。", "Too many connections; try later.", retry_after_s=10
            )
        if self._addresses[session.address] >= self._per_address:
            raise Problem(
                "rate-limited",
                "此网络的连接过多。",
                "Too many connections from this network.",
                retry_after_s=10,
            )
        self._addresses[session.address] += 1
        self._open.add(session)

    def discard(self, session: Session) -> None:
        """Count a connection out."""
        if session in self._open:
            self._open.remove(session)
            self._addresses -= Counter([session.address])

    async def close_conversation(self, conversation_id: str) -> None:
        """Close the connections of an erased conversation."""
        await self._close(4404, b"conversation erased", conversation_id)

    def push(self, conversation_id: str, stored: StoredMessage) -> None:
        """Hand something said unasked to every connection of a conversation."""
        for session in self._open:
            if session.conversation_id == conversation_id:
                session.push(stored)

    def announce(self, frame: Mapping[str, Any]) -> None:
        """Send a frame that is for everybody to every connection."""
        for session in self._open:
            session.announce(frame)

    async def close_all(self) -> None:
        """Tell every client that the service goes away; they come back by themselves."""
        await self._close(WSCloseCode.GOING_AWAY, b"restarting", None)

    async def _close(self, code: int, message: bytes, conversation_id: str | None) -> None:
        chosen = [s for s in self._open if conversation_id in (None, s.conversation_id)]
        await asyncio.gather(*(s.close(code, message) for s in chosen), return_exceptions=True)


SOCKETS = web.AppKey("chengda_sockets", Sockets)


class Session:
    """One WebSocket connection: reads frames, and streams answers from a pump that keeps their order."""

    def __init__(self, request: web.Request) -> None:
        self.address: str = request[ADDRESS]
        self.conversation_id = ""
        self._request = request
        self._limits = request.app[CONFIG].limits
        self._dispatcher = request.app[DISPATCHER]
        self._store = request.app[STORE]
        # `max_msg_size` leaves room to refuse an oversized frame with a problem instead of a bare close.
        self._socket = web.WebSocketResponse(
            timeout=2.0,
            heartbeat=self._limits.socket_ping_s,
            max_msg_size=self._limits.body_bytes * 4,
            compress=False,
        )
        self._resumes = TokenBuckets(_RESUMES)
        self._announcing: set[asyncio.Task[None]] = set()
        self._turns: asyncio.Queue[Turn | StoredMessage] = asyncio.Queue()

    async def run(self) -> web.WebSocketResponse:
        """Serve the connection until either side ends it."""
        await self._socket.prepare(self._request)
        tasks: list[asyncio.Task[None]] = []
        try:
            if await self._authenticate():
                tasks = [asyncio.create_task(self._pump()), asyncio.create_task(self._ping())]
                async for frame in self._socket:
                    await self._guard(frame)
        except ConnectionError:
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._socket

    async def close(self, code: int, message: bytes) -> None:
        """Close the connection from our side."""
        await self._socket.close(code=code, message=message)

    def push(self, stored: StoredMessage) -> None:
        """Show something said unasked, after what is being answered before it."""
        self._turns.put_nowait(stored)

    def announce(self, frame: Mapping[str, Any]) -> None:
        """Send a frame beside the answers, at once."""
        task = asyncio.create_task(self._send(**frame))
        self._announcing.add(task)
        task.add_done_callback(self._announcing.discard)

    async def _send(self, **frame: Any) -> None:
        if not self._socket.closed:
            with contextlib.suppress(ConnectionError):
                await self._socket.send_str(dumps(frame).decode())

    async def _refuse(self, problem: Problem, message_id: Any = None) -> None:
        extra = {"message_id": message_id[:128]} if isinstance(message_id, str) else {}
        await self._send(type="error", problem=problem.to_dict(), **extra)

    def _data(self, frame: WSMessage) -> dict[str, Any]:
        if frame.type is not WSMsgType.TEXT:
            raise Problem("bad-json", "请发送文本格式的 JSON。", "Send JSON as text frames, not binary.")
        if len(frame.data) > self._limits.body_bytes or len(frame.data.encode()) > self._limits.body_bytes:
            raise too_large(self._limits.body_bytes)
        return parse_json(frame.data)

    async def _authenticate(self) -> bool:
        try:
            frame = await self._socket.receive(timeout=self._limits.socket_auth_s)
            if frame.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return False
            data = self._data(frame)
            conversation_id, token = data.get("conversation_id"), data.get("token")
            if (
                data.get("type") != "auth"
                or not isinstance(conversation_id, str)
                or not isinstance(token, str)
            ):
                raise Problem(
                    "unauthorized",
                    "第一帧须为 auth，并带上 conversation_id 与 token。",
                    "The first frame must be auth with conversation_id and token.",
                )
            await authorise(self._store, conversation_id, token)
        except asyncio.TimeoutError:
            await self.close(4408, b"no auth frame in time")
            return False
        except Problem as problem:
            await self._refuse(problem)
            code = {403: 4403, 404: 4404}.get(problem.kind.status, 4401)
            await self.close(code, problem.kind.name.encode())
            return False
        self.conversation_id = conversation_id
        await self._send(type="ready")
        return True

    async def _guard(self, frame: WSMessage) -> None:
        data: dict[str, Any] = {}
        try:
            data = self._data(frame)
            await self._receive(data)
        except Problem as problem:
            await self._refuse(problem, data.get("message_id"))

    async def _receive(self, data: dict[str, Any]) -> None:
        kind = data.get("type")
        if kind == "message":
            refuse_when_off(self._request.app[SWITCHES])
            parsed = parse_message(data, self._limits)
            message = Message(
                self.conversation_id,
                parsed.message_id,
                parsed.text,
                language=parsed.language,
                metadata=parsed.metadata,
            )
            turn = await self._submit(message)
            await self._send(type="ack", message_id=parsed.message_id)
            self._turns.put_nowait(turn)
        elif kind == "resume":
            await self._resume(data.get("after"))
        elif kind == "ping":
            await self._send(type="pong")
        elif kind != "pong":
            raise Problem(
                "bad-request",
                "type 须为 message、resume、ping 或 pong。",
                "type must be message, resume, ping or pong.",
            )

    async def _submit(self, message: Message, address: str | None = None) -> Turn:
        try:
            return await self._dispatcher.submit(message, self.address if address is None else address)
        except DuplicateInFlight as duplicate:
            if duplicate.turn is None:
                raise
            return duplicate.turn

    async def _resume(self, after: Any) -> None:
        wait_s = self._resumes.wait_s("")
        if wait_s:
            raise Problem("rate-limited", "请求过于频繁。", "Too many requests.", retry_after_s=wait_s)
        self._resumes.take("")
        last = after if isinstance(after, str) else None
        for stored in await self._store.history(self.conversation_id, last, RESUME_LIMIT):
            item: Turn | StoredMessage = stored
            if stored.pushed:
                self._turns.put_nowait(stored)
                continue
            if stored.replies is None:
                # Accepted but unanswered: join the running answer, or start it again after a restart.
                item = await self._submit(Message(self.conversation_id, stored.message_id, stored.text), "")
            await self._send(
                type="ack",
                message_id=stored.message_id,
                text=stored.text,
                created_at=stored.to_dict()["created_at"],
            )
            self._turns.put_nowait(item)
        await self._send(type="resumed")

    async def _pump(self) -> None:
        while True:
            item = await self._turns.get()
            if isinstance(item, StoredMessage):
                await self._stream(item)
                continue
            message_id = item.message.message_id
            if not item.result.done():
                await item.started.wait()
                await self._send(type="typing", message_id=message_id)
            try:
                await self._stream(await asyncio.shield(item.result))
            except Problem as problem:
                await self._refuse(problem, message_id)

    async def _stream(self, stored: StoredMessage) -> None:
        if stored.pushed:
            replies = [reply.to_dict() for reply in stored.replies or ()]
            await self._send(
                type="push", message_id=stored.message_id, replies=replies, language=stored.language
            )
            return
        for index, reply in enumerate(stored.replies or ()):
            await self._send(type="reply", message_id=stored.message_id, reply=reply.to_dict(), index=index)
        await self._send(type="done", message_id=stored.message_id, language=stored.language)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._limits.socket_ping_s)
            await self._send(type="ping")


async def websocket(request: web.Request) -> web.StreamResponse:
    """Serve one WebSocket connection; see the module's docstring for the frames."""
    sockets, session = request.app[SOCKETS], Session(request)
    sockets.add(session)
    try:
        return await session.run()
    finally:
        sockets.discard(session)
