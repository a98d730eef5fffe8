"""Serving: pages, headers, cross-origin rules, ports, shutdown."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from typing import Any

import aiohttp
import pytest

from channels.gateway import Bilingual, Limits, PortInUseError, Rate, create_app, serve
from channels.web.pages import STATIC, preferred_language


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_the_chat_page_carries_the_city_and_no_inline_script(
    aiohttp_client: Any, brain: Any, make_config: Any
) -> None:
    config = make_config(notice=Bilingual("</script><b>注意", "Notice"))
    client = await aiohttp_client(create_app(brain, config))
    response = await client.get("/", headers={"Accept-Language": "en-GB,en;q=0.9,zh;q=0.5"})
    page = await response.text()
    assert '<html lang="en">' in page
    assert "<title>Lanchuan City Chengda</title>" in page
    assert "{{" not in page
    settings = re.search(r'<script type="application/json" id="settings">(.*?)</script>', page, re.S)
    assert settings is not None
    assert json.loads(settings[1])["notice"]["zh"] == "</script><b>注意"
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page) if "application/json" not in tag)
    assert "style=" not in page
    assert 'href="tel:110"' in page
    assert '<html lang="zh-CN">' in await (await client.get("/?lang=zh")).text()


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "zh"), ("en", "en"), ("fr,en;q=0.3", "en"), ("en;q=0.2,zh-TW;q=0.9", "zh"), ("de;q=x,,;", "zh")],
)
def test_preferred_language(header: str, language: str) -> None:
    assert preferred_language(header, ("zh", "en")) == language


async def test_static_files_and_nothing_else(client: Any) -> None:
    for path in STATIC.iterdir():
        if path.suffix != ".html":
            assert (await client.get(f"/static/{path.name}")).status == 200
    for name in ("..%2fpages.py", "index.html", "nothing.js", "..%5c..%5cpages.py"):
        assert (await client.get(f"/static/{name}")).status == 404
    response = await client.get("/widget.js")
    assert response.headers["Content-Type"].startswith("text/javascript")
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.parametrize("path", ["/", "/healthz", "/nothing", "/static/app.js"])
async def test_security_headers_everywhere(client: Any, path: str) -> None:
    headers = (await client.get(path)).headers
    policy = headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Referrer-Policy" in headers
    assert "Python" not in headers["Server"]


async def test_other_origins_only_where_allowed(aiohttp_client: Any, brain: Any, make_config: Any) -> None:
    friend, stranger = "https://www.city.example", "https://evil.example"
    client = await aiohttp_client(create_app(brain, make_config(allowed_origins=(friend,))))
    preflight = {"Access-Control-Request-Method": "POST"}
    response = await client.options("/api/v1/conversations", headers={"Origin": friend, **preflight})
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == friend
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
    response = await client.post("/api/v1/conversations", headers={"Origin": friend})
    assert response.headers["Access-Control-Allow-Origin"] == friend
    assert friend in response.headers["Content-Security-Policy"]
    response = await client.post("/api/v1/conversations", headers={"Origin": stranger})
    assert "Access-Control-Allow-Origin" not in response.headers
    refused = await client.get("/api/v1/conversations/x/messages", headers={"Origin": friend})
    assert refused.headers["Access-Control-Allow-Origin"] == friend


@pytest.mark.parametrize(
    ("proxies", "forwarded", "limited"),
    [
        ((), "9.9.9.1|9.9.9.2", True),
        (("127.0.0.0/8",), "9.9.9.1|9.9.9.2", False),
        (("127.0.0.0/8",), "6.6.6.6, 9.9.9.1|7.7.7.7, 9.9.9.1", True),
        (("127.0.0.0/8",), "2001:db8::1|2001:db8::2", True),
    ],
)
async def test_the_address_behind_a_proxy(
    aiohttp_client: Any, brain: Any, make_config: Any, proxies: Any, forwarded: str, limited: bool
) -> None:
    limits = Limits(new_conversations=Rate(0.1, 1))
    client = await aiohttp_client(create_app(brain, make_config(limits=limits, trusted_proxies=proxies)))
    statuses = [
        (await client.post("/api/v1/conversations", headers={"X-Forwarded-For": address})).status
        for address in forwarded.split("|")
    ]
    assert statuses == [201, 429 if limited else 201]


async def test_a_taken_port_is_named_with_the_mend(brain: Any, make_config: Any) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortInUseError) as caught:
            await serve(create_app(brain, make_config()), "127.0.0.1", port)
    assert str(port) in str(caught.value)
    assert "--port" in str(caught.value)
    assert "占用" in str(caught.value)


async def test_stopping_drains_and_tells_the_sockets(brain: Any, make_config: Any, eventually: Any) -> None:
    stop, ready, port = asyncio.Event(), asyncio.Event(), free_port()
    server = asyncio.create_task(
        serve(create_app(brain, make_config()), "127.0.0.1", port, stop=stop, on_ready=ready.set)
    )
    await asyncio.wait_for(ready.wait(), 5)
    base = f"http://127.0.0.1:{port}/api/v1"
    async with aiohttp.ClientSession() as session:
        made = await (await session.post(base + "/conversations")).json()
        ws = await session.ws_connect(base + "/ws")
        await ws.send_json(
            {"type": "auth", "conversation_id": made["conversation_id"], "token": made["token"]}
        )
        await ws.receive_json(timeout=3)
        brain.gate.clear()
        await ws.send_json({"type": "message", "message_id": "m", "text": "last words"})
        await eventually(lambda: brain.seen)
        stop.set()
        await asyncio.sleep(0.02)
        brain.gate.set()
        frames = [frame.json() async for frame in ws]
        assert frames[-1]["type"] == "done"
        assert ws.close_code == 1001
    await asyncio.wait_for(server, 10)


async def test_many_rounds_leave_nothing_behind(citizen: Any) -> None:
    from channels.web.keys import DISPATCHER

    dispatcher = citizen.client.app[DISPATCHER]
    for number in range(30):
        await citizen.say(str(number))
    assert (dispatcher.lanes, dispatcher.admitted) == (0, 0)
