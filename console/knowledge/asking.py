"""Parts of the editor that answer while one types: what the bot would say, remarks, the preview."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from console.forms import read_form
from console.knowledge.checks import remarks
from console.knowledge.common import base_of, today
from console.knowledge.editing import FIELDS
from console.knowledge.markup import preview
from console.web import in_thread, language, render, requires
from knowledge.article import LANGUAGES, MAX_ANSWER_CHARS
from knowledge.service import KnowledgeService, Question

_SHOWN = 6


async def page(request: web.Request) -> web.StreamResponse:
    """GET /knowledge/ask → the panel as a page of its own."""
    return render(request, "knowledge/ask.html")


async def ask(request: web.Request) -> web.StreamResponse:
    """POST /knowledge/ask → what the bot would answer now, and how near the draft comes; nothing is recorded."""
    form = await read_form(request)
    words = form.value("question").strip()[:2_000]
    spoken = form.value("language") if form.value("language") in LANGUAGES else language(request)
    if not words:
        return web.Response(text="", content_type="text/html")
    draft = [
        line.strip()
        for line in (form.value(f"title_{spoken}"), *form.value(f"questions_{spoken}").splitlines()[:100])
        if line.strip()
    ]
    question = Question(words, spoken, today(request))
    result = await in_thread(_try, base_of(request), question, draft)
    return render(request, "knowledge/ask_part.html", **result)


def _try(base: KnowledgeService, question: Question, draft: list[str]) -> dict[str, Any]:
    shown = base.try_out(question)
    found = [
        {"id": hit.facts.id, "title": hit.facts.title_in(question.language), "probability": hit.probability}
        for hit in shown.candidates[:_SHOWN]
    ]
    nearest, cosine = "", 0.0
    if draft:
        vectors = base.index.encoder.encode([question.text, *draft])
        cosines = vectors[1:] @ vectors[0]
        best = int(cosines.argmax())
        nearest, cosine = draft[best], float(cosines[best])
    return {
        "decision": shown.outcome.decision,
        "replies": [(preview(reply.text), reply.citations, reply.buttons) for reply in shown.outcome.replies],
        "found": found,
        "answer_from": shown.answer,
        "nearest": nearest,
        "cosine": cosine,
    }


@requires("editor")
async def check(request: web.Request) -> web.StreamResponse:
    """POST /knowledge/check → remarks on what stands in the editor now."""
    form = await read_form(request)
    fields = {name: form.value(name)[: 2 * MAX_ANSWER_CHARS] for name in FIELDS}
    found = await in_thread(remarks, base_of(request), form.value("article_id"), fields, today(request))
    return render(request, "knowledge/checks_part.html", remarks=found)


@requires("editor")
async def show_preview(request: web.Request) -> web.StreamResponse:
    """POST /knowledge/preview?of=zh → the answer in that language as citizens will see it."""
    form = await read_form(request)
    spoken = request.query.get("of", "zh")
    written = form.value(f"answer_{spoken}")[:MAX_ANSWER_CHARS] if spoken in LANGUAGES else ""
    return render(request, "knowledge/preview_part.html", html=await in_thread(preview, written))
