"""Reading forms: every field is cleaned and checked, and what is wrong with it is told beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_request import FileField
from multidict import MultiDictProxy

# Control characters are of no use in any field, and databases refuse the first.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_URL = re.compile(r"https?://[^\s<>\"]+\Z")


class BadFormError(ValueError):
    """The body is no form, or its text is in no known encoding."""


@dataclass(frozen=True)
class FormError:
    """What is wrong with a field: a key of the catalogue and its fillings."""

    key: str
    values: Mapping[str, object]


@dataclass(frozen=True)
class Upload:
    """A file that was sent: its name without any folder, and its content."""

    name: str
    content: bytes


class Form:
    """A form that was sent. Reading a field checks it; look at `errors` when all are read."""

    def __init__(self, data: Mapping[str, Any] | MultiDictProxy[Any]) -> None:
        self._data = data
        self.errors: dict[str, FormError] = {}

    def fail(self, name: str, key: str, **values: object) -> None:
        """Note that field `name` is wrong; the first remark on a field stays."""
        self.errors.setdefault(name, FormError(key, values))

    def value(self, name: str, default: object = "") -> str:
        """Return what was sent for a field, cleaned of control characters but unchecked."""
        sent = self._data.get(name)
        return _clean(sent) if isinstance(sent, str) else str(default if default is not None else "")

    def values(self, name: str) -> list[str]:
        """Return everything that was sent under one name, such as ticked boxes."""
        sent = self._data.getall(name, []) if isinstance(self._data, MultiDictProxy) else []
        return [_clean(item) for item in sent if isinstance(item, str)]

    def items(self) -> list[tuple[str, str]]:
        """Return all text fields in order."""
        return [(name, _clean(value)) for name, value in self._data.items() if isinstance(value, str)]

    def __contains__(self, name: object) -> bool:
        return name in self._data

    def text(self, name: str, *, required: bool = False, limit: int = 1_000) -> str:
        """Return a text of at most `limit` characters, without white space around it."""
        value = self.value(name).strip()
        if required and not value:
            self.fail(name, "invalid.required")
        if len(value) > limit:
            self.fail(name, "invalid.too_long", limit=limit, length=len(value))
        return value

    def lines(self, name: str, *, limit: int = 20_000) -> list[str]:
        """Return the lines of a text that are not empty."""
        return [line.strip() for line in self.text(name, limit=limit).split("\n") if line.strip()]

    def choice(self, name: str, options: Iterable[str], *, default: str | None = None) -> str:
        """Return one of `options`; nothing sent is `default` where there is one."""
        value = self.value(name).strip()
        if not value and default is not None:
            return default
        if value not in set(options):
            self.fail(name, "invalid.choice")
        return value

    def checked(self, name: str) -> bool:
        """Return whether a box is ticked."""
        return bool(self.value(name))

    def integer(self, name: str, low: int, high: int, *, default: int | None = None) -> int:
        """Return a whole number from `low` to `high`."""
        value = self.value(name).strip()
        if not value and default is not None:
            return default
        if re.fullmatch(r"[+-]?\d{1,12}", value) and low <= int(value) <= high:
            return int(value)
        self.fail(name, "invalid.number", low=low, high=high)
        return default if default is not None else low

    def day(self, name: str, *, required: bool = False) -> date | None:
        """Return a date, `None` when none was sent."""
        value = self.text(name, required=required, limit=40)
        if not value:
            return None
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(name, "invalid.date")
            return None

    def clock(self, name: str) -> time | None:
        """Return a time of the day, `None` when none was sent."""
        value = self.text(name, limit=40)
        if not value:
            return None
        try:
            return time.fromisoformat(value)
        except ValueError:
            self.fail(name, "invalid.time")
            return None

    def url(self, name: str) -> str:
        """Return a web address, or "" when none was sent."""
        value = self.text(name, limit=2_000)
        if value and not _URL.match(value):
            self.fail(name, "invalid.url")
        return value

    def file(self, name: str, *, required: bool = False) -> Upload | None:
        """Return an uploaded file; of its name only the last part is believed."""
        sent = self._data.get(name)
        if not isinstance(sent, FileField) or not sent.filename:
            if required:
                self.fail(name, "invalid.file")
            return None
        plain = _clean(sent.filename).replace("\\", "/").rsplit("/", 1)[-1].strip(". ")[:120]
        return Upload(plain or "file", sent.file.read())


async def read_form(request: web.Request) -> Form:
    """Return the form of a request.

    Raises:
        BadFormError: the body is no form, or its text is in no known encoding.
    """
    try:
        return Form(await request.post())
    except (ValueError, LookupError, AssertionError, HttpProcessingError) as error:
        raise BadFormError(str(error)) from error


def query_form(request: web.Request) -> Form:
    """Return the filters in the address as a form."""
    return Form(request.query)


def _clean(text: str) -> str:
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
