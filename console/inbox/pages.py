"""The pages of the inbox: the groups, one group, what is done with it, and asking again."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web

from console.forms import Form, read_form
from console.inbox.asking import rehearse
from console.inbox.groups import KINDS, InboxGroups
from console.nlu.examples import ExampleError
from console.nlu.library import examples_of
from console.state import per_app
from console.web import audit, current_user, flash, in_thread, need, render, requires, services, text
from knowledge.article import ArticleError
from knowledge.feedback import FeedbackNotFound
from knowledge.service import KnowledgeService

ACT_ROLE, PUBLISH_ROLE = "editor", "publisher"
SHOWN = 50
MAX_IDS = 500
MAX_QUESTION = 600


def knowledge_of(request: web.Request) -> KnowledgeService:
    """Return the knowledge base; the page 503 when this console runs without one."""
    return need(services(request).knowledge, "the knowledge base")


def groups_of(request: web.Request) -> InboxGroups:
    """Return the inbox of this console."""
    knowledge, examples = knowledge_of(request), examples_of(request)
    return per_app(request, InboxGroups, lambda: InboxGroups(knowledge, examples))


async def listing(request: web.Request) -> web.StreamResponse:
    """GET /inbox: the groups, the largest first."""
    kind = request.query.get("kind", "")
    kind = kind if kind in KINDS else ""
    ready = await in_thread(groups_of(request).get)
    groups = [group for group in ready.value or () if not kind or kind in group.kinds]
    return render(
        request,
        "inbox/list.html",
        groups=groups[:SHOWN],
        more=max(0, len(groups) - SHOWN),
        counts={name: sum(group.kinds.get(name, 0) for group in ready.value or ()) for name in KINDS},
        preparing=ready.value is None,
        fresh=ready.fresh,
        kind=kind,
        act_role=ACT_ROLE,
        publish_role=PUBLISH_ROLE,
    )


async def group(request: web.Request) -> web.StreamResponse:
    """GET /inbox/group?ids=…: one group with everything that can be done."""
    ids = read_ids(request.query.get("ids", ""))
    found = await in_thread(groups_of(request).one, ids) if ids else None
    if found is None:
        raise web.HTTPNotFound
    knowledge = knowledge_of(request)
    articles = await in_thread(knowledge.search, found.question, found.language, limit=8)
    intents = sorted(await in_thread(examples_of(request).by_intent))
    return render(
        request,
        "inbox/group.html",
        group=found,
        articles=[
            (item.facts.id, item.facts.title_in(found.language), item.probability) for item in articles
        ],
        intents=intents,
        act_role=ACT_ROLE,
        publish_role=PUBLISH_ROLE,
    )


@requires(PUBLISH_ROLE)
async def phrasing(request: web.Request) -> web.StreamResponse:
    """POST /inbox/phrasing: the questions become phrasings of a published article, at once."""
    ids, form = await _posted(request)
    article_id = form.value("article").strip()
    inbox, by = groups_of(request), current_user(request).name
    found = await in_thread(inbox.one, ids)
    try:
        article = await in_thread(inbox.add_phrasings, ids, article_id, by)
    except (ArticleError, FeedbackNotFound) as error:
        return await _refused(request, ids, error)
    added = list(found.examples) if found else []
    await audit(request, "inbox.phrasing", article_id, after={"version": article.version, "questions": added})
    await flash(request, text(request, "inbox.phrasing_done", article=article_id))
    raise web.HTTPSeeOther(_ask_again(found.question if found else "", found.language if found else ""))


@requires(ACT_ROLE)
async def draft(request: web.Request) -> web.StreamResponse:
    """POST /inbox/article: a draft that answers the questions is started."""
    ids, _ = await _posted(request)
    inbox, by = groups_of(request), current_user(request).name
    try:
        article = await in_thread(inbox.start_article, ids, by)
    except (ArticleError, FeedbackNotFound) as error:
        return await _refused(request, ids, error)
    await audit(request, "inbox.article", article.id, after={"title": dict(article.title)})
    await flash(request, text(request, "inbox.article_done", article=article.id))
    raise web.HTTPSeeOther(f"/knowledge/a/{article.id}/edit")


@requires(ACT_ROLE)
async def example(request: web.Request) -> web.StreamResponse:
    """POST /inbox/example: the questions become training examples of an intent."""
    ids, form = await _posted(request)
    intent = form.value("intent").strip()
    inbox, by = groups_of(request), current_user(request).name
    try:
        added = await in_thread(inbox.teach, ids, intent, by)
    except (ExampleError, FeedbackNotFound) as error:
        return await _refused(request, ids, error)
    await audit(request, "inbox.example", intent, after={"examples": added})
    await flash(request, text(request, "inbox.example_done", count=len(added), intent=intent))
    raise web.HTTPSeeOther(f"/nlu/intents/{intent}")


@requires(ACT_ROLE)
async def dismiss(request: web.Request) -> web.StreamResponse:
    """POST /inbox/dismiss: the questions are put aside."""
    ids, form = await _posted(request)
    reason = form.value("reason").strip()[:200]
    inbox, by = groups_of(request), current_user(request).name
    try:
        await in_thread(inbox.dismiss, ids, by, reason)
    except FeedbackNotFound as error:
        return await _refused(request, ids, error)
    await audit(
        request, "inbox.dismiss", ",".join(map(str, ids[:20])), after={"count": len(ids), "reason": reason}
    )
    await flash(request, text(request, "inbox.dismiss_done", count=len(ids)))
    raise web.HTTPSeeOther("/inbox")


async def ask(request: web.Request) -> web.StreamResponse:
    """GET /inbox/ask?q=…: what the assistant would answer now."""
    question = request.query.get("q", "").replace("\x00", "").strip()[:MAX_QUESTION]
    language = request.query.get("in", "")
    language = language if language in ("zh", "en") else ""
    outcome = await in_thread(rehearse, knowledge_of(request), question, language) if question else None
    template = "ask_part.html" if request.headers.get("HX-Request") else "ask.html"
    return render(request, f"inbox/{template}", question=question, outcome=outcome, chosen=language)


def read_ids(value: str) -> list[int]:
    """Return the numbers of a comma-separated list; nothing when it is none or endless."""
    parts = value.split(",")
    if len(parts) > MAX_IDS or not all(
        part.isascii() and part.isdigit() and len(part) < 16 for part in parts
    ):
        return []
    return list(dict.fromkeys(int(part) for part in parts))


async def _posted(request: web.Request) -> tuple[list[int], Form]:
    form = await read_form(request)
    ids = read_ids(form.value("ids"))
    if not ids:
        raise web.HTTPBadRequest
    return ids, form


async def _refused(request: web.Request, ids: list[int], error: Exception) -> web.StreamResponse:
    """Say what is wrong; the group is shown again where it still is one."""
    if isinstance(error, FeedbackNotFound):
        await flash(request, text(request, "inbox.gone"), "bad")
        raise web.HTTPSeeOther("/inbox")
    await flash(request, text(request, "inbox.refused", reason=str(error)), "bad")
    raise web.HTTPSeeOther("/inbox/group?" + urlencode({"ids": ",".join(map(str, ids))}))


def _ask_again(question: str, language: str) -> str:
    return "/inbox/ask?" + urlencode({"q": question, "in": language}) if question else "/inbox"


def routes() -> list[web.RouteDef]:
    """Return the section's routes."""
    return [
        web.get("/inbox", listing),
        web.get("/inbox/group", group),
        web.post("/inbox/phrasing", phrasing),
        web.post("/inbox/article", draft),
        web.post("/inbox/example", example),
        web.post("/inbox/dismiss", dismiss),
        web.get("/inbox/ask", ask),
    ]
