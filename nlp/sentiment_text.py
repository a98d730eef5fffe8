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


_GROUPS = (
    re.compile(
        r"残疾人士?|残障人士?|聋哑人|盲人|老人家|老年人|老人|外地人|外乡人|外来(?:人口|务工人员)|农民工|乡下人|本地人|外国人|老外|黑人|白人|难民|移民|少数民族(?:同胞|朋友)?"
        r"|穆斯林|基督徒|佛教徒|回民|(?:汉|回|藏|蒙古|满|壮|苗|彝|维吾尔|哈萨克|朝鲜)族(?:朋友|同胞|人)?|同性恋者?|同志群体|年轻人|大学生"
    ),
    re.compile(
        r"\b(?:(?:muslim|christian|jewish|hindu|gay|lesbian|trans|transgender|black|white|asian|arab|roma|disabled|deaf|blind|old|older|elderly|young|younger"
        r"|foreign|homeless) (?:people|persons|men|women|folks|citizens|residents)"
        r"|the (?:elderly|disabled|homeless)|people with disabilities"
        r"|muslims?|christians?|jews?|hindus?|buddhists?|catholics?|atheists?|arabs?|asians?|africans?|mexicans?|immigrants?|migrants?|refugees?|foreigners?"
        r"|gays?|lesbians?|women|men|seniors|pensioners|locals|students|teenagers)\b",
        re.IGNORECASE,
    ),
)


def without_groups(text: str) -> str:
    """Return a post with the names of groups of people made "人们" and "people".

    Who somebody is must not colour what a post is taken to feel: labelled posts of the past speak ill of some groups.
    """
    return _GROUPS[1].sub("people", _GROUPS[0].sub("人们", text).replace("女司机", "司机"))
