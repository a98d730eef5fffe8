"""Bulk import: a file is checked and kept here, and read by a job whose progress and report the page shows."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from city.jobs import Job, Jobs, UnknownJobError
from console.csv_export import csv_text
from console.forms import Form, Upload, read_form
from console.keys import AUDIT
from console.knowledge import import_job
from console.knowledge.common import base_of
from console.knowledge.uploads import UploadError, check_archive, suffix_of
from console.state import per_app
from console.web import (
    audit,
    can,
    current_user,
    flash,
    in_thread,
    is_htmx,
    need,
    render,
    requires,
    services,
    text,
)

logger = logging.getLogger(__name__)

ROLE, STOP_ROLE = "editor", "publisher"
# What needs somebody comes first.
PARTS = ("problems", "kept", "skipped", "added", "updated", "unchanged")
_SHOWN, _LATEST, _KEPT = 200, 8, 100
_ARCHIVES = ("zip", "xlsx", "docx")
_DAY_S = 86_400
_LONGEST_S = 6 * 3600


@dataclass(frozen=True)
class Imports:
    """The imports of a city: their jobs, the folder of files that wait for one, and the settings file."""

    jobs: Jobs
    folder: Path
    city: str


def imports_of(request: web.Request) -> Imports:
    """Return the imports of this console; the page 503 when it runs without settings."""
    settings = need(services(request).settings, "settings")

    def make() -> Imports:
        # A folder of their own: an import of seconds does not wait for a training of minutes.
        jobs = Jobs(settings.data / "jobs" / "imports")
        return Imports(jobs, settings.data / "uploads", str(settings.source.resolve()))

    return per_app(request, Imports, make)


@requires(ROLE)
async def show(request: web.Request) -> web.StreamResponse:
    """GET /knowledge/import → the form, and the latest imports."""
    return await _form(request)


async def _form(request: web.Request, form: Form | None = None) -> web.Response:
    base_of(request)
    latest = await in_thread(lambda: imports_of(request).jobs.list(import_job.KIND)[:_LATEST])
    jobs = [(job, datetime.fromisoformat(job.created_at)) for job in latest]
    return render(request, "knowledge/import.html", 422 if form else 200, form=form, jobs=jobs)


@requires(ROLE)
async def take(request: web.Request) -> web.StreamResponse:
    """POST /knowledge/import → a job imports the file; publishing needs a publisher."""
    base_of(request)
    imports, form = imports_of(request), await read_form(request)
    upload = form.file("file", required=True)
    if upload is None:
        return await _form(request, form)
    # Decided here and not in the job: nobody's role reaches beyond the request.
    draft = form.checked("draft") or not can(request, "publisher")
    author = current_user(request).name
    try:
        job = await in_thread(_start, imports, upload, draft, author)
    except UploadError as error:
        form.fail("file", error.key)
        return await _form(request, form)
    await audit(request, "knowledge.import", upload.name, after={"job": job.id, "as_draft": draft})
    _follow(request, imports, job)
    raise web.HTTPSeeOther(f"/knowledge/import/{job.id}")


def _start(imports: Imports, upload: Upload, draft: bool, author: str) -> Job:
    kind = suffix_of(upload.name)
    if kind in _ARCHIVES:
        check_archive(upload.content)
    if kind not in import_job.KINDS:
        raise UploadError("knowledge.import.kind")
    if not upload.content:
        raise UploadError("knowledge.import.empty")
    imports.folder.mkdir(parents=True, exist_ok=True)
    _forget_old(imports)
    # A name of our own: nothing of what the browser sent becomes part of a path.
    path = imports.folder / f"import-{os.getpid()}-{secrets.token_hex(6)}.{kind}"
    path.write_bytes(upload.content)
    arguments = {
        "city": imports.city,
        "path": str(path.resolve()),
        "name": upload.name,
        "draft": draft,
        "author": author,
    }
    return imports.jobs.start(import_job.KIND, import_job.TARGET, arguments, author)


def _forget_old(imports: Imports) -> None:
    """Delete files whose job was killed before it could, and the records of old imports."""
    for file in imports.folder.glob("import-*"):
        if time.time() - file.stat().st_mtime > _DAY_S:
            file.unlink(missing_ok=True)
    imports.jobs.prune(_KEPT)


def _follow(request: web.Request, imports: Imports, job: Job) -> None:
    """When the job is over, let questions find what it brought, and write down what that was."""
    base, log, person = base_of(request), request.app[AUDIT], current_user(request)

    def wait() -> None:
        try:
            over = imports.jobs.wait(job.id, _LONGEST_S, 0.1)
            base.index.catch_up()
            found = imports.jobs.result(job.id) if over.state == "succeeded" else {}
            after = {"job": job.id, "state": over.state, **found.get("counts", {})}
            log.add(person.name, person.role, "knowledge.imported", job.arguments["name"], after=after)
        except Exception:
            logger.exception("import %s: its end was not noted", job.id)

    threading.Thread(target=wait, name="console-import", daemon=True).start()


@requires(ROLE)
async def job(request: web.Request) -> web.StreamResponse:
    """GET /knowledge/import/{job} → how far it is, and its report; htmx asks for the part anew."""
    found = await _job(request)
    result = await in_thread(_result, imports_of(request), found)
    return render(
        request,
        f"knowledge/{'import_part' if is_htmx(request) else 'import_job'}.html",
        job=found,
        name=found.arguments["name"],
        draft=found.arguments["draft"],
        result=result,
        parts=PARTS,
        shown=_SHOWN,
        may_stop=_may_stop(request, found),
    )


@requires(ROLE)
async def cancel(request: web.Request) -> web.StreamResponse:
    """POST /knowledge/import/{job}/cancel → it stops; articles already taken are whole and stay."""
    found = await _job(request)
    if not _may_stop(request, found):
        raise web.HTTPForbidden
    stopped = await in_thread(imports_of(request).jobs.cancel, found.id)
    await in_thread(Path(found.arguments["path"]).unlink, missing_ok=True)
    if stopped.state == "cancelled":
        await audit(request, "knowledge.import_stopped", found.arguments["name"], after={"job": found.id})
        await flash(request, text(request, "knowledge.import.stopped"), "note")
    raise web.HTTPSeeOther(f"/knowledge/import/{found.id}")


@requires(ROLE)
async def report(request: web.Request) -> web.StreamResponse:
    """GET /knowledge/import/{job}/report.csv → the report as a table."""
    found = await _job(request)
    result = await in_thread(_result, imports_of(request), found)
    if not result or "counts" not in result:
        raise web.HTTPNotFound
    rows = [[text(request, f"knowledge.import.{part}"), line] for part in PARTS for line in result[part]]
    header = [text(request, "knowledge.import.outcome"), text(request, "knowledge.import.line")]
    return web.Response(
        text=csv_text(header, rows),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="import-{found.id}.csv"'},
    )


def _result(imports: Imports, found: Job) -> dict[str, Any] | None:
    return imports.jobs.result(found.id) if found.state == "succeeded" else None


def _may_stop(request: web.Request, found: Job) -> bool:
    return not found.over and (found.owner == current_user(request).name or can(request, STOP_ROLE))


async def _job(request: web.Request) -> Job:
    try:
        return await in_thread(imports_of(request).jobs.get, request.match_info["job"])
    except UnknownJobError:
        raise web.HTTPNotFound from None


def routes() -> list[web.RouteDef]:
    """Return the routes of import."""
    return [
        web.get("/knowledge/import", show),
        web.post("/knowledge/import", take),
        web.get("/knowledge/import/{job}", job),
        web.post("/knowledge/import/{job}/cancel", cancel),
        web.get("/knowledge/import/{job}/report.csv", report),
    ]
