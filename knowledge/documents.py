"""Imports documents (HTML, PDF, DOCX) as draft articles, one per section, with a report of what was not taken."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from knowledge.article import MAX_ANSWER_CHARS, Article, ArticleError, make_article
from knowledge.text import clean, has_han, tidy

DOCUMENTS = (".html", ".htm", ".pdf", ".docx")
MIN_CHARS = {"zh": 12, "en": 30}
_DROPPED_TAGS = (
    "script",
    "style",
    "nav",
    "header",
    "footer",
    "aside",
    "form",
    "noscript",
    "template",
    "svg",
    "iframe",
)
_HEADING_TAG = re.compile(r"h[1-6]\Z")
_BLOCKS = ("p", "li", "dt", "dd", "pre", "blockquote", "tr", "figcaption", "address", "caption")


@dataclass
class Section:
    """A heading, the headings above it, and the Markdown text below it."""

    heading: str
    above: tuple[str, ...]
    text: str


@dataclass
class DocumentReport:
    """What was taken from a document and what was not, and why."""

    articles: list[Article] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the report for people, one fact per line."""
        lines = [f"{len(self.articles)} sections taken, {len(self.skipped)} not taken"]
        lines += [f"taken: {article.id} “{article.title_in('zh')}”" for article in self.articles]
        return lines + [f"not taken: {reason}" for reason in self.skipped]


def import_document(
    path: Path, *, category: str = "", department: str = "", source_url: str = "", name: str = ""
) -> DocumentReport:
    """Read a document into draft articles, one per section, for staff to review.

    Args:
        path: a `.html`, `.htm`, `.pdf` or `.docx` file.
        category, department, source_url: for all articles.
        name: what the articles' ids begin with; the file's name when empty.

    Raises:
        ArticleError: when the file is missing, of another kind, encrypted or damaged.
    """
    readers: dict[str, Callable[[bytes, DocumentReport], tuple[str, list[Section]]]] = {
        ".html": read_html,
        ".htm": read_html,
        ".pdf": read_pdf,
        ".docx": read_docx,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ArticleError(f"{path}: unknown kind of document; give .html, .pdf or .docx")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArticleError(f"{path}: cannot be read ({error.strerror})") from None
    report = DocumentReport()
    try:
        title, sections = reader(data, report)
    except ArticleError:
        raise
    except Exception as error:  # the parsers raise whatever the damage leads them to
        raise ArticleError(
            f"{path}: is no readable {path.suffix[1:].upper()} ({type(error).__name__}: {error})"
        ) from error
    stem = _slug(name or path.stem)
    seen: set[str] = set()
    for number, section in enumerate(sections, 1):
        text = section.text.strip()
        heading = section.heading or title or path.stem
        language = "zh" if has_han(text) else "en"
        if len(text) < MIN_CHARS[language]:
            report.skipped.append(f"“{heading}”: only {len(text)} characters of text")
            continue
        digest = hashlib.sha256(clean(text).encode()).hexdigest()
        if digest in seen:
            report.skipped.append(f"“{heading}”: the same text stands earlier in the document")
            continue
        seen.add(digest)
        if len(text) > MAX_ANSWER_CHARS:
            report.skipped.append(f"“{heading}”: {len(text)} characters without a heading; divide it")
            continue
        full = " – ".join(dict.fromkeys(part for part in (*section.above[-1:], heading) if part))
        report.articles.append(
            make_article(
                {
                    "id": f"{stem}-{number}",
                    "title": {language: full},
                    "answer": {language: text},
                    "category": category,
                    "department": department,
                    "source_url": source_url,
                    "tags": [f"topic:{stem}"],
                    "status": "draft",
                },
                where=f"{path.name}, “{heading}”",
            )
        )
    return report


def read_html(data: bytes, report: DocumentReport) -> tuple[str, list[Section]]:
    """Return the title and sections of a web page; navigation, forms and scripts are left out."""
    from bs4 import BeautifulSoup
    from bs4.element import Tag

    soup = BeautifulSoup(data, "lxml")
    title = tidy(soup.title.get_text()) if soup.title else ""
    dropped = soup.find_all(_DROPPED_TAGS)
    for tag in dropped:
        tag.decompose()
    if dropped:
        report.skipped.append(
            f"{len(dropped)} parts of the page that are no content (navigation, scripts, forms)"
        )
    root = soup.find("main") or soup.find("article") or soup.body or soup
    builder = _Builder()
    for tag in root.find_all(True) if isinstance(root, Tag) else []:
        if _HEADING_TAG.match(tag.name):
            builder.heading(tidy(tag.get_text(" ")), int(tag.name[1]))
        elif tag.name in _BLOCKS and not tag.find(_BLOCKS) and not tag.find_parent(_HEADING_TAG):
            if tag.name == "tr":
                cells = [tidy(cell.get_text(" ")) for cell in tag.find_all(["th", "td"])]
                builder.text("- " + " | ".join(cell for cell in cells if cell))
            else:
                text = tidy(tag.get_text(" "))
                builder.text(f"- {text}" if tag.name == "li" and text else text)
    if not builder.sections and isinstance(root, Tag):
        builder.text(tidy(root.get_text(" ")))
    return title, builder.sections


def read_docx(data: bytes, report: DocumentReport) -> tuple[str, list[Section]]:
    """Return the title and sections of a Word document; tables become list lines."""
    import docx
    from docx.table import Table

    document = docx.Document(io.BytesIO(data))
    builder = _Builder()
    title = tidy(document.core_properties.title or "")
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            for row in block.rows:
                cells = dict.fromkeys(tidy(cell.text) for cell in row.cells)
                builder.text("- " + " | ".join(cell for cell in cells if cell))
            continue
        text = tidy(block.text)
        style = (block.style.name or "") if block.style is not None else ""
        found = re.match(r"(?:Heading|标题)\s*(\d)", style)
        if found:
            builder.heading(text, int(found[1]))
        elif style == "Title":
            title = text or title
        else:
            builder.text(f"- {text}" if text and "List" in style else text)
    if document.inline_shapes:
        report.skipped.append(f"{len(document.inline_shapes)} pictures: their text cannot be read")
    return title, builder.sections


_PDF_HEADING = re.compile(
    r"^(?:第[一二三四五六七八九十百]+[章节条]|[一二三四五六七八九十]+、|（[一二三四五六七八九十]+）|\d+(?:\.\d+)*[.、 ]\s*)\S.{0,38}$"
    r"|^[A-Z][^\s.!?;]*(?: [^\s.!?;]+){0,5}$"
)


def read_pdf(data: bytes, report: DocumentReport) -> tuple[str, list[Section]]:
    """Return the title and sections of a PDF; lines that look like headings divide it, page headers are left out."""
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise ArticleError("the PDF is encrypted; remove its password first")
    pages = [[tidy(line) for line in (page.extract_text() or "").splitlines()] for page in reader.pages]
    counts: dict[str, int] = {}
    for lines in pages:
        for line in {line for line in lines[:2] + lines[-2:] if line}:
            key = re.sub(r"\d+", "#", line)
            counts[key] = counts.get(key, 0) + 1
    repeated = {key for key, count in counts.items() if count >= 3 and count * 2 > len(pages)}
    builder = _Builder()
    for number, lines in enumerate(pages, 1):
        if not any(lines):
            report.skipped.append(f"page {number}: no text (a scanned picture?)")
        for line in lines:
            if re.sub(r"\d+", "#", line) in repeated or re.fullmatch(r"[-–— ]*\d{1,4}[-–— ]*", line):
                continue
            if _PDF_HEADING.match(line) and not line.endswith((",", "，", "。", ";")):
                builder.heading(line, 2)
            else:
                builder.text(line, joined=True)
    meta = reader.metadata
    return tidy(str(meta.title)) if meta is not None and meta.title else "", builder.sections


class _Builder:
    """Collects sections from headings and text in reading order."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self._levels: list[tuple[int, str]] = []

    def heading(self, text: str, level: int) -> None:
        if not text:
            return
        self._levels = [(depth, name) for depth, name in self._levels if depth < level]
        above = tuple(name for _, name in self._levels)
        self._levels.append((level, text))
        self.sections.append(Section(text, above, ""))

    def text(self, text: str, joined: bool = False) -> None:
        if not text.strip("- |"):
            return
        if not self.sections:
            self.sections.append(Section("", (), ""))
        section = self.sections[-1]
        if joined and section.text and not section.text.endswith(("。", "：", ".", ":", "!", "?", "；", ";")):
            # A PDF breaks its lines where the page ends, not where the sentence does.
            section.text += text if has_han(section.text[-1:]) else f" {text}"
        else:
            section.text += f"\n{text}" if section.text else text


def _slug(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", clean(name).lower()).strip("-")[:60]
    return slug or f"document-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
