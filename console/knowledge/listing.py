"""The list of articles with its filters, and searching as citizens do."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from console.forms import Form, query_form
from console.knowledge.common import base_of
from console.paging import page_of
from console.web import in_thread, language, render, text
from knowledge.article import LANGUAGES, STATUSES
from knowledge.listing import ArticleQuery
from knowledge.service import KnowledgeService
from knowledge.validating import SOON_DAYS

UNUSED_DAYS = 90
SPECIAL = ("expiring", "unused", "disliked")
_FOUND = 20


def _chosen(form: Form, name: str, options: tuple[str, ...]) -> str:
    value = form.value(name)
    return value if value in options else ""


def _wanted(request: web.Request, form: Form) -> ArticleQuery:
    """Return what the filters ask for; a filter that is none of ours asks for nothing."""
    page = page_of(request)
    special = _chosen(form, "special", SPECIAL)
    return ArticleQuery(
        text=form.value("text").strip()[:200],
        status=_chosen(form, "status", STATUSES) or None,
        category=form.value("category")[:60] or None,
        department=form.value("department")[:60] or None,
        missing=_chosen(form, "without", LANGUAGES) or None,
        expiring_days=SOON_DAYS if special == "expiring" else None,
        unused_days=UNUSED_DAYS if special == "unused" else None,
        disliked=special == "disliked",
        period_days=UNUSED_DAYS,
        limit=page.size,
        offset=page.offset,
    )


async def show(request: web.Request) -> web.StreamResponse:
    """GET /knowledge → the filtered list, newest change first."""
    base, form, page = base_of(request), query_form(request), page_of(request)
    found = await in_thread(base.page, _wanted(request, form))
    return render(
        request,
        "knowledge/list.html",
        rows=found.items,
        total=found.total,
        more=found.total > page.offset + page.size,
        page=page,
        categories=await in_thread(base.values_of, "category"),
        departments=await in_thread(base.values_of, "department"),
        statuses=[(status, text(request, f"knowledge.status.{status}")) for status in STATUSES],
        special=[(name, text(request, f"knowledge.{name}")) for name in SPECIAL],
        form=form,
    )


async def search(request: web.Request) -> web.StreamResponse:
    """GET /knowledge/search → what a citizen's words find among the published articles, with their match."""
    form = query_form(request)
    words = form.value("q").strip()[:500]
    spoken = _chosen(form, "language", LANGUAGES) or language(request)
    found = await in_thread(_search, base_of(request), words, spoken) if words else []
    return render(request, "knowledge/search.html", words=words, spoken=spoken, found=found, form=form)


def _search(base: KnowledgeService, words: str, spoken: str) -> list[dict[str, Any]]:
    return [
        {
            "id": hit.facts.id,
            "title": hit.facts.title_in(spoken),
            "probability": hit.probability,
            "exact": hit.exact,
        }
        for hit in base.search(words, spoken, limit=_FOUND)
    ]
