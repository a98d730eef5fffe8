"""Sentence files: how people say each category, one sentence a line, beside the file of categories."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from actions.requests.errors import CategoriesError

_HEAD = re.compile(r"\[\s*([a-z][a-z0-9_]*)\s+(zh|en)\s*\]")
Sentences = dict[str, dict[str, list[str]]]


def read_sentences(path: Path, known: Collection[str]) -> Sentences:
    """Return category → language → sentences of one file.

    `[pothole zh]` begins the sentences of a category and language; lines that begin with `#` and empty ones are
    passed over.

    Args:
        path: the file, UTF-8.
        known: ids of the categories.

    Raises:
        CategoriesError: it is missing or no text, names an unknown category, or a sentence stands before any head.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise _wrong(path, 0, "没有这个文件", "no such file; mend `sentences`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, 0, f"无法读取（{error}）", f"cannot be read ({error}); save it as UTF-8") from None
    found: Sentences = {}
    place: list[str] | None = None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("["):
            head = _HEAD.fullmatch(text)
            if head is None or head[1] not in known:
                raise _wrong(
                    path,
                    number,
                    f"“{text}”应为已有类别和语言，例如 [pothole zh]",
                    f"{text!r} must name a known category and a language, such as [pothole zh]",
                )
            place = found.setdefault(head[1], {}).setdefault(head[2], [])
        elif place is None:
            raise _wrong(
                path,
                number,
                "句子之前缺少类别，例如 [pothole zh]",
                "a sentence before any category; write [pothole zh] first",
            )
        else:
            place.append(text)
    return found


def _wrong(path: Path, line: int, zh: str, en: str) -> CategoriesError:
    where = f"{path}:{line}" if line else str(path)
    return CategoriesError(f"{where}：{zh}。", f"{where}: {en}", file=str(path))
