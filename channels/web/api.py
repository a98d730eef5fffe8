"""The citizen HTTP API under `/api/v1`; errors are problem details (see `channels.problem`)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from channels.dispatcher import Dispatcher
from channels.jsonio import dumps
from channels.problem import Problem, not_found
from channels.records import StoredMessage
from channels.store import ConversationStore
from channels.web.keys import ADDRESS, CONFIG, DISPATCHER, NEW_CONVERSATIONS, NOTICES, STORE, SWITCHES
from channels.web.parsing import parse_feedback, parse_message, read_json
from channels.web.security import authorise, bearer_token
from channels.web.socket import refuse_when_off, websocket
from city.messages import Message

HISTORY_LIMIT = 200


def _json(data: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=dumps(data), content_type="application/json", charset="utf-8")


def answer_json(stored: StoredMessage) -> dict[str, Any]:
    """Return the response to one message."""
    return {
        "message_id": stored.message_id,
        "language": stored.language,
        "replies": [reply.to_dict() for reply in stored.replies or ()],
    }


async def _conversation(request: web.Request) -> str:
    conversation_id = request.match_info["conversation_id"]
    await authorise(request.app[STORE], conversation_id, bearer_token(request))
    return conversation_id


async def get_notice(request: web.Request) -> web.Response:
    """GET /notice → `{"notice": {"zh","en","urgent"}}`, or `null` when there is none."""
    notice = request.app[NOTICES].current()
    return _json({"notice": notice and notice.to_dict()})


async def create_conversation(request: web.Request) -> web.Response:
    """POST /conversations → 201 with the id and the token, which is shown only here."""
    buckets, address = request.app[NEW_CONVERSATIONS], request[ADDRESS]
    wait_s = buckets.wait_s(address)
    if wait_s:
        raise Problem(
            "rate-limited",
            "新建对话过于频繁，请稍候再试。",
            "Too many new conversations; wait a moment.",
            retry_after_s=wait_s,
        )
    buckets.take(address)
    conversation_id, token = await request.app[STORE].create()
    return _json({"conversation_id": conversation_id, "token": token}, status=201)


async def post_message(request: web.Request) -> web.Response:
    """POST …/messages → the answer; the same `message_id` again gives the same answer."""
    conversation_id = await _conversation(request)
    refuse_when_off(request.app[SWITCHES])
    parsed = parse_message(await read_json(request), request.app[CONFIG].limits)
    message = Message(
        conversation_id, parsed.message_id, parsed.text, language=parsed.language, metadata=parsed.metadata
    )
    dispatcher: Dispatcher = request.app[DISPATCHER]
    return _json(answer_json(await dispatcher.handle(message, request[ADDRESS])))


async def get_messages(request: web.Request) -> web.Response:
    """GET …/messages → `{"messages": […]}`, the last 200, oldest first; `?after=<message_id>` only later."""
    conversation_id = await _conversation(request)
    store: ConversationStore = request.app[STORE]
    history = await store.history(conversation_id, request.query.get("after"), HISTORY_LIMIT)
    return _json({"messages": [stored.to_dict() for stored in history]})


async def delete_conversation(request: web.Request) -> web.Response:
    """DELETE /conversations/{id} → 204 once everything about it is gone."""
    conversation_id = await _conversation(request)
    await request.app[DISPATCHER].erase(conversation_id)
    return web.Response(status=204)


async def post_feedback(request: web.Request) -> web.Response:
    """POST …/feedback → the rating as kept; a later rating of the same message replaces it."""
    conversation_id = await _conversation(request)
    feedback = parse_feedback(await read_json(request), request.app[CONFIG].limits)
    store: ConversationStore = request.app[STORE]
    if not await store.rate(conversation_id, feedback.message_id, feedback.rating, feedback.comment):
        raise not_found()
    await request.app[DISPATCHER].rated(
        conversation_id, feedback.message_id, feedback.rating, feedback.comment
    )
    return _json({"message_id": feedback.message_id, "rating": feedback.rating})


async def healthz(request: web.Request) -> web.Response:
    """GET /healthz → 200 while the process serves."""
    return _json({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """GET /readyz → 200 when every part is loaded, else 503; `checks` names each part."""
    dispatcher: Dispatcher = request.app[DISPATCHER]
    checks = {name: bool(state) for name, state in dispatcher.brain.ready().items()}
    checks["store"] = await request.app[STORE].ping()
    checks["accepting"] = not dispatcher.closing
    ready = all(checks.values())
    return _json({"ready": ready, "checks": checks}, status=200 if ready else 503)


def routes() -> list[web.RouteDef]:
    """Return the API's routes."""
    one = "/api/v1/conversations/{conversation_id}"
    return [
        web.post("/api/v1/conversations", create_conversation),
        web.post(one + "/messages", post_message),
        web.get(one + "/messages", get_messages),
        web.delete(one, delete_conversation),
        web.post(one + "/feedback", post_feedback),
        web.get("/api/v1/ws", websocket),
        web.get("/api/v1/notice", get_notice),
        web.get("/healthz", healthz),
        web.get("/readyz", readyz),
    ]
