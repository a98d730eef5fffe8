"""The door: turns what a source gives into a post, or says why not. Nobody's name or number gets past it."""

from __future__ import annotations

import hashlib
import hmac
import html
import os
import re
import secrets
import unicodedata
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from actions.opinion.errors import PostError
from actions.opinion.model import Post, RawPost
from city.masking import mask
from nlp.joint_text import prepare
from nlp.language import identify

KEY_ENV = "CHENGDA_OPINION_KEY"
# A post is cut to so many characters before anything else looks at it; 10 MB of text must cost nothing.
_READ_CHARS = 20_000
_FUTURE = timedelta(minutes=10)
_OLDEST = datetime(2000, 1, 1, tzinfo=timezone.utc)
_TAG = re.compile(r"<[a-zA-Z!/][^>]{0,2000}>")
_USER = re.compile(r"@[\w.\-\u3400-\u9fff]{1,60}")
_REPOST = re.compile(r"^\s*(?:RT\s+@?\S+:|转发微博|//@\S+?[:：]|转发[:：]?)\s*", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_MARKS = re.compile("([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u20d0-\u20ff]){2,}")
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
_KANA = re.compile("[\u3040-\u30ff\uac00-\ud7af]")
_ENGLISH = frozenset(
    "the a an and or of to in on at for is are was were be been it this that i you we they my your not no with have "
    "has had do does so but just get got what when where why who how please thanks can will again all about after "
    "before here there never always today yesterday tomorrow tonight now anyone nobody everyone from by out off up "
    "down over near more most some than then as if he she they them their our us his her would could should did "
    "don't can't won't isn't i'm it's very much still only late too one two".split()
)
_WORD = re.compile(r"[\w\u3400-\u9fff]+")


class _Text(HTMLParser):
    """Collects the text of HTML, without scripts and styles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._hidden += 1
        elif tag in ("br", "p", "div", "li"):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._hidden = max(0, self._hidden - 1)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


class Door:
    """Checks, cleans and masks posts.

    Args:
        key: secret that authors are hashed with (HMAC-SHA-256), so that a list of names cannot undo the hashes.
        max_chars: of text that are kept.
    """

    def __init__(self, key: bytes, max_chars: int = 4000) -> None:
        self._key, self._max_chars = key, max_chars

    @classmethod
    def open(cls, data_dir: Path, max_chars: int = 4000) -> Door:
        """Return a door with the key of `CHENGDA_OPINION_KEY`, else one made once and kept below `data_dir`."""
        named = os.environ.get(KEY_ENV, "")
        if named:
            return cls(named.encode(), max_chars)
        path = data_dir / "author.key"
        data_dir.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            part = path.with_name(f".author.{os.getpid()}.key")
            part.touch(mode=0o600)
            part.write_text(secrets.token_hex(32), encoding="ascii")
            try:
                os.link(part, path)  # fails when another process was first, whose key then holds
            except FileExistsError:
                part.unlink()
                return cls(path.read_bytes(), max_chars)
            part.unlink()
        return cls(path.read_bytes(), max_chars)

    def admit(self, raw: RawPost, now: datetime | None = None) -> Post:
        """Return the post.

        Raises:
            PostError: it has no text, no source or an impossible time; `reason` says which.
        """
        now = now or datetime.now(timezone.utc)
        notes: list[str] = []
        if not raw.source:
            raise PostError("no_source", "帖子没有来源", "the post names no source")
        if not isinstance(raw.text, str):
            raise PostError("no_text", "正文不是文本", "the post's text is no text; send a string")
        if len(raw.text) > _READ_CHARS:
            notes.append("cut")
        text = plain(raw.text[:_READ_CHARS])
        if len(text) > self._max_chars:
            text, notes = text[: self._max_chars], [*notes, "cut"]
        if not text:
            raise PostError("empty", "正文为空", "the post has no text")
        at = read_time(raw.at, now)
        if at > now + _FUTURE:
            at, notes = now, [*notes, "future"]
        masked = _USER.sub("@…", mask(text))
        external = str(raw.external_id or "")[:300]
        fingerprint = content_fingerprint(masked)
        identity = external or f"{fingerprint}|{at.isoformat()}|{raw.author}"
        key = hashlib.sha256(f"{raw.source}\0{identity}".encode("utf-8", "replace")).hexdigest()[:40]
        reach = raw.reach if isinstance(raw.reach, (int, float)) and raw.reach == raw.reach else 0.0
        return Post(
            key=key,
            source=raw.source[:40],
            external_id=external,
            at=at,
            received_at=now,
            text=masked,
            language=language_of(masked),
            author=self.hash_author(raw.source, str(raw.author or "")),
            url=raw.url[:500] if raw.url.startswith(("http://", "https://")) else "",
            reach=float(min(max(reach, 0.0), 1e10)),
            district=raw.district[:40],
            fingerprint=fingerprint,
            notes=tuple(dict.fromkeys(notes)),
        )

    def hash_author(self, source: str, author: str) -> str:
        """Return 16 hexadecimal digits that stand for an author of a source; "" for nobody."""
        if not author:
            return ""
        return hmac.new(self._key, f"{source}\0{author}".encode("utf-8", "replace"), "sha256").hexdigest()[
            :16
        ]


def plain(text: str) -> str:
    """Return text without HTML, control and direction characters, stacked marks, and needless spaces."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    if _TAG.search(text):
        parser = _Text()
        parser.feed(text)
        parser.close()
        text = "".join(parser.parts)
    elif "&" in text:
        text = html.unescape(text)
    text = unicodedata.normalize("NFC", _CONTROL.sub("", text))
    text = _MARKS.sub("", text)
    return " ".join(text.split())


def language_of(text: str) -> str:
    """Return "zh", "en", another code, or "und" for a text without words; scripts and small words decide fast."""
    letters = [char for char in text[:500] if char.isalpha()]
    if not letters:
        return "und"
    han = sum("\u3400" <= char <= "\u9fff" for char in letters)
    if han * 3 >= len(letters) and not _KANA.search(text[:500]):
        return "zh"
    words = text[:500].lower().split()
    if sum(word in _ENGLISH for word in words) * 6 >= len(words):
        return "en"
    return identify(text[:500]).detected


def content_fingerprint(text: str) -> str:
    """Return a hash that a copy and its reposts share: no user names, addresses, marks, case or repost prefix."""
    bare = text
    while (match := _REPOST.match(bare)) is not None and match.end():
        bare = bare[match.end() :]
    bare = prepare(_URL.sub(" ", bare.split("//@", 1)[0])).lower()
    words = "".join(_WORD.findall(unicodedata.normalize("NFKC", bare)))
    # A bare repost or a row of emoji has no content of its own to be a copy of.
    return hashlib.sha256((words or text).encode("utf-8", "replace")).hexdigest()[:24]


def read_time(value: Any, now: datetime) -> datetime:
    """Return an aware UTC time from what sources write; the present when there is none.

    Raises:
        PostError: there is one, but it cannot be read or lies before 2000.
    """
    if value is None or value == "":
        return now
    try:
        if isinstance(value, datetime):
            found = value
        elif isinstance(value, (int, float)) or re.fullmatch(r"\d{9,13}(?:\.\d+)?", str(value)):
            seconds = float(value)
            found = datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, timezone.utc)
        elif re.match(r"\d{4}-\d\d?-\d\d?", str(value)):
            found = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
        else:
            found = parsedate_to_datetime(str(value))
        found = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
        found = found.astimezone(timezone.utc)
    except (ValueError, TypeError, OverflowError, OSError, IndexError):
        raise PostError(
            "bad_time",
            f"时间“{str(value)[:40]}”无法识别",
            f"the time {str(value)[:40]!r} cannot be read; use ISO 8601",
        ) from None
    if found < _OLDEST:
        raise PostError("bad_time", "时间早于 2000 年", "the time lies before the year 2000")
    return found
