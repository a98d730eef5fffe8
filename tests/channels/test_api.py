"""The citizen HTTP API, through a real aiohttp server."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from channels.gateway import Limits, Rate, create_app
from channels.problem import CONTENT_TYPE, TYPE_PREFIX
from city.messages import Button, Citation, Reply


async def problem(response: Any, status: int, name: str) -> dict[str, Any]:
    """Check that a response is the named problem in RFC 9457 form and in both languages."""
    assert response.status == status
    assert response.content_type == CONTENT_TYPE
    data = await response.json(content_type=None)
    assert data["type"] == TYPE_PREFIX + name
    assert data["status"] == status
    assert data["messages"]["zh"] in data["detail"]
    assert data["messages"]["en"] in data["detail"]
    return data


async def test_a_question_is_answered_in_the_contract_s_form(citizen: Any, brain: Any) -> None:
    brain.replies = [
        Reply(
            "**9:00**",
            "knowledge",
            (Citation("a1", "开放时间", "https://x.example"),),
            (Button("更多", "/more"),),
            "/i.png",
        )
    ]
    response = await citizen.say("图书馆周日几点开门？", "m1", language="zh")
    assert response.status == 200
    assert await response.json() == {
        "message_id": "m1",
        "language": "zh",
        "replies": [
            {
                "text": "**9:00**",
                "source": "knowledge",
                "citations": [{"article_id": "a1", "title": "开放时间", "url": "https://x.example"}],
                "buttons": [{"title": "更多", "payload": "/more"}],
                "image": "/i.png",
            }
        ],
    }
    seen = brain.seen[0]
    assert (seen.text, seen.channel, seen.role, seen.language) == (
        "图书馆周日几点开门？",
        "web",
        "citizen",
        "zh",
    )


async def test_a_message_id_is_made_when_left_out(citizen: Any) -> None:
    first = await (await citizen.say("a")).json()
    second = await (await citizen.say("a")).json()
    assert first["message_id"] != second["message_id"]


async def test_history_shows_what_was_said_and_rated(citizen: Any) -> None:
    await citizen.say("一", "m1")
    await citizen.say("二", "m2")
    await citizen.client.post(
        citizen.path + "/feedback", json={"message_id": "m1", "rating": "up"}, headers=citizen.headers
    )
    first, second = await citizen.history()
    assert (first["text"], first["state"], first["rating"]) == ("一", "answered", "up")
    assert second["replies"][0]["text"] == "二"
    assert second["rating"] is None
    assert [m["text"] for m in await citizen.history(after="m1")] == ["二"]


@pytest.mark.parametrize(
    "text", ["😀", "👨\u200d👩\u200d👧", "<script>alert(1)</script>", "' OR 1=1 --", "/restart", "12"]
)
async def test_odd_texts_are_ordinary_messages(citizen: Any, brain: Any, text: str) -> None:
    response = await citizen.say(text)
    assert response.status == 200
    assert response.content_type == "application/json"
    assert brain.seen[0].text == text


async def test_control_and_bidi_characters_never_reach_the_brain(citizen: Any, brain: Any) -> None:
    await citizen.say("图\x00书\u202e馆\u200b\ud800")
    assert brain.seen[0].text == "图书馆\ufffd"


@pytest.mark.parametrize("text", ["", "   \n", None, 3, ["x"], "\u202e\u200b"])
async def test_empty_or_wrong_text(citizen: Any, text: Any) -> None:
    await problem(await citizen.say(text), 400, "bad-request")


async def test_ten_thousand_characters(citizen: Any, brain: Any) -> None:
    data = await problem(await citizen.say("图" * 10_000), 413, "text-too-long")
    assert "2000" in data["messages"]["zh"]
    assert "2000" in data["messages"]["en"]
    assert not brain.seen
    assert await citizen.history() == []


async def test_a_body_above_64_kib(citizen: Any) -> None:
    await problem(await citizen.say("x" * 70_000), 413, "body-too-large")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\x00", b"[1]", b"null", b"\x89PNG\r\n\x1a\n\x00"])
async def test_bad_json(citizen: Any, body: bytes) -> None:
    headers = {**citizen.headers, "Content-Type": "application/json"}
    response = await citizen.client.post(citizen.path + "/messages", data=body, headers=headers)
    await problem(response, 400, "bad-json")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/octet-stream", "application/x-www-form-urlencoded"]
)
async def test_wrong_content_type(citizen: Any, kind: str) -> None:
    headers = {**citizen.headers, "Content-Type": kind}
    response = await citizen.client.post(citizen.path + "/messages", data=b'{"text":"x"}', headers=headers)
    await problem(response, 415, "unsupported-media-type")


async def test_tokens(citizen: Any, client: Any, arrive: Any) -> None:
    stranger = await arrive(client)
    for method, path in [("POST", "/messages"), ("GET", "/messages"), ("DELETE", ""), ("POST", "/feedback")]:
        bare = await client.request(method, citizen.path + path)
        assert bare.headers["WWW-Authenticate"].startswith("Bearer")
        await problem(bare, 401, "unauthorized")
        basic = await client.request(method, citizen.path + path, headers={"Authorization": "Basic eDp5"})
        await problem(basic, 401, "unauthorized")
        foreign = await client.request(method, citizen.path + path, headers=stranger.headers)
        await problem(foreign, 403, "forbidden")
        unknown = f"/api/v1/conversations/{uuid.uuid4()}{path}"
        await problem(await client.request(method, unknown, headers=citizen.headers), 404, "not-found")


async def test_unknown_address_and_method(client: Any) -> None:
    await problem(await client.get("/api/v2/anything"), 404, "not-found")
    response = await client.put("/api/v1/conversations")
    assert "POST" in response.headers["Allow"]
    await problem(response, 405, "method-not-allowed")


async def test_the_same_id_twice_is_answered_once(citizen: Any, brain: Any) -> None:
    first = await (await citizen.say("x", "m")).json()
    assert await (await citizen.say("x", "m")).json() == first
    assert len(brain.seen) == 1


async def test_a_duplicate_in_flight_is_409_with_retry_after(
    citizen: Any, brain: Any, eventually: Any
) -> None:
    brain.gate.clear()
    first = asyncio.create_task(citizen.say("x", "m"))
    await eventually(lambda: brain.seen)
    response = await citizen.say("x", "m")
    assert response.headers["Retry-After"] == "1"
    await problem(response, 409, "duplicate-in-flight")
    brain.gate.set()
    assert (await first).status == 200


async def test_twenty_at_once_from_one_citizen_are_all_answered_in_order(citizen: Any, brain: Any) -> None:
    responses = await asyncio.gather(*(citizen.say(str(n), f"m{n}") for n in range(20)))
    assert [response.status for response in responses] == [200] * 20
    assert [(await r.json())["replies"][0]["text"] for r in responses] == [str(n) for n in range(20)]
    order = [message.text for message in brain.seen]
    assert sorted(order, key=int) == [str(n) for n in range(20)]
    assert [m["text"] for m in await citizen.history()] == order


async def test_a_flood_is_429(aiohttp_client: Any, brain: Any, make_config: Any, arrive: Any) -> None:
    limits = Limits(per_conversation=Rate(0.5, 1), new_conversations=Rate(0.5, 2))
    client = await aiohttp_client(create_app(brain, make_config(limits=limits)))
    citizen = await arrive(client)
    assert (await citizen.say("a")).status == 200
    response = await citizen.say("b")
    assert response.headers["Retry-After"] == "2"
    await problem(response, 429, "rate-limited")
    await arrive(client)
    await problem(await client.post("/api/v1/conversations"), 429, "rate-limited")


async def test_a_full_house_is_503(
    aiohttp_client: Any, brain: Any, make_config: Any, arrive: Any, eventually: Any
) -> None:
    limits = Limits(concurrency=1, waiting=0)
    client = await aiohttp_client(create_app(brain, make_config(limits=limits)))
    one, two = await arrive(client), await arrive(client)
    brain.gate.clear()
    first = asyncio.create_task(one.say("x"))
    await eventually(lambda: brain.seen)
    response = await two.say("x")
    assert int(response.headers["Retry-After"]) > 0
    await problem(response, 503, "overloaded")
    brain.gate.set()
    assert (await first).status == 200


async def test_a_failing_brain_apologises(citizen: Any, brain: Any) -> None:
    brain.fail = RuntimeError("secret inside")
    response = await citizen.say("x")
    assert response.status == 200
    body = await response.text()
    assert '"source":"error"' in body
    assert "secret inside" not in body


async def test_erase_really_erases(citizen: Any, brain: Any) -> None:
    await citizen.say("x", "m")
    response = await citizen.client.delete(citizen.path, headers=citizen.headers)
    assert response.status == 204
    assert brain.forgotten == [citizen.id]
    await problem(await citizen.say("x", "m"), 404, "not-found")
    await problem(await citizen.client.delete(citizen.path, headers=citizen.headers), 404, "not-found")


async def test_feedback_for_an_unknown_message(citizen: Any) -> None:
    data = {"message_id": "m", "rating": "up"}
    response = await citizen.client.post(citizen.path + "/feedback", json=data, headers=citizen.headers)
    await problem(response, 404, "not-found")
    await citizen.say("x", "m")
    data["comment"] = "不错\x00"
    response = await citizen.client.post(citizen.path + "/feedback", json=data, headers=citizen.headers)
    assert await response.json() == {"message_id": "m", "rating": "up"}


async def test_health_and_readiness(client: Any, brain: Any) -> None:
    assert (await client.get("/healthz")).status == 200
    response = await client.get("/readyz")
    assert response.status == 200
    checks = (await response.json())["checks"]
    assert checks == {"models": True, "index": True, "store": True, "accepting": True}
    brain.parts = {"models": True, "index": False}
    response = await client.get("/readyz")
    assert response.status == 503
    assert (await response.json())["checks"]["index"] is False
    assert (await client.get("/healthz")).status == 200


async def test_a_defect_is_a_problem_that_tells_nothing(client: Any, brain: Any) -> None:
    brain.parts = None
    data = await problem(await client.get("/readyz"), 500, "internal")
    assert "NoneType" not in str(data)


async def test_citizens_cannot_open_a_chat_app_s_conversation(client: Any) -> None:
    from channels.web.keys import STORE

    conversation_id = await client.app[STORE].for_sender("telegram", "1")
    headers = {"Authorization": "Bearer x"}
    path = f"/api/v1/conversations/{conversation_id}/messages"
    await problem(await client.get(path, headers=headers), 403, "forbidden")
