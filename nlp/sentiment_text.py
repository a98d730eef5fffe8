"""Brings a post into the form the sentiment model reads, the same in training and at run time."""

from __future__ import annotations

import re
import unicodedata

from nlp.joint_text import prepare

MAX_CHARS = 1200
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_USER = re.compile(r"@[\w\-\u3400-\u9fff]{1,30}")
_MARKS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u20d0-\u20ff]{2,}")
_RUN = re.compile(r"(.)\1{3,}", re.DOTALL)
_SPACE = re.compile(r"\s+")


def clean(text: str) -> str:
    """Return a post without addresses, with user names as `@user`, stacked marks and long runs shortened.

    Of a longer post the beginning and the end are kept, `MAX_CHARS` characters together: opinions stand there
    (Sun et al. 2019). Chinese is written in simplified characters.
    """
    if len(text) > 2 * MAX_CHARS:
        text = text[:MAX_CHARS] + " … " + text[-MAX_CHARS:]
    text = unicodedata.normalize("NFKC", text)
    text = _MARKS.sub("", text)
    text = _URL.sub(" ", text)
    text = _USER.sub("@user", text)
    text = _RUN.sub(r"\1\1\1", text)
    text = _SPACE.sub(" ", text).strip()
    if len(text) > MAX_CHARS:
        text = text[: MAX_CHARS // 2] + " … " + text[-MAX_CHARS // 2 :]
    return prepare(text)


def head_and_tail(ids: list[int], limit: int) -> list[int]:
    """Cut token ids, special ones at both ends included, to `limit`: half from the beginning, half from the end."""
    if len(ids) <= limit:
        return ids
    head = limit // 2
    return ids[:head] + ids[-(limit - head) :]
