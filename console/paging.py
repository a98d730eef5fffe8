"""Long lists, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

LAST = 10_000


@dataclass(frozen=True)
class Page:
    """One page of a list; ask the store for `limit + 1` rows to know whether there are more."""

    number: int
    size: int

    @property
    def limit(self) -> int:
        """Rows to show."""
        return self.size

    @property
    def offset(self) -> int:
        """Rows to pass over."""
        return (self.number - 1) * self.size


def page_of(request: web.Request, size: int = 50) -> Page:
    """Return the page that `?page=` names; anything that is no page number is the first page."""
    asked = request.query.get("page", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= 6 else 1
    return Page(min(max(number, 1), LAST), size)


def address_of_page(request: web.Request, number: int) -> str:
    """Return the address of another page of the same list, filters kept."""
    return str(request.rel_url.update_query(page=str(number)))
