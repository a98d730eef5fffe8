"""The pages of the section: list, trace, words, export, unmasking, erasure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from sqlalchemy.engine import Engine

from bot.components.models import source
from channels.problem import Problem
from channels.traces.digest import DECISIONS
from channels.traces.originals import original_texts
from channels.traces.reading import CursorError, FullTurn, TraceReader
from console.conversations.exporting import matching, to_csv, to_json
from console.conversations.query import address_of, read_wanted
from console.conversations.view import TurnView, coloured
from console.forms import read_form
from console.state import per_app
from console.web import audit, flash, in_thread, need, render, requires, services, text
from nlp.joint_explain import explain
from nlp.joint_manifest import ModelError

SIZE = 50
UNMASK_ROLE, ERASE_ROLE, EXPORT_ROLE = "operator", "admin", "editor"
_TYPES = {"json": "application/json", "csv": "text/csv"}


@dataclass(frozen=True)
class Kept:
    """The reader of this console's traces."""

    reader: TraceReader


def reader_of(request: web.Request) -> TraceReader:
    """Return the reader of traces; the page 503 when this console runs without traces."""
    store = need(services(request).traces, "traces")
    return per_app(request, Kept, lambda: Kept(TraceReader(store.engine))).reader


async def listing(request: web.Request) -> web.StreamResponse:
    """GET /conversations: the list with its filters."""
    reader, wanted = reader_of(request), read_wanted(request.query)
    try:
        page = await in_thread(reader.conversations, wanted, request.query.get("after", ""), SIZE)
    except CursorError:
        raise web.HTTPSeeOther(address_of(wanted)) from None
    channels, languages = await in_thread(lambda: (reader.values("channel"), reader.values("language")))
    return render(
        request,
        "conversations/list.html",
        lines=page.lines,
        wanted=wanted,
        channels=channels,
        languages=languages,
        decisions=DECISIONS,
        next_url=address_of(wanted, after=page.after) if page.after else "",
        first_url=address_of(wanted) if request.query.get("after") else "",
        json_url=address_of(wanted, "/conversations/export.json"),
        csv_url=address_of(wanted, "/conversations/export.csv"),
    )


async def conversation(request: web.Request) -> web.StreamResponse:
    """GET /conversations/{id}: every turn with its whole trace, masked."""
    return await _trace(request, {})


@requires(UNMASK_ROLE)
async def unmask(request: web.Request) -> web.StreamResponse:
    """POST /conversations/{id}/unmask: the same with the citizen's own words; the look is logged first."""
    conversation_id = request.match_info["id"]
    engine: Engine = need(services(request).dispatcher, "the citizens' gateway").store.engine
    await audit(request, "conversations.unmask", conversation_id)
    return await _trace(request, await in_thread(original_texts, engine, conversation_id))


async def _trace(request: web.Request, originals: Mapping[str, str]) -> web.StreamResponse:
    reader, conversation_id = reader_of(request), request.match_info["id"]
    turns, line = await in_thread(
        lambda: (reader.conversation(conversation_id), reader.line(conversation_id))
    )
    if not turns or line is None:
        raise web.HTTPNotFound
    response = render(
        request,
        "conversations/trace.html",
        line=line,
        turns=[TurnView(turn, originals.get(turn.message_id)) for turn in turns],
        unmasked=bool(originals),
        unmask_role=UNMASK_ROLE,
        erase_role=ERASE_ROLE,
        export_role=EXPORT_ROLE,
    )
    response.headers["Cache-Control"] = "no-store"
    return response


async def words(request: web.Request) -> web.StreamResponse:
    """GET /conversations/{id}/turns/{turn}/words: which words drove the decision."""
    turn = await _turn(request)
    values: dict[str, Any] = {"turn": turn, "words": (), "weights": (), "model": "", "failed": ""}
    try:
        values.update(await in_thread(_explained, turn))
    except ModelError as error:
        values["failed"] = str(error)
    template = "words_part.html" if request.headers.get("HX-Request") else "words.html"
    return render(request, f"conversations/{template}", **values)


def _explained(turn: FullTurn) -> dict[str, Any]:
    directory, model = source().loaded()
    intent = turn.intent if turn.intent in model.intents else None
    found = explain(model, turn.text, intent)
    pieces = coloured(found)
    return {
        "words": pieces,
        "weights": sorted((w for w in pieces if w.css), key=lambda word: -abs(word.weight))[:10],
        "intent": found.intent,
        "model": directory.name,
        "other_model": bool(turn.model) and turn.model != directory.name,
    }


async def _turn(request: web.Request) -> FullTurn:
    reader, number = reader_of(request), request.match_info["turn"]
    turns = await in_thread(reader.conversation, request.match_info["id"])
    for turn in turns:
        if str(turn.id) == number:
            return turn
    raise web.HTTPNotFound


@requires(EXPORT_ROLE)
async def export_list(request: web.Request) -> web.StreamResponse:
    """GET /conversations/export.{json,csv}: the conversations of a list, masked."""
    reader, wanted, kind = reader_of(request), read_wanted(request.query), request.match_info["kind"]
    write = to_json if kind == "json" else to_csv
    body = await in_thread(lambda: write(matching(reader, wanted)))
    await audit(request, "conversations.export", kind, after={"filter": address_of(wanted)})
    return _file(body, kind, "conversations")


@requires(EXPORT_ROLE)
async def export_one(request: web.Request) -> web.StreamResponse:
    """GET /conversations/{id}/export.{json,csv}: one conversation, masked."""
    reader, conversation_id, kind = reader_of(request), request.match_info["id"], request.match_info["kind"]
    turns = await in_thread(reader.conversation, conversation_id)
    if not turns:
        raise web.HTTPNotFound
    body = to_json([turns]) if kind == "json" else to_csv([turns])
    await audit(request, "conversations.export", conversation_id, after={"format": kind})
    return _file(body, kind, "conversation")


def _file(body: str, kind: str, name: str) -> web.Response:
    return web.Response(
        text=body,
        content_type=_TYPES[kind],
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.{kind}"', "Cache-Control": "no-store"},
    )


@requires(ERASE_ROLE)
async def erase(request: web.Request) -> web.StreamResponse:
    """POST /conversations/{id}/erase: the conversation is gone everywhere when this answers."""
    conversation_id = request.match_info["id"]
    form = await read_form(request)
    if not form.checked("sure"):
        await flash(request, text(request, "conversations.erase_sure"), "bad")
        raise web.HTTPSeeOther(f"/conversations/{conversation_id}")
    reader = reader_of(request)
    if await in_thread(reader.line, conversation_id) is None:
        raise web.HTTPNotFound
    try:
        await need(services(request).dispatcher, "the citizens' gateway").erase(conversation_id)
    except Problem:
        await flash(request, text(request, "conversations.erase_failed"), "bad")
        raise web.HTTPSeeOther(f"/conversations/{conversation_id}") from None
    await audit(request, "conversations.erase", conversation_id)
    await flash(request, text(request, "conversations.erased"))
    raise web.HTTPSeeOther("/conversations")


def routes() -> list[web.RouteDef]:
    """Return the section's routes."""
    return [
        web.get("/conversations", listing),
        web.get("/conversations/export.{kind:json|csv}", export_list),
        web.get("/conversations/{id}", conversation),
        web.post("/conversations/{id}/unmask", unmask),
        web.post("/conversations/{id}/erase", erase),
        web.get("/conversations/{id}/export.{kind:json|csv}", export_one),
        web.get("/conversations/{id}/turns/{turn}/words", words),
    ]
