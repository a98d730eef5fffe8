"""Bulk import: tables, Markdown archives and documents, each with a report."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from console.forms import Upload, read_form
from console.knowledge.common import base_of
from console.knowledge.uploads import UploadError, check_archive, suffix_of
from console.web import audit, can, current_user, in_thread, need, render, requires, services
from knowledge.article import Article, ArticleError
from knowledge.documents import import_document
from knowledge.exchange import read_articles
from knowledge.importing import ImportReport, import_articles
from knowledge.markdown import parse_article
from knowledge.service import KnowledgeService

TABLES = ("csv", "xlsx", "jsonl")
DOCUMENTS = ("html", "htm", "pdf", "docx")

Item = tuple[Article, str]


@requires("editor")
async def show(request: web.Request) -> web.StreamResponse:
    """GET /knowledge/import → the form."""
    return render(request, "knowledge/import.html", report=None, form=None)


@requires("editor")
async def take(request: web.Request) -> web.StreamResponse:
    """POST /knowledge/import → import a file and report what was taken; publishing needs a publisher."""
    base, form = base_of(request), await read_form(request)
    data = need(services(request).settings, "settings").data
    upload = form.file("file", required=True)
    draft = form.checked("draft") or not can(request, "publisher")
    report = None
    if upload is not None:
        try:
            report = await in_thread(_import, base, data, upload, draft, current_user(request).name)
        except UploadError as error:
            form.fail("file", error.key)
        except ArticleError as error:
            # The temporary file's folder is no business of the reader.
            form.fail("file", "knowledge.import.failed", reason=str(error).rpartition("/")[2])
    if report is None:
        return render(request, "knowledge/import.html", 422, report=None, form=form)
    counts = {
        name: len(getattr(report, name)) for name in ("added", "updated", "unchanged", "kept", "problems")
    }
    name = upload.name if upload else ""
    await audit(request, "knowledge.import", name, after={**counts, "as_draft": draft})
    return render(request, "knowledge/import.html", report=report, form=None)


def _import(base: KnowledgeService, data: Path, upload: Upload, draft: bool, author: str) -> ImportReport:
    report = ImportReport()
    items = _items(data / "uploads", upload, report)
    if draft:
        items = ((replace(article, status="draft"), content_hash) for article, content_hash in items)
    import_articles(base.store, items, author=author, report=report)
    base.index.catch_up()
    return report


def _items(folder: Path, upload: Upload, report: ImportReport) -> Iterable[Item]:
    kind = suffix_of(upload.name)
    if kind in ("zip", "xlsx", "docx"):
        check_archive(upload.content)
    if kind == "zip":
        return _from_zip(upload.content, report)
    if kind == "md":
        return _from_texts([(upload.name, upload.content)], report)
    if kind not in (*TABLES, *DOCUMENTS):
        raise UploadError("knowledge.import.kind")
    folder.mkdir(parents=True, exist_ok=True)
    # A name of our own: nothing of what the browser sent becomes part of a path.
    path = folder / f"import-{os.getpid()}-{secrets.token_hex(6)}.{kind}"
    path.write_bytes(upload.content)
    try:
        if kind in TABLES:
            items = list(read_articles(path, report))
        else:
            document = import_document(path, name=Path(upload.name).stem)
            report.problems += document.skipped
            items = [(article, _digest(str(article.to_dict()).encode())) for article in document.articles]
    finally:
        path.unlink(missing_ok=True)
    report.problems[:] = [problem.replace(path.name, upload.name) for problem in report.problems]
    return items


def _from_zip(content: bytes, report: ImportReport) -> Iterable[Item]:
    texts = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            if member.is_dir() or not member.filename.lower().endswith(".md"):
                continue
            try:
                texts.append((member.filename, archive.read(member)))
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
                report.problems.append(f"{member.filename}: cannot be unpacked ({error})")
    return _from_texts(texts, report)


def _from_texts(texts: Iterable[tuple[str, bytes]], report: ImportReport) -> Iterable[Item]:
    items, seen = [], set()
    for name, raw in texts:
        try:
            article = parse_article(raw.decode("utf-8-sig"), where=name)
        except UnicodeDecodeError as error:
            report.problems.append(f"{name}: is not UTF-8 (byte {error.start}); save it as UTF-8")
            continue
        except ArticleError as error:
            report.problems.append(str(error))
            continue
        if article.id in seen:
            report.problems.append(f"{name}: `id` {article.id} occurs twice")
            continue
        seen.add(article.id)
        items.append((article, _digest(raw)))
    return items


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
