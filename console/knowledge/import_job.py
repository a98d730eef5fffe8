"""The job behind bulk import: reads a file that staff sent, and takes its articles one by one.

Each article is one transaction, so that a job that is stopped leaves every article whole; the same file sent again
goes on where it stopped, because what is there already counts as unchanged.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from city.jobs import JobContext
from city.settings import load_settings
from knowledge.article import Article, ArticleError
from knowledge.documents import import_document
from knowledge.exchange import read_articles
from knowledge.importing import ImportReport, import_articles
from knowledge.markdown import parse_article
from knowledge.store import ArticleStore

KIND, TARGET = "knowledge.import", "console.knowledge.import_job:run"
TABLES = ("csv", "xlsx", "jsonl")
DOCUMENTS = ("html", "htm", "pdf", "docx")
KINDS = (*TABLES, *DOCUMENTS, "md", "zip")
# What a page and its export show of each part of a report; counts are always whole.
MOST_LINES = 2_000
_READ_SHARE = 0.1

Item = tuple[Article, str]


def run(*, city: str, path: str, name: str, draft: bool, author: str, context: JobContext) -> dict[str, Any]:
    """Import a file and delete it.

    Args:
        city: the settings file.
        path: the file as it was kept.
        name: its name as staff know it.
        draft: whether everything stays a draft.
        author: who imports.

    Returns:
        `problem` when the file cannot be read at all, else `counts` and the report's lists.
    """
    file = Path(path)
    try:
        settings = load_settings(Path(city))
        report = ImportReport()
        context.progress(0.0, name)
        try:
            items = list(read_file(file, name, report))
        except ArticleError as error:
            # The folder in which the file was kept is no business of the reader.
            return {"problem": str(error).rpartition("/")[2].replace(file.name, name)}
        url = settings.knowledge.store_url or f"sqlite:///{settings.data / 'knowledge' / 'articles.db'}"
        store = ArticleStore(url)
        try:
            take(store, items, report, draft=draft, author=author, context=context)
        finally:
            store.close()
        return as_result(report)
    finally:
        file.unlink(missing_ok=True)


def take(
    store: ArticleStore,
    items: Iterable[Item],
    report: ImportReport,
    *,
    draft: bool,
    author: str,
    context: JobContext,
) -> None:
    """Import articles one by one and tell how far it is."""
    waiting = list(items)
    for number, (article, content_hash) in enumerate(waiting):
        share = _READ_SHARE + (1 - _READ_SHARE) * number / len(waiting)
        context.progress(share, f"{number} / {len(waiting)}")
        wanted = replace(article, status="draft") if draft else article
        import_articles(store, [(wanted, content_hash)], author=author, report=report)


def as_result(report: ImportReport) -> dict[str, Any]:
    """Return a report as plain data, long lists cut."""
    lists = {key: value for key, value in asdict(report).items() if isinstance(value, list)}
    return {
        "counts": {key: len(value) for key, value in lists.items()},
        **{key: value[:MOST_LINES] for key, value in lists.items()},
    }


def read_file(path: Path, name: str, report: ImportReport) -> Iterable[Item]:
    """Return the articles of a table, document, Markdown file or archive of Markdown files.

    Args:
        path: the file; its ending says what it is.
        name: what it is called in the report.
        report: told what cannot be taken, and why.

    Raises:
        ArticleError: the whole file cannot be read.
    """
    kind = path.suffix[1:]
    if kind == "zip":
        return _from_zip(path, report)
    if kind == "md":
        return _from_texts([(name, path.read_bytes())], report)
    if kind in TABLES:
        items = list(read_articles(path, report))
    else:
        document = import_document(path, name=Path(name).stem)
        report.skipped += document.skipped
        items = [(article, _digest(str(article.to_dict()).encode())) for article in document.articles]
    for lines in (report.problems, report.skipped):
        lines[:] = [line.replace(path.name, name) for line in lines]
    return items


def _from_zip(path: Path, report: ImportReport) -> Iterable[Item]:
    texts = []
    with zipfile.ZipFile(path) as archive:
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
