"""What the knowledge pages share."""

from __future__ import annotations

from datetime import date, datetime

from aiohttp import web

from console.keys import CONFIG
from console.web import in_thread, need, services
from knowledge.article import Article, ArticleNotFound
from knowledge.service import KnowledgeService


def base_of(request: web.Request) -> KnowledgeService:
    """Return the knowledge base."""
    return need(services(request).knowledge, "the knowledge base")


def today(request: web.Request) -> date:
    """Return the city's date."""
    return datetime.now(request.app[CONFIG].zone).date()


async def article_or_404(request: web.Request, version: int | None = None) -> Article:
    """Return the article that the address names."""
    try:
        return await in_thread(base_of(request).get, request.match_info["id"], version)
    except ArticleNotFound:
        raise web.HTTPNotFound from None
