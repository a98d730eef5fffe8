"""Server-Sent Events of the desk: a line whenever something changed; an open stream is an operator's presence."""

from __future__ import annotations

import asyncio
import contextlib
import json

from aiohttp import web

from actions.handover.service import HandoverService

# The browser opens a new stream afterwards, and is then asked anew whether it is signed in.
STREAM_S = 300.0
# Changes made by other processes are found this often; changes of this one at once.
LOOK_S = 3.0
SEEN_EVERY_S = 10.0
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def state_of(service: HandoverService, operator: str) -> dict[str, int]:
    """Return what tells that something changed, and how much waits for the operator."""
    mine = service.desk.mine(operator)
    return {
        "newest": service.store.newest(),
        "waiting": len(service.desk.queue(operator)),
        "mine": len(mine),
        "unread": sum(case.unread for case in mine),
    }


async def events(request: web.Request, service: HandoverService, operator: str) -> web.StreamResponse:
    """Serve one stream until the browser leaves, the time is up, or the server stops."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def listener() -> None:
        # Called in whatever thread made the change; the loop may be closing meanwhile.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(changed.set)

    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    service.office.listen(listener)
    end, seen_at, last = loop.time() + STREAM_S, 0.0, {"newest": -1}
    try:
        await response.write(b"retry: 2000\n\n")
        while loop.time() < end and not service.office.closing:
            changed.clear()
            if loop.time() - seen_at >= SEEN_EVERY_S:
                seen_at = loop.time()
                await asyncio.to_thread(service.desk.seen, operator)
            state = await asyncio.to_thread(state_of, service, operator)
            # A comment line keeps proxies from closing a quiet stream, and tells when the browser has left.
            line = ": \n\n" if state == last else f"event: change\ndata: {json.dumps(state)}\n\n"
            last = state
            await response.write(line.encode())
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(changed.wait(), LOOK_S)
    except ConnectionResetError:
        pass
    finally:
        service.office.unlisten(listener)
    return response
