"""One article: its text, its versions and what staff said about them; status and going back."""

from __future__ import annotations

from aiohttp import web

from console.forms import read_form
from console.keys import AUDIT
from console.knowledge.common import article_or_404, base_of
from console.knowledge.editing import FIELDS, fields_of
from console.knowledge.markup import preview
from console.web import audit, can, current_user, flash, in_thread, render, requires, text
from knowledge.article import STATUSES, ArticleError, ArticleNotFound, StaleVersion, WrongStatus
from knowledge.comparing import spans

# Where an article can go from each status, and who may send it there.
MOVES = {
    "draft": (("review", "editor"), ("published", "publisher"), ("archived", "publisher")),
    "review": (("published", "publisher"), ("draft", "editor"), ("archived", "publisher")),
    "published": (("archived", "publisher"), ("draft", "editor")),
    "archived": (("draft", "editor"), ("published", "publisher")),
}
LABELS = {"review": "send_review", "published": "publish", "archived": "archive", "draft": "to_draft"}
_LOGGED = 100


async def show(request: web.Request) -> web.StreamResponse:
    """GET /knowledge/a/{id} → an article as citizens will see it, with versions and the review log."""
    base, article = base_of(request), await article_or_404(request)
    versions = await in_thread(base.history, article.id)
    log = await in_thread(request.app[AUDIT].entries, action="knowledge.", target=article.id, limit=_LOGGED)
    public = await in_thread(base.store.published_version, article.id)
    moves = [
        (status, text(request, f"knowledge.{LABELS[status]}"))
        for status, role in MOVES[article.status]
        if can(request, role)
    ]
    return render(
        request,
        "knowledge/view.html",
        article=article,
        answers={spoken: preview(written) for spoken, written in article.answer.items()},
        versions=versions,
        log=[entry for entry in log if entry.target == article.id and isinstance(entry.after, dict)],
        public=public,
        moves=moves,
    )


async def set_status(request: web.Request) -> web.StreamResponse:
    """POST /knowledge/a/{id}/status → send to review, publish, archive, or take back, with a comment."""
    base, article = base_of(request), await article_or_404(request)
    form = await read_form(request)
    wish, comment = form.choice("to", STATUSES), form.value("comment").strip()[:1_000]
    version = form.integer("version", 1, 10**9, default=article.version)
    if form.errors:
        raise web.HTTPBadRequest
    allowed = dict(MOVES[article.status])
    if wish not in allowed:
        await flash(request, text(request, "knowledge.wrong_status"), "bad")
        raise web.HTTPSeeOther(f"/knowledge/a/{article.id}")
    if not can(request, allowed[wish]):
        raise web.HTTPForbidden
    try:
        await in_thread(
            base.set_status, article.id, wish, author=current_user(request).name, base_version=version
        )
    except ArticleError as error:
        key = "unwritten"
        if isinstance(error, (StaleVersion, WrongStatus)):
            key = "stale_status" if isinstance(error, StaleVersion) else "wrong_status"
        await flash(request, text(request, f"knowledge.{key}"), "bad")
        raise web.HTTPSeeOther(f"/knowledge/a/{article.id}") from None
    await audit(
        request,
        f"knowledge.{wish}",
        article.id,
        before={"status": article.status},
        after={"status": wish, "version": version, "comment": comment},
    )
    shown = text(request, f"knowledge.status.{wish}")
    await flash(request, text(request, "knowledge.moved", id=article.id, status=shown))
    raise web.HTTPSeeOther(f"/knowledge/a/{article.id}")


@requires("editor")
async def rollback(request: web.Request) -> web.StreamResponse:
    """POST /knowledge/a/{id}/rollback → make an older version the newest; needs a publisher when citizens read it."""
    base, article = base_of(request), await article_or_404(request)
    form = await read_form(request)
    version = form.integer("version", 1, 10**9)
    seen = form.integer("head", 1, 10**9, default=article.version)
    if form.errors:
        raise web.HTTPBadRequest
    public = await in_thread(base.store.published_version, article.id)
    if public is not None and not can(request, "publisher"):
        raise web.HTTPForbidden
    try:
        new = await in_thread(
            base.rollback, article.id, version, author=current_user(request).name, base_version=seen
        )
    except StaleVersion:
        await flash(request, text(request, "knowledge.stale_status"), "bad")
        raise web.HTTPSeeOther(f"/knowledge/a/{article.id}") from None
    except ArticleNotFound:
        raise web.HTTPNotFound from None
    await audit(
        request,
        "knowledge.rollback",
        article.id,
        before={"version": article.version},
        after={"version": new.version, "as": version, "status": new.status},
    )
    await flash(request, text(request, "knowledge.rolled_back", old=version, new=new.version))
    raise web.HTTPSeeOther(f"/knowledge/a/{article.id}")


async def show_difference(request: web.Request) -> web.StreamResponse:
    """GET /knowledge/a/{id}/compare?old=1&new=2 → what changed between two versions, field by field."""
    base, article = base_of(request), await article_or_404(request)
    numbers = [request.query.get(name, "") for name in ("old", "new")]
    if not all(number.isascii() and number.isdigit() and len(number) < 10 for number in numbers):
        raise web.HTTPBadRequest
    old, new = (int(number) for number in numbers)
    try:
        before = fields_of(await in_thread(base.get, article.id, old))
        after = fields_of(await in_thread(base.get, article.id, new))
    except ArticleError:
        raise web.HTTPNotFound from None
    differing = [name for name in FIELDS if before[name] != after[name]]
    rows = await in_thread(lambda: [(name, spans(before[name], after[name])) for name in differing])
    return render(
        request, "knowledge/compare.html", article=article, old=old, new=new, rows=rows, head=article.version
    )
