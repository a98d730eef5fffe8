"""Our Open311 GeoReport v2 server under `/open311/v2`, in JSON and XML, over the embedded store."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from aiohttp import web

from actions.requests.errors import FieldError, FloodError, PhotoError, RequestsError, UnknownCategoryError
from actions.requests.lifecycle import CLOSED, OPEN_STATES
from actions.requests.open311.georeport import (
    MEDIA,
    definition_item,
    parse_time,
    request_item,
    service_item,
    to_json,
    to_xml,
)
from actions.requests.records import Filter, Request
from actions.requests.service import RequestService
from channels.limits import Rate, TokenBuckets
from channels.open311_input import GeoReportError, new_request, read_sent

BASE = "/open311/v2"
MAX_IDS = 100
# The specification's bounds on a list without dates: 90 days or 1,000 requests.
DEFAULT_DAYS = 90
# When the endpoint last changed its form.
_CHANGED = "2026-11-24T00:00:00Z"
_TYPES = {"json": "application/json", "xml": "text/xml"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Open311Server:
    """The specification's methods.

    Args:
        service: the city's requests.
        keys: the API keys that may file; without any, nobody may.
        notify: told of the id in a webhook call, returns whether it is known; `None` takes no webhooks.
    """

    def __init__(
        self,
        service: RequestService,
        keys: Sequence[str],
        notify: Callable[[str], Awaitable[bool]] | None = None,
    ) -> None:
        self._service, self._notify = service, notify
        self._keys = [key.encode() for key in keys if key]
        self._section = service.section.open311
        per_minute = self._section.posts_per_minute
        self._posts = TokenBuckets(Rate(per_s=per_minute / 60, burst=per_minute))

    def routes(self) -> list[web.RouteDef]:
        """Return the server's routes."""
        ending = r".{format:json|xml}"
        return [
            web.get(BASE + "/discovery" + ending, self._guard(self.discovery)),
            web.get(BASE + "/services" + ending, self._guard(self.services)),
            web.get(BASE + r"/services/{code:[\w-]+}" + ending, self._guard(self.definition)),
            web.get(BASE + "/requests" + ending, self._guard(self.list_requests)),
            web.post(BASE + "/requests" + ending, self._guard(self.file)),
            web.get(BASE + r"/requests/{id:[\w-]+}" + ending, self._guard(self.one_request)),
            web.get(BASE + r"/tokens/{token:[\w-]+}" + ending, self._guard(self.token)),
            web.post(BASE + "/webhook" + ending, self._guard(self.webhook)),
            web.get(MEDIA + r"/{id:[\w-]+}.jpg", self.media),
        ]

    def _guard(self, method: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await method(request)
            except GeoReportError as error:
                return _refuse(request, error.status, error.description)
            except FloodError as error:
                return _refuse(request, 429, str(error))
            except (FieldError, PhotoError, UnknownCategoryError) as error:
                return _refuse(request, 400, str(error))
            except RequestsError as error:
                return _refuse(request, 500, str(error))

        return handle

    # -- methods ----------------------------------------------------------------------------------------------

    async def discovery(self, request: web.Request) -> web.Response:
        """GET discovery → where the endpoint is and which formats it speaks."""
        data = {
            "changeset": _CHANGED,
            "contact": "",
            "key_service": "",
            "endpoints": [
                {
                    "specification": "http://wiki.open311.org/GeoReport_v2",
                    "url": f"{self._base(request)}{BASE}",
                    "changeset": _CHANGED,
                    "type": "production",
                    "formats": list(_TYPES.values()),
                }
            ],
        }
        return _respond(request, "discovery", data)

    async def services(self, request: web.Request) -> web.Response:
        """GET services → the categories that can be reported."""
        self._jurisdiction(request.query)
        language = _language(request)
        items = [service_item(c, language) for c in self._service.catalogue.of_kind("report")]
        return _respond(request, "services", items)

    async def definition(self, request: web.Request) -> web.Response:
        """GET services/{code} → what a category asks for."""
        self._jurisdiction(request.query)
        category = self._service.catalogue.categories.get(request.match_info["code"])
        if category is None or category.kind != "report":
            raise GeoReportError(404, "service_code was not found")
        return _respond(request, "service_definition", definition_item(category))

    async def file(self, request: web.Request) -> web.Response:
        """POST requests → the number of the filed request."""
        sent = await read_sent(request, self._service.section.photos.max_bytes)
        fields = sent.fields
        self._jurisdiction(fields)
        key = self._key(fields.get("api_key", ""))
        wait_s = self._posts.wait_s(key)
        if wait_s:
            raise GeoReportError(429, f"too many requests; try again in {wait_s:.0f} s")
        self._posts.take(key)
        repeated = request.headers.get("Idempotency-Key", "")[:100] or secrets.token_hex(12)
        new = new_request(self._service, fields, f"open311:{key[:8]}:{repeated}", _language(request))
        photos = [await asyncio.to_thread(self._keep, photo) for photo in sent.photos]
        filed = await asyncio.to_thread(self._service.file, replace(new, photos=photos))
        item = {"service_request_id": filed.request.number, "service_notice": None, "account_id": None}
        return _respond(request, "service_requests", [item])

    async def list_requests(self, request: web.Request) -> web.Response:
        """GET requests → reports by id, category, date and state, a page at a time, newest first."""
        query = request.query
        self._jurisdiction(query)
        self._reader(query)
        language = _language(request)
        ids = query.get("service_request_id", "")
        if ids:
            numbers = [i.strip() for i in ids.split(",") if i.strip()][:MAX_IDS]
            found = await asyncio.to_thread(self._by_numbers, numbers)
            return await self._items(request, found, language)
        wanted = self._filter(query)
        codes = [c.strip() for c in query.get("service_code", "").split(",") if c.strip()]
        page, total = await asyncio.to_thread(self._find, wanted, codes)
        response = await self._items(request, page, language)
        response.headers["X-Total-Count"] = str(total)
        return response

    async def one_request(self, request: web.Request) -> web.Response:
        """GET requests/{id} → one report."""
        self._jurisdiction(request.query)
        self._reader(request.query)
        found = await asyncio.to_thread(self._by_numbers, [request.match_info["id"]])
        if not found:
            raise GeoReportError(404, "service_request_id was not found")
        return await self._items(request, found, _language(request))

    async def token(self, request: web.Request) -> web.Response:
        """GET tokens/{token} → the id behind a token; ours have one from the start."""
        self._jurisdiction(request.query)
        found = await asyncio.to_thread(self._service.store.by_token, request.match_info["token"])
        if found is None:
            raise GeoReportError(404, "token was not found")
        item = {"service_request_id": found.number, "token": found.token}
        return _respond(request, "service_requests", [item])

    async def media(self, request: web.Request) -> web.StreamResponse:
        """GET media/{id}.jpg → a filed report's photo; its id cannot be guessed, so it needs no key."""
        photo = await asyncio.to_thread(self._service.store.photo, request.match_info["id"])
        path = self._service.photos.path(photo.id) if photo is not None else None
        hidden = self._section.photos == "nobody" or photo is None or photo.request_id is None
        if hidden or path is None or not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(
            path, headers={"Content-Type": "image/jpeg", "Cache-Control": "private, max-age=86400"}
        )

    def _keep(self, data: bytes) -> str:
        return self._service.photos.put(None, data, self._service.now()).id

    async def webhook(self, request: web.Request) -> web.Response:
        """POST webhook → a remote server says that one of our requests there has news; we go and ask."""
        fields = (await read_sent(request, 0)).fields
        self._key(fields.get("api_key", ""))
        remote_id = fields.get("service_request_id", "")
        if self._notify is None or not remote_id or not await self._notify(remote_id):
            raise GeoReportError(404, "service_request_id was not found")
        return _respond(request, "service_requests", [{"service_request_id": remote_id}])

    # -- checks -----------------------------------------------------------------------------------------------

    def _jurisdiction(self, fields: Mapping[str, str]) -> None:
        wanted, given = self._section.jurisdiction_id, fields.get("jurisdiction_id")
        if wanted and given is None:
            raise GeoReportError(400, "jurisdiction_id was not provided")
        if wanted and given != wanted:
            raise GeoReportError(404, "jurisdiction_id provided was not found")

    def _key(self, given: str) -> str:
        if not given:
            raise GeoReportError(403, "api_key was not provided")
        if not self._known(given):
            raise GeoReportError(403, "api_key is not valid")
        return given

    def _known(self, given: str) -> bool:
        # Every key is compared, so that the time taken tells nothing.
        fits = [hmac.compare_digest(given.encode("utf-8", "replace"), key) for key in self._keys]
        return any(fits)

    def _reader(self, query: Mapping[str, str]) -> None:
        if not self._section.public:
            self._key(query.get("api_key", ""))

    def _filter(self, query: Mapping[str, str]) -> Filter:
        try:
            since = parse_time(query["start_date"]) if "start_date" in query else None
            until = parse_time(query["end_date"]) if "end_date" in query else None
            page = max(1, int(query.get("page", "1")))
            size = min(1000, max(1, int(query.get("page_size", self._section.page_size))))
        except ValueError:
            raise GeoReportError(
                400, "start_date and end_date are W3C times, page and page_size are numbers"
            ) from None
        if since is None and until is None:
            since = self._service.now() - timedelta(days=DEFAULT_DAYS)
        states: list[str] = []
        for status in filter(None, query.get("status", "").split(",")):
            if status not in ("open", "closed"):
                raise GeoReportError(400, "status must be open or closed")
            states += OPEN_STATES if status == "open" else (CLOSED,)
        return Filter(
            states=states, kind="report", since=since, until=until, offset=(page - 1) * size, limit=size
        )

    # -- reading ----------------------------------------------------------------------------------------------

    def _media(self, request: web.Request) -> Callable[[str], str] | None:
        """Return what gives the address of a photo to this caller, `None` when it may see none."""
        who = self._section.photos
        if who == "keys" and not self._known(request.query.get("api_key", "")):
            who = "nobody"
        return None if who == "nobody" else lambda photo: f"{self._base(request)}{MEDIA}/{photo}.jpg"

    def _base(self, request: web.Request) -> str:
        return self._section.public_url.rstrip("/") or f"{request.scheme}://{request.host}"

    def _find(self, wanted: Filter, codes: Sequence[str]) -> tuple[list[Request], int]:
        if not codes:
            return self._service.list(wanted)
        if len(codes) == 1:
            return self._service.list(replace(wanted, category=codes[0]))
        found: list[Request] = []
        total = 0
        for code in codes[:MAX_IDS]:
            page, count = self._service.list(
                replace(wanted, category=code, offset=0, limit=wanted.offset + wanted.limit)
            )
            found += page
            total += count
        found.sort(key=lambda r: r.id, reverse=True)
        return found[wanted.offset : wanted.offset + wanted.limit], total

    def _by_numbers(self, numbers: Sequence[str]) -> list[Request]:
        found = []
        for number in numbers:
            try:
                request = self._service.store.by_number(number)
            except RequestsError:
                continue
            if request.kind == "report":
                found.append(request)
        return found

    async def _items(self, request: web.Request, found: Sequence[Request], language: str) -> web.Response:
        media = self._media(request)
        items = await asyncio.to_thread(
            lambda: [request_item(r, self._service, language, media) for r in found]
        )
        return _respond(request, "service_requests", items)


def _language(request: web.Request) -> str:
    """Return "zh" or "en": what `locale` (an extension in use) or the caller's header asks for."""
    asked = request.query.get("locale") or request.headers.get("Accept-Language", "")
    return "en" if asked.strip().lower().startswith("en") else "zh"


def _respond(request: web.Request, root: str, data: Any, status: int = 200) -> web.Response:
    kind = request.match_info["format"]
    body = to_json(data) if kind == "json" else to_xml(root, data)
    return web.Response(status=status, body=body, content_type=_TYPES[kind], charset="utf-8")


def _refuse(request: web.Request, status: int, description: str) -> web.Response:
    return _respond(request, "errors", [{"code": status, "description": description}], status)
