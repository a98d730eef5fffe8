"""The pages of utterances: intents, one intent, suggestions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from console.forms import read_form
from console.nlu.examples import ExampleError, Utterance
from console.nlu.library import library_of, suggestions_of
from console.web import audit, flash, in_thread, render, requires, text
from knowledge.text import fold

EDIT_ROLE = "editor"
SHOWN = 60
FEW = 40


@dataclass(frozen=True)
class IntentLine:
    """An intent in the list: utterances by language, and how many of them staff added."""

    name: str
    zh: int
    en: int
    added: int

    @property
    def few(self) -> bool:
        """Whether a language has too few utterances to be learned well."""
        return min(self.zh, self.en) < FEW


def intent_line(name: str, utterances: Sequence[Utterance]) -> IntentLine:
    """Return the counts of an intent."""
    languages = Counter(item.language for item in utterances)
    return IntentLine(name, languages["zh"], languages["en"], sum(item.added for item in utterances))


async def overview(request: web.Request) -> web.StreamResponse:
    """GET /nlu: the intents with their counts."""
    by_intent = await in_thread(library_of(request).examples.by_intent)
    lines = [intent_line(name, items) for name, items in sorted(by_intent.items())]
    total = IntentLine("", sum(i.zh for i in lines), sum(i.en for i in lines), sum(i.added for i in lines))
    return render(request, "nlu/intents.html", lines=lines, total=total, few=FEW, edit_role=EDIT_ROLE)


async def intent(request: web.Request) -> web.StreamResponse:
    """GET /nlu/intents/{intent}: its utterances, those that staff added first."""
    name = request.match_info["intent"]
    utterances = (await in_thread(library_of(request).examples.by_intent)).get(name)
    if utterances is None:
        raise web.HTTPNotFound
    return render(
        request,
        "nlu/intent.html",
        line=intent_line(name, utterances),
        utterances=sorted(utterances, key=lambda item: not item.added),
        edit_role=EDIT_ROLE,
    )


@requires(EDIT_ROLE)
async def add(request: web.Request) -> web.StreamResponse:
    """POST /nlu/intents/{intent}/add: utterances, one a line."""
    name = request.match_info["intent"]
    form = await read_form(request)
    lines = form.lines("texts")
    try:
        added = await in_thread(library_of(request).examples.add, name, lines)
    except ExampleError as error:
        await flash(request, text(request, "nlu.refused", reason=str(error)), "bad")
        raise web.HTTPSeeOther(_address(name)) from None
    if added:
        await audit(request, "nlu.add", name, after={"examples": added})
    await flash(request, text(request, "nlu.added", count=len(added), known=len(lines) - len(added)))
    raise web.HTTPSeeOther(_address(name))


@requires(EDIT_ROLE)
async def remove(request: web.Request) -> web.StreamResponse:
    """POST /nlu/intents/{intent}/remove: an utterance that staff added."""
    name = request.match_info["intent"]
    line = (await read_form(request)).value("line")
    if await in_thread(library_of(request).examples.remove, name, line):
        await audit(request, "nlu.remove", name, before={"examples": [line]})
        await flash(request, text(request, "nlu.removed"))
    raise web.HTTPSeeOther(_address(name))


async def suggestions(request: web.Request) -> web.StreamResponse:
    """GET /nlu/suggestions: sentences of real traffic, the most useful first."""
    library, prepared = library_of(request), suggestions_of(request).prepared
    ready = await in_thread(prepared.get)
    by_intent = await in_thread(library.examples.by_intent)
    dealt_with = await in_thread(lambda: library.aside.texts() | library.examples.known())
    found = [item for item in ready.value or () if fold(item.text) not in dealt_with]
    return render(
        request,
        "nlu/suggestions.html",
        suggestions=found[:SHOWN],
        preparing=ready.value is None,
        intents=sorted(by_intent),
        edit_role=EDIT_ROLE,
    )


@requires(EDIT_ROLE)
async def label(request: web.Request) -> web.StreamResponse:
    """POST /nlu/suggestions/label: a suggested sentence becomes an utterance of an intent."""
    form = await read_form(request)
    sentence, name = form.value("text"), form.value("intent").strip()
    try:
        added = await in_thread(library_of(request).examples.add, name, [sentence])
    except ExampleError as error:
        await flash(request, text(request, "nlu.refused", reason=str(error)), "bad")
        raise web.HTTPSeeOther("/nlu/suggestions") from None
    await audit(request, "nlu.add", name, after={"examples": added})
    await flash(request, text(request, "nlu.labelled", intent=name))
    raise web.HTTPSeeOther("/nlu/suggestions")


@requires(EDIT_ROLE)
async def put_aside(request: web.Request) -> web.StreamResponse:
    """POST /nlu/suggestions/aside: a sentence is not suggested again."""
    sentence = (await read_form(request)).value("text")[:500]
    if sentence.strip():
        await in_thread(library_of(request).aside.add, sentence)
        await audit(request, "nlu.aside", sentence[:100])
    raise web.HTTPSeeOther("/nlu/suggestions")


def _address(name: str) -> str:
    return f"/nlu/intents/{name}"


def routes() -> list[web.RouteDef]:
    """Return the routes of utterances."""
    one = "/nlu/intents/{intent:[A-Za-z0-9_]+}"
    return [
        web.get("/nlu", overview),
        web.get(one, intent),
        web.post(one + "/add", add),
        web.post(one + "/remove", remove),
        web.get("/nlu/suggestions", suggestions),
        web.post("/nlu/suggestions/label", label),
        web.post("/nlu/suggestions/aside", put_aside),
    ]
