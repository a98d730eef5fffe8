"""The pages of models: versions, the gate's report, promotion, roll-back, and the jobs that train and measure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from city.jobs import Job, UnknownJobError
from console.forms import read_form
from console.nlu import job as nlu_job
from console.nlu.library import Library, library_of
from console.web import audit, can, current_user, flash, in_thread, render, requires, text
from nlp.joint_manifest import ModelError
from nlp.registry import ModelVersion

MODEL_ROLE, FORCE_ROLE = "publisher", "admin"
_JOBS = 12


async def models(request: web.Request) -> web.StreamResponse:
    """GET /nlu/models: versions with their figures and verdicts, and the latest jobs."""
    library = library_of(request)

    def read() -> dict[str, Any]:
        versions = library.registry.versions()
        current = next((item.version for item in versions if item.current), "")
        return {
            "versions": versions,
            "verdicts": {item.version: verdict(library, item.version, current) for item in versions},
            "current": current,
            "jobs": [job for job in library.jobs.list() if job.kind in nlu_job.KINDS][:_JOBS],
            "added": sum(u.added for items in library.examples.by_intent().values() for u in items),
        }

    values = await in_thread(read)
    return render(request, "nlu/models.html", model_role=MODEL_ROLE, **values)


def verdict(library: Library, version: str, current: str) -> str:
    """Return `current`, or what the gate said of a version against the current one: `passed`, `refused`, `none`."""
    if version == current:
        return "current"
    report = library.registry.gate(version)
    if report is None or report.get("base") != current:
        return "none"
    return "passed" if report.get("passed") else "refused"


async def model(request: web.Request) -> web.StreamResponse:
    """GET /nlu/models/{version}: its figures and the gate's whole report."""
    library, name = library_of(request), request.match_info["version"]
    versions = await in_thread(library.registry.versions)
    found = _find(versions, name)
    current = next((item.version for item in versions if item.current), "")
    report = await in_thread(library.registry.gate, name)
    return render(
        request,
        "nlu/model.html",
        version=found,
        report=report,
        changed={k: v for k, v in (report or {}).get("intents", {}).items() if v[0] != v[1]},
        verdict=await in_thread(verdict, library, name, current),
        current=current,
        model_role=MODEL_ROLE,
        force_role=FORCE_ROLE,
    )


@requires(MODEL_ROLE)
async def train(request: web.Request) -> web.StreamResponse:
    """POST /nlu/train: a job trains a candidate; `mode` is `continue` or `fresh`."""
    library = library_of(request)
    continued = (await read_form(request)).value("mode") == "continue"
    added = any(u.added for items in library.examples.by_intent().values() for u in items)
    if continued and not added:
        await flash(request, text(request, "nlu.nothing_added"), "bad")
        raise web.HTTPSeeOther("/nlu/models")
    arguments = {"city": library.city, "continued": continued, "examples": str(library.examples.added)}
    return await _start(request, nlu_job.TRAIN, "train", arguments, "continue" if continued else "fresh")


@requires(MODEL_ROLE)
async def compare(request: web.Request) -> web.StreamResponse:
    """POST /nlu/models/{version}/compare: a job compares the version with the current one."""
    library, found = library_of(request), await _version(request)
    arguments = {"city": library.city, "version": found.version}
    return await _start(request, nlu_job.COMPARE, "compare", arguments, found.version)


@requires(MODEL_ROLE)
async def evaluate(request: web.Request) -> web.StreamResponse:
    """POST /nlu/models/{version}/evaluate: a job measures the version on its held-out texts."""
    library, found = library_of(request), await _version(request)
    arguments = {"city": library.city, "directory": str(found.path)}
    return await _start(request, nlu_job.EVALUATE, "evaluate", arguments, found.version)


async def _start(
    request: web.Request, kind: str, function: str, arguments: Mapping[str, Any], target: str
) -> web.StreamResponse:
    library, by = library_of(request), current_user(request).name
    started = await in_thread(library.jobs.start, kind, f"console.nlu.job:{function}", arguments, by)
    await audit(request, f"nlu.{function}", target, after={"job": started.id})
    raise web.HTTPSeeOther(f"/nlu/jobs/{started.id}")


@requires(MODEL_ROLE)
async def promote(request: web.Request) -> web.StreamResponse:
    """POST /nlu/models/{version}/promote: behind the gate, or by an administrator in spite of it, with a reason."""
    library, found = library_of(request), await _version(request)
    form = await read_form(request)
    reason = form.value("reason").strip()[:300]
    current = await _current(library)
    said = await in_thread(verdict, library, found.version, current)
    forced = said != "passed" and bool(current)
    if forced and not (can(request, FORCE_ROLE) and reason):
        await flash(request, text(request, f"nlu.not_promoted.{said}"), "bad")
        raise web.HTTPSeeOther(f"/nlu/models/{found.version}")
    await in_thread(library.registry.promote, found.version)
    after = {"version": found.version, "gate": said, **({"reason": reason} if forced else {})}
    await audit(request, "nlu.promote", found.version, before={"version": current}, after=after)
    await flash(request, text(request, "nlu.promoted", version=found.version))
    raise web.HTTPSeeOther("/nlu/models")


@requires(MODEL_ROLE)
async def rollback(request: web.Request) -> web.StreamResponse:
    """POST /nlu/rollback: the version before the current one answers again."""
    library = library_of(request)
    current = await _current(library)
    try:
        version = await in_thread(library.registry.rollback)
    except ModelError as error:
        await flash(request, text(request, "nlu.refused", reason=str(error)), "bad")
        raise web.HTTPSeeOther("/nlu/models") from None
    await audit(request, "nlu.rollback", version, before={"version": current}, after={"version": version})
    await flash(request, text(request, "nlu.rolled_back", version=version))
    raise web.HTTPSeeOther("/nlu/models")


async def job(request: web.Request) -> web.StreamResponse:
    """GET /nlu/jobs/{job}: how far it is, what it printed, and what came of it; htmx asks for the part anew."""
    library, found = library_of(request), await _job(request)
    log = await in_thread(library.jobs.log, found.id, 6_000)
    result = await in_thread(library.jobs.result, found.id) if found.state == "succeeded" else None
    template = "job_part.html" if request.headers.get("HX-Request") else "job.html"
    shown = [line for line in log.splitlines() if line.strip()][-40:]
    return render(
        request, f"nlu/{template}", job=found, log="\n".join(shown), result=result, model_role=MODEL_ROLE
    )


@requires(MODEL_ROLE)
async def cancel(request: web.Request) -> web.StreamResponse:
    """POST /nlu/jobs/{job}/cancel: the job is stopped; nothing half-written is left."""
    library, found = library_of(request), await _job(request)
    await in_thread(library.jobs.cancel, found.id)
    await audit(request, "nlu.cancel", found.id)
    raise web.HTTPSeeOther(f"/nlu/jobs/{found.id}")


async def report(request: web.Request) -> web.StreamResponse:
    """GET /nlu/jobs/{job}/report: the evaluation's page, as a file."""
    library, found = library_of(request), await _job(request)
    try:
        path = library.jobs.file(found.id, "report.html")
    except UnknownJobError:
        raise web.HTTPNotFound from None
    return web.Response(
        body=await in_thread(path.read_bytes),
        content_type="text/html",
        charset="utf-8",
        # The report brings styles of its own, which the console's policy forbids in a page.
        headers={"Content-Disposition": 'attachment; filename="nlu-report.html"'},
    )


async def _job(request: web.Request) -> Job:
    try:
        found = await in_thread(library_of(request).jobs.get, request.match_info["job"])
    except UnknownJobError:
        raise web.HTTPNotFound from None
    if found.kind not in nlu_job.KINDS:
        raise web.HTTPNotFound
    return found


async def _version(request: web.Request) -> ModelVersion:
    versions = await in_thread(library_of(request).registry.versions)
    return _find(versions, request.match_info["version"])


async def _current(library: Library) -> str:
    versions = await in_thread(library.registry.versions)
    return next((item.version for item in versions if item.current), "")


def _find(versions: list[ModelVersion], name: str) -> ModelVersion:
    for item in versions:
        if item.version == name:
            return item
    raise web.HTTPNotFound


def routes() -> list[web.RouteDef]:
    """Return the routes of models and jobs."""
    return [
        web.get("/nlu/models", models),
        web.get("/nlu/models/{version}", model),
        web.post("/nlu/train", train),
        web.post("/nlu/models/{version}/compare", compare),
        web.post("/nlu/models/{version}/evaluate", evaluate),
        web.post("/nlu/models/{version}/promote", promote),
        web.post("/nlu/rollback", rollback),
        web.get("/nlu/jobs/{job}", job),
        web.post("/nlu/jobs/{job}/cancel", cancel),
        web.get("/nlu/jobs/{job}/report", report),
    ]
