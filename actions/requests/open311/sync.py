"""Files queued requests at the remote server, each exactly once, and brings its news back."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from actions.requests import lifecycle
from actions.requests.errors import Open311Error, RequestsError
from actions.requests.open311.client import Open311Client, UnsureError
from actions.requests.open311.georeport import MARKER, MEDIA, Item
from actions.requests.open311.queue import DONE, FILED, PENDING, REFUSED, TOKEN, UNSURE, Entry, RemoteQueue
from actions.requests.records import Request
from actions.requests.service import RequestService
from actions.requests.settings import Open311ClientSection

logger = logging.getLogger(__name__)

BATCH = 200
ACTOR = "open311"
# A remote clock may be late; what was filed a little before our first attempt is looked at too.
Values = dict[str, Any]
CLOCK_SLACK = timedelta(minutes=15)


class Open311Sync:
    """Keeps a remote server and our store in step; `run_once` may be called at any time, also after a kill.

    A request whose answer was lost is looked for at the server before it is filed again: its description carries our
    number in brackets.
    """

    def __init__(self, service: RequestService, section: Open311ClientSection, client: Open311Client) -> None:
        self._service, self._section, self._client = service, section, client
        self.queue = RemoteQueue(service.store)

    def enqueue(self, request: Request) -> None:
        """Queue a newly filed request, unless it came from an Open311 client itself or has no service there."""
        code = self._section.services.get(request.category) or self._section.default_service
        if not self._section.services and not code:
            code = request.category
        if code and request.source != "open311" and request.kind == "report":
            self.queue.put(request, code, self._service.now())

    async def run_once(self) -> None:
        """Look for what is unsure, file what waits, ask for ids and news."""
        await self._find_unsure()
        await self._file_waiting()
        waiting = await self._due(TOKEN)
        found = await asyncio.gather(*(self._resolve(entry) for entry in waiting))
        await self._write({e.request_id: values for e, values in zip(waiting, found, strict=True)})
        for entry in await self._due(FILED):
            await self._ask(entry)

    async def _file_waiting(self) -> None:
        waiting = await self._due(PENDING)
        if not waiting:
            return
        # Noted before the attempt: killed in the middle of it, we look before we file again.
        await self._write({entry.request_id: {"state": UNSURE} for entry in waiting})
        requests = await asyncio.to_thread(self.queue.requests, waiting)
        places = asyncio.Semaphore(self._section.at_once)

        async def one(entry: Entry) -> Values:
            async with places:
                return await self._file(entry, requests[entry.request_id])

        results = await asyncio.gather(*(one(entry) for entry in waiting))
        await self._write({e.request_id: values for e, values in zip(waiting, results, strict=True)})

    async def _write(self, changes: Mapping[int, Values]) -> None:
        """Keep what became of entries, and note in their requests where they were filed."""
        now = self._service.now()
        events = [
            {
                "request_id": request_id,
                "at": now,
                "actor": ACTOR,
                "kind": "note",
                "state": None,
                "public": False,
                "text": f"{self._section.url}: {values['remote_id']}",
                "told": True,
            }
            for request_id, values in changes.items()
            if values.get("remote_id")
        ]
        await asyncio.to_thread(self.queue.set_many, changes, events)

    async def ask_now(self, remote_id: str) -> bool:
        """Let a request's news be fetched in the next round; `False` when its id is not known."""
        request_id = await asyncio.to_thread(self.queue.by_remote_id, remote_id)
        if request_id is None:
            return False
        await self._set(request_id, next_at=self._service.now())
        return True

    async def _due(self, state: str) -> list[Entry]:
        return await asyncio.to_thread(self.queue.due, (state,), self._service.now(), BATCH)

    async def _set(self, request_id: int, **values: object) -> None:
        await asyncio.to_thread(lambda: self.queue.set(request_id, **values))

    def _later(self, entry: Entry, state: str, error: Exception) -> Values:
        wait_s = min(self._section.last_retry_s, self._section.first_retry_s * 2 ** min(entry.attempts, 20))
        wait_s *= 0.5 + random.random() / 2
        return {
            "state": state,
            "attempts": entry.attempts + 1,
            "next_at": self._service.now() + timedelta(seconds=wait_s),
            "last_error": str(error)[:1000],
        }

    def _filed(self, remote_id: str) -> Values:
        return {
            "state": FILED,
            "remote_id": remote_id[:200],
            "attempts": 0,
            "last_error": "",
            "next_at": self._service.now() + timedelta(seconds=self._section.poll_s),
        }

    async def _find_unsure(self) -> None:
        entries = await self._due(UNSURE)
        if not entries:
            return
        since = min(e.created_at for e in entries) - CLOCK_SLACK
        try:
            items = await self._client.filed_since(since)
        except Open311Error as error:
            await self._write({e.request_id: self._later(e, UNSURE, error) for e in entries})
            return
        known = _by_marker(items)
        again: Values = {"state": PENDING, "next_at": self._service.now()}
        await self._write(
            {e.request_id: self._filed(known[e.marker]) if e.marker in known else again for e in entries}
        )

    async def _file(self, entry: Entry, request: Request) -> Values:
        try:
            receipt = await self._client.file(self._fields(entry, request), entry.number)
        except UnsureError as error:
            return self._later(entry, UNSURE, error)
        except Open311Error as error:
            if error.passing:
                return self._later(entry, PENDING, error)
            logger.error("request %s: %s", entry.number, error)
            await asyncio.to_thread(self._service.note, entry.number, ACTOR, str(error)[:500])
            return {"state": REFUSED, "last_error": str(error)[:1000]}
        if receipt.request_id:
            return self._filed(receipt.request_id)
        return {"state": TOKEN, "remote_token": receipt.token[:200], "next_at": self._service.now()}

    def _fields(self, entry: Entry, request: Request) -> dict[str, str]:
        fields = {
            "service_code": entry.service_code,
            "description": f"{request.description}\n{entry.marker}",
            "device_id": entry.marker.strip("[]"),
        }
        if request.lat is not None and request.lon is not None:
            fields |= {"lat": f"{request.lat:.6f}", "long": f"{request.lon:.6f}"}
        if request.address:
            fields["address_string"] = request.address
        if "@" in request.contact:
            fields["email"] = request.contact
        elif request.contact:
            fields["phone"] = request.contact
        base = self._service.section.open311.public_url.rstrip("/")
        photos = self._service.store.photos(request_id=request.id) if base else []
        if photos and self._service.section.open311.photos != "nobody":
            fields["media_url"] = f"{base}{MEDIA}/{photos[0].id}.jpg"
        return fields

    async def _resolve(self, entry: Entry) -> Values:
        try:
            remote_id = await self._client.resolve(str(entry.remote_token))
        except Open311Error as error:
            return self._later(entry, TOKEN, error)
        if remote_id is None:
            return self._later(entry, TOKEN, ValueError("the token stands for no request yet"))
        return self._filed(remote_id)

    async def _ask(self, entry: Entry) -> None:
        try:
            item = await self._client.status(str(entry.remote_id))
        except Open311Error as error:
            await self._write({entry.request_id: self._later(entry, FILED, error)})
            return
        now = self._service.now()
        values: dict[str, object] = {"polled_at": now, "attempts": 0, "last_error": ""}
        values["next_at"] = now + timedelta(seconds=self._section.poll_s)
        if item is not None:
            status = str(item.get("status") or "").lower()
            notes = str(item.get("status_notes") or "")
            values["remote_status"] = f"{status}|{notes}"[:40]
            if values["remote_status"] != entry.remote_status:
                await asyncio.to_thread(self._tell, entry.number, status, notes)
            if status == "closed":
                values["state"] = DONE
        await self._set(entry.request_id, **values)

    def _tell(self, number: str, status: str, notes: str) -> None:
        """Carry the remote server's news over to our request."""
        try:
            request = self._service.store.by_number(number)
            if status == "closed" and request.is_open:
                self._service.change_state(number, lifecycle.CLOSED, ACTOR, outcome="resolved", note=notes)
            elif request.state == lifecycle.RECEIVED:
                self._service.change_state(number, lifecycle.WORKING, ACTOR, note=notes)
            elif notes and request.is_open:
                self._service.note(number, ACTOR, notes, public=True)
        except RequestsError:
            logger.exception("request %s: the remote server's news could not be taken over", number)


def _by_marker(items: Sequence[Item]) -> dict[str, str]:
    """Return the remote ids by the marker that a description carries."""
    found: dict[str, str] = {}
    for item in items:
        if item.get("service_request_id"):
            for marker in MARKER.findall(str(item.get("description") or "")):
                found.setdefault(marker, str(item["service_request_id"]))
    return found
