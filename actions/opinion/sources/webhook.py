"""A signed webhook: other systems post items, which are kept at once and read in by the watch."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web
from sqlalchemy import delete, insert, select
from sqlalchemy.engine import Engine

from actions.opinion.sources.base import Batch, PullSource, to_raw
from actions.opinion.tables import webhook_inbox
from city.db import reading, writing

MOST_BYTES = 16 << 20
SIGNATURE = "X-Chengda-Signature"


def sign(secret: str, body: bytes) -> str:
    """Return the signature of a body, `sha256=` and 64 hexadecimal digits."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def put(engine: Engine, source: str, items: list[Any]) -> None:
    """Keep items of a source until the watch reads them in."""
    rows = [{"source": source, "item": item} for item in items]
    if rows:
        with writing(engine) as session:
            session.execute(insert(webhook_inbox), rows)


class InboxSource(PullSource):
    """What was put into the inbox for one source; items leave it with the cursor of the batch that kept them."""

    def __init__(self, name: str, engine: Engine, batch: int = 64, district: str = "") -> None:
        self.name, self._engine, self._batch, self._district = name, engine, batch, district

    def read(self, position: Mapping[str, Any]) -> Iterator[Batch]:
        """Yield items after the last one read, and delete those before it."""
        last = int(position.get("id", 0))
        while True:
            with writing(self._engine) as session:
                session.execute(
                    delete(webhook_inbox).where(
                        webhook_inbox.c.source == self.name, webhook_inbox.c.id <= last
                    )
                )
            with reading(self._engine) as session:
                rows = session.execute(
                    select(webhook_inbox.c.id, webhook_inbox.c.item)
                    .where(webhook_inbox.c.source == self.name, webhook_inbox.c.id > last)
                    .order_by(webhook_inbox.c.id)
                    .limit(self._batch)
                ).all()
            if not rows:
                return
            last = int(rows[-1][0])
            yield Batch([to_raw(row[1], self.name, self._district) for row in rows], {"id": last})


def make_app(engine: Engine, secrets: Mapping[str, str]) -> web.Application:
    """Return the application with `POST /opinion/{source}`.

    Args:
        engine: the module's database.
        secrets: environment variable with the key of each webhook source.
    """

    async def receive(request: web.Request) -> web.Response:
        name = request.match_info["source"]
        secret = os.environ.get(secrets.get(name, ""), "")
        if name not in secrets:
            return _problem(404, "unknown-source", "city.yml names no such webhook source")
        if not secret:
            return _problem(
                503, "no-key", f"the environment variable {secrets[name] or '(secret_env)'} is not set"
            )
        body = await request.read()
        if not hmac.compare_digest(sign(secret, body), request.headers.get(SIGNATURE, "")):
            return _problem(401, "bad-signature", f"send {SIGNATURE}: sha256=HMAC of the body")
        try:
            found = json.loads(body)
        except ValueError as error:
            return _problem(400, "bad-json", f"the body is no JSON: {error}")
        items = found if isinstance(found, list) else [found]
        if not all(isinstance(item, dict) for item in items):
            return _problem(400, "bad-item", "send one object or a list of objects with `text`")
        await asyncio.to_thread(put, engine, name, items)
        return web.json_response({"kept": len(items)}, status=202)

    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_post("/opinion/{source}", receive)
    return app


def _problem(status: int, kind: str, detail: str) -> web.Response:
    body = {"type": f"urn:chengda:opinion:{kind}", "status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")
