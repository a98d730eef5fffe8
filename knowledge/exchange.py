"""Imports and exports articles as CSV, XLSX and JSONL tables and as a Markdown folder."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from knowledge.article import LANGUAGES, Article, ArticleError, make_article
from knowledge.documents import DOCUMENTS, import_document
from knowledge.importing import ImportReport, import_articles, sync_folder
from knowledge.markdown import format_article, read_folder
from knowledge.store import ArticleStore

FORMATS = ("md", "csv", "xlsx", "jsonl")
_TEXTS = ("title", "answer", "contact")
_SINGLE = (
    "category",
    "department",
    "source_url",
    "valid_from",
    "valid_until",
    "status",
    "version",
    "updated_at",
    "updated_by",
)
COLUMNS = (
    "id",
    *(f"{field}_{language}" for field in ("title", "questions", "answer") for language in LANGUAGES),
    "tags",
    *(f"contact_{language}" for language in LANGUAGES),
    *_SINGLE,
)
# A spreadsheet program takes cells that begin so for formulas.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Item = tuple[Article, str]


def read_articles(path: Path, report: ImportReport) -> Iterator[Item]:
    """Yield the articles of a file or Markdown folder, each with a hash of its source.

    Args:
        path: a folder of Markdown files, or a `.csv`, `.xlsx` or `.jsonl` file. Tables have one row an article and the
            columns of `COLUMNS`, of which only `id` and one title and answer are needed; several phrasings or tags
            stand in one cell, a line each (tags also after commas).
        report: told what cannot be taken, and why.

    Raises:
        ArticleError: when the file is missing or of no known format.
    """
    if path.is_dir():
        for parsed in read_folder(path):
            if parsed.article is None:
                report.problems.append(parsed.error)
            else:
                yield parsed.article, hashlib.sha256(parsed.raw).hexdigest()
        return
    readers: dict[str, Callable[[bytes], Iterable[tuple[str, Mapping[str, Any]]]]] = {
        ".csv": _csv_rows,
        ".xlsx": _xlsx_rows,
        ".jsonl": _jsonl_rows,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ArticleError(f"{path}: unknown kind of file; give a Markdown folder, .csv, .xlsx or .jsonl")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArticleError(f"{path}: cannot be read ({error.strerror})") from None
    seen: dict[str, str] = {}
    for where, row in reader(data):
        if row.get("__error__"):
            report.problems.append(f"{path.name}, {where}: {row['__error__']}")
            continue
        try:
            article = make_article(row, where=f"{path.name}, {where}")
        except ArticleError as error:
            report.problems.append(str(error))
            continue
        if article.id in seen:
            report.problems.append(
                f"{path.name}, {where}: `id` {article.id} stands already in {seen[article.id]}"
            )
            continue
        seen[article.id] = where
        digest = hashlib.sha256(json.dumps(article.to_dict(), sort_keys=True, ensure_ascii=False).encode())
        yield article, digest.hexdigest()


def import_path(
    store: ArticleStore,
    path: Path,
    *,
    author: str,
    publish: bool = False,
    category: str = "",
    department: str = "",
) -> ImportReport:
    """Import whatever stands at a path: a Markdown folder, a table, or a document as one draft for each section.

    Args:
        store: the article store.
        path: the folder or file.
        author: who imports.
        publish: publish a document's sections at once.
        category, department: for a document's sections.

    Raises:
        ArticleError: when it cannot be read at all.
    """
    if path.is_dir():
        return sync_folder(store, path, author=author)
    report = ImportReport()
    if path.suffix.lower() not in DOCUMENTS:
        return import_articles(store, read_articles(path, report), author=author, report=report)
    found = import_document(path, category=category, department=department)
    report.skipped += found.skipped
    status = "published" if publish else "draft"
    items = [(replace(article, status=status), _content_hash(article, status)) for article in found.articles]
    return import_articles(store, items, author=author, report=report)


def _content_hash(article: Article, status: str) -> str:
    text = json.dumps([status, article.content()], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def write_articles(articles: Iterable[Article], path: Path, kind: str) -> int:
    """Write articles; return how many.

    Args:
        articles: what to write.
        path: a folder for `md`, else a file.
        kind: one of `FORMATS`.

    Raises:
        ArticleError: when the format is unknown or the files cannot be written.
    """
    if kind not in FORMATS:
        raise ArticleError(f"export format {kind!r} is none of {', '.join(FORMATS)}")
    try:
        return _write(list(articles), path, kind)
    except OSError as error:
        raise ArticleError(f"{path}: cannot be written ({error.strerror}); choose another place") from None


def _write(items: Sequence[Article], path: Path, kind: str) -> int:
    if kind == "md":
        for article in items:
            # A category is free text; it must not lead out of the folder.
            folder = path / (re.sub(r"[^\w-]+", "-", article.category).strip("-") or "other")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{article.id}.md").write_text(format_article(article), "utf-8")
        return len(items)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "jsonl":
        lines = (json.dumps(article.to_dict(), ensure_ascii=False) for article in items)
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    elif kind == "csv":
        with path.open("w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerows(
                {key: _guarded(text) for key, text in _flat(article).items()} for article in items
            )
    else:
        _write_xlsx(items, path)
    return len(items)


def _flat(article: Article) -> dict[str, str]:
    data = article.to_dict()
    row = {"id": article.id, "tags": "\n".join(article.tags)}
    for field in _TEXTS:
        row.update({f"{field}_{language}": data[field].get(language, "") for language in LANGUAGES})
    row.update(
        {f"questions_{language}": "\n".join(article.questions.get(language, ())) for language in LANGUAGES}
    )
    row.update({field: str(data[field] or "") for field in _SINGLE})
    return row


def _unflat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table's row as an article's fields; raises `ArticleError` for an unknown column."""
    unknown = [str(key) for key in row if key not in COLUMNS]
    if unknown:
        raise ArticleError(f"unknown column `{unknown[0]}`; known are {', '.join(COLUMNS)}")
    text = {key: str(value).strip() for key, value in row.items() if value is not None}
    data: dict[str, Any] = {"id": text.get("id", "")}
    for field in _TEXTS:
        data[field] = {language: text.get(f"{field}_{language}", "") for language in LANGUAGES}
    data["questions"] = {
        language: [line for line in text.get(f"questions_{language}", "").splitlines() if line.strip()]
        for language in LANGUAGES
    }
    data["tags"] = [tag for tag in text.get("tags", "").replace(",", "\n").splitlines() if tag.strip()]
    data.update({field: text[field] for field in _SINGLE if text.get(field)})
    return data


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _unguarded(text: Any) -> Any:
    if isinstance(text, str) and text.startswith("'") and text[1:].startswith(_FORMULA):
        return text[1:]
    return text


def _rows(
    header: list[str], rows: Iterable[Iterable[Any]], first: int
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, values in enumerate(rows, first):
        pairs = dict(zip(header, (_unguarded(value) for value in values), strict=False))
        if not any(str(value or "").strip() for value in pairs.values()):
            continue
        try:
            yield f"row {number}", _unflat({key: value for key, value in pairs.items() if key})
        except ArticleError as error:
            yield f"row {number}", {"__error__": str(error)}


def _csv_rows(data: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            # What Excel on a Chinese Windows writes.
            text = data.decode("gb18030")
        except UnicodeDecodeError as error:
            yield (
                "file",
                {"__error__": f"is neither UTF-8 nor GB18030 (byte {error.start}); save it as UTF-8"},
            )
            return
    csv.field_size_limit(10_000_000)
    try:
        rows = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        yield "file", {"__error__": f"is no CSV ({error})"}
        return
    if rows:
        yield from _rows([cell.strip() for cell in rows[0]], rows[1:], 2)


def _xlsx_rows(data: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    from openpyxl import load_workbook

    try:
        sheet = load_workbook(io.BytesIO(data), read_only=True, data_only=True).worksheets[0]
        rows = list(sheet.iter_rows(values_only=True))
    except Exception as error:  # openpyxl raises whatever its parts raise
        yield "file", {"__error__": f"is no Excel workbook ({error}); save it as .xlsx"}
        return
    if rows:
        yield from _rows([str(cell or "").strip() for cell in rows[0]], rows[1:], 2)


def _jsonl_rows(data: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            row = {"__error__": f"is no JSON ({error})"}
        yield f"line {number}", row if isinstance(row, dict) else {"__error__": "must be a JSON object"}


def _write_xlsx(articles: Iterable[Article], path: Path) -> None:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("articles")
    header = [WriteOnlyCell(sheet, name) for name in COLUMNS]
    for cell in header:
        cell.font = Font(bold=True)
    sheet.append(header)
    for article in articles:
        row = _flat(article)
        cells = [WriteOnlyCell(sheet, row.get(name, "")) for name in COLUMNS]
        for cell in cells:
            # A text that begins with "=" stays a text.
            cell.data_type = "s"
        sheet.append(cells)
    workbook.save(path)
