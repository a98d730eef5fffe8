"""Article files: Markdown with YAML front matter, one article per file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import LiteralScalarString

from knowledge.article import Article, ArticleError, make_article
from knowledge.text import has_han

_FRONT = re.compile(
    r"\A﻿?---[ \t]*\r?\n(?P<head>.*?)^---[ \t]*\r?$\n?(?P<body>.*)\Z", re.DOTALL | re.MULTILINE
)
_LANGUAGE_HEADING = re.compile(
    r"^#{1,3}[ \t]*(?:(?P<zh>zh(?:-[a-z]+)?|中文|汉语|简体中文)|(?P<en>en(?:-[a-z]+)?|english|英文|英语))[ \t]*:?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
MAX_FILE_BYTES = 1_000_000


@dataclass(frozen=True)
class Parsed:
    """One file of a folder: the article, or what is wrong with it."""

    path: Path
    raw: bytes
    article: Article | None
    error: str = ""


def parse_article(text: str, *, where: str = "article") -> Article:
    """Read an article file.

    The answer stands in the front matter, or below it: under headings `## zh` and `## en` (also 中文, English), or
    as the plain body, whose language is seen from its script.

    Args:
        text: the file's text.
        where: the file's name, for errors.

    Raises:
        ArticleError: when the file is no article; the message names the file, the field or line, and the mend.
    """
    found = _FRONT.match(text)
    if not found:
        raise ArticleError(f"{where}: no front matter; start the file with --- and YAML fields, then ---")
    try:
        data = YAML(typ="safe", pure=True).load(found["head"])
    except (YAMLError, ValueError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 2}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ArticleError(f"{where}{line}: the front matter is no valid YAML ({problem})") from None
    if not isinstance(data, dict):
        raise ArticleError(f"{where}: the front matter must hold fields such as `id:` and `title:`")
    body = _body_answers(found["body"])
    if body:
        answer = data.get("answer")
        if answer is not None and not isinstance(answer, dict):
            raise ArticleError(f"{where}: `answer` must be given by language, as answer: {{zh: …, en: …}}")
        data["answer"] = {**body, **(answer or {})}
    return make_article(data, where=where)


def format_article(article: Article) -> str:
    """Return the file text of an article; `parse_article` reads it back to an equal one."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 10_000  # type: ignore[assignment]
    yaml.indent(mapping=2, sequence=4, offset=2)
    data: dict[str, Any] = article.to_dict()
    for key in ("valid_from", "valid_until"):
        data[key] = date.fromisoformat(data[key]) if data[key] else None
    # A literal block keeps its text as it is, but can hold neither odd line ends nor leading blanks.
    data["answer"] = {
        language: LiteralScalarString(text + "\n") if "\n" in text and _is_plain(text) else text
        for language, text in article.answer.items()
    }
    stream = StringIO()
    yaml.dump({key: value for key, value in data.items() if value not in (None, {}, [], "")}, stream)
    return f"---\n{stream.getvalue()}---\n"


def article_files(folder: Path) -> list[Path]:
    """Return the article files below a folder, in a fixed order; hidden ones and READMEs are none."""
    return sorted(
        path
        for path in folder.rglob("*.md")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.stem.lower() != "readme"
    )


def read_folder(folder: Path) -> Iterator[Parsed]:
    """Yield every article file below `folder`, with its article or what is wrong with it."""
    for path in article_files(folder):
        where = path.relative_to(folder).as_posix()
        try:
            raw = path.read_bytes()
            if len(raw) > MAX_FILE_BYTES:
                yield Parsed(
                    path, b"", None, f"{where}: over {MAX_FILE_BYTES:,} bytes; split it into articles"
                )
                continue
            yield Parsed(path, raw, parse_article(raw.decode("utf-8-sig"), where=where))
        except UnicodeDecodeError as error:
            yield Parsed(path, raw, None, f"{where}: is not UTF-8 (byte {error.start}); save it as UTF-8")
        except OSError as error:
            yield Parsed(
                path, b"", None, f"{where}: cannot be read ({error.strerror}); check its permissions"
            )
        except ArticleError as error:
            yield Parsed(path, raw, None, str(error))


def _body_answers(body: str) -> dict[str, str]:
    headings = list(_LANGUAGE_HEADING.finditer(body))
    if not headings:
        text = body.strip()
        return {("zh" if has_han(text) else "en"): text} if text else {}
    answers = {}
    for number, heading in enumerate(headings):
        end = headings[number + 1].start() if number + 1 < len(headings) else len(body)
        text = body[heading.end() : end].strip()
        if text:
            answers["zh" if heading["zh"] else "en"] = text
    return answers


def _is_plain(text: str) -> bool:
    return not text[:1].isspace() and all(ch == "\n" or ch.isprintable() for ch in text)
