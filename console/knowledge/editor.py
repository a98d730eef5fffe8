"""The editor: saving drafts without losing anybody's work, and attachments."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from console.forms import Form, read_form
from console.knowledge.common import article_or_404, base_of
from console.knowledge.editing import (
    article_of,
    changes,
    empty_fields,
    fields_of,
    is_article_id,
    merge,
    read_fields,
)
from console.knowledge.uploads import NAME, TYPES, UploadError, attachments_in, keep_attachment
from console.web import audit, can, current_user, flash, in_thread, need, render, requires, services, text
from knowledge.article import Article, ArticleError, ArticleNotFound, StaleVersion

_BIG = 10**9


def _page(request: web.Request, fields: dict[str, str], status: int = 200, **values: Any) -> web.Response:
    base = base_of(request)
    shown = {
        "article_id": "",
        "base_version": 0,
        "form": None,
        "conflicts": {},
        "conflict_by": "",
        "conflict_version": 0,
        "attached": "",
        **values,
    }
    return render(
        request,
        "knowledge/edit.html",
        status,
        fields=fields,
        categories=[name for name, _ in base.values_of("category")],
        departments=[name for name, _ in base.values_of("department")],
        files=attachments_in(fields["answer_zh"] + fields["answer_en"]),
        **shown,
    )


@requires("editor")
async def new(request: web.Request) -> web.StreamResponse:
    """GET /knowledge/new → an empty editor."""
    return await in_thread(_page, request, empty_fields())


@requires("editor")
async def edit(request: web.Request) -> web.StreamResponse:
    """GET /knowledge/a/{id}/edit → the newest version in the editor."""
    article = await article_or_404(request)
    return await in_thread(
        _page, request, fields_of(article), article_id=article.id, base_version=article.version
    )


@requires("editor")
async def create(request: web.Request) -> web.StreamResponse:
    """POST /knowledge/new → save the first draft of an article."""
    form = await read_form(request)
    fields = read_fields(form)
    article_id = form.text("id", required=True, limit=119).lower()
    if article_id and not is_article_id(article_id):
        form.fail("id", "knowledge.bad_id")
    if form.errors:
        return await in_thread(_page, request, fields, 422, form=form)
    try:
        saved = await _save(request, form, article_of(article_id, fields), None, {})
    except StaleVersion:
        form.fail("id", "knowledge.taken")
        return await in_thread(_page, request, fields, 422, form=form)
    except ArticleError as error:
        form.fail("answer_zh", "knowledge.invalid", reason=str(error))
        return await in_thread(_page, request, fields, 422, form=form)
    raise web.HTTPSeeOther(f"/knowledge/a/{saved.id}")


@requires("editor")
async def save(request: web.Request) -> web.StreamResponse:
    """POST /knowledge/a/{id}/edit → save a draft; when somebody was quicker, show both texts merged."""
    base, head = base_of(request), await article_or_404(request)
    form = await read_form(request)
    fields = read_fields(form)
    base_version = form.integer("base_version", 1, _BIG, default=head.version)
    shown = {"article_id": head.id, "base_version": base_version, "form": form}
    if form.errors:
        return await in_thread(_page, request, fields, 422, **shown)
    try:
        old = await in_thread(base.get, head.id, base_version)
    except ArticleNotFound:
        raise web.HTTPBadRequest from None
    before = fields_of(old)
    if base_version == head.version and before == fields:
        await flash(request, text(request, "knowledge.unchanged"), "note")
        raise web.HTTPSeeOther(f"/knowledge/a/{head.id}")
    try:
        await _save(request, form, article_of(head.id, fields), base_version, before)
    except StaleVersion:
        return await _conflict(request, before, fields, head.id)
    except ArticleError as error:
        form.fail("answer_zh", "knowledge.invalid", reason=str(error))
        return await in_thread(_page, request, fields, 422, **shown)
    raise web.HTTPSeeOther(f"/knowledge/a/{head.id}")


async def _save(
    request: web.Request, form: Form, article: Article, base_version: int | None, before: dict[str, str]
) -> Article:
    base, person = base_of(request), current_user(request)
    comment = form.value("comment").strip()[:500]
    saved = await in_thread(
        base.save, article, author=person.name, base_version=base_version, comment=comment
    )
    was, now = changes(before, fields_of(saved))
    after = {"version": saved.version, "comment": comment, **now}
    await audit(request, "knowledge.save", saved.id, before=was or None, after=after)
    await flash(request, text(request, "knowledge.saved", version=saved.version))
    wish = form.value("then")
    if wish == "review" or (wish == "published" and can(request, "publisher")):
        await in_thread(base.set_status, saved.id, wish, author=person.name, base_version=saved.version)
        await audit(
            request,
            f"knowledge.{wish}",
            saved.id,
            before={"status": "draft"},
            after={"status": wish, "version": saved.version, "comment": comment},
        )
    return saved


async def _conflict(
    request: web.Request, before: dict[str, str], mine: dict[str, str], article_id: str
) -> web.Response:
    theirs = await in_thread(base_of(request).get, article_id)
    merged, conflicts = merge(before, mine, fields_of(theirs))
    return await in_thread(
        _page,
        request,
        merged,
        409,
        article_id=article_id,
        base_version=theirs.version,
        conflicts=conflicts,
        conflict_by=theirs.updated_by,
        conflict_version=theirs.version,
    )


@requires("editor")
async def attach(request: web.Request) -> web.StreamResponse:
    """POST /knowledge/attach → keep a file and say how to link to it; the article itself stays as it is."""
    folder = need(services(request).files, "a folder for attachments")
    form = await read_form(request)
    upload = form.file("file", required=True)
    if upload is None:
        return render(request, "knowledge/attached_part.html", 422, key="invalid.file", name="", stored="")
    try:
        stored = await in_thread(keep_attachment, folder, upload.name, upload.content)
    except UploadError as error:
        return render(request, "knowledge/attached_part.html", 422, key=error.key, name="", stored="")
    await audit(
        request, "knowledge.attach", stored, after={"name": upload.name, "bytes": len(upload.content)}
    )
    return render(
        request, "knowledge/attached_part.html", key="knowledge.attached", name=upload.name, stored=stored
    )


async def attachment(request: web.Request) -> web.StreamResponse:
    """GET /knowledge/files/{name} → an attachment."""
    folder, name = need(services(request).files, "a folder for attachments"), request.match_info["name"]
    if not NAME.match(name) or not (folder / name).is_file():
        raise web.HTTPNotFound
    headers = {"Content-Type": TYPES[name.rsplit(".", 1)[1]], "Content-Disposition": "attachment"}
    return web.FileResponse(folder / name, headers=headers)
