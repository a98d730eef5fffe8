"""A chat app on the base class: verify → parse → dispatcher → send."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from channels.base import Acknowledgement, Channel, Delivery, Inbound, Outgoing, ParseError, VerificationError
from channels.courier import Retries
from channels.gateway import create_app
from channels.store import make_engine
from channels.switches import SqlSwitches


class Pigeon(Channel):
    """A platform of our own: HMAC in a header, several messages per delivery."""

    name = "pigeon"

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.state = "new"
        self.broken = False
        self.failures = 0

    def sign(self, body: bytes) -> str:
        return hmac.new(b"secret", body, "sha256").hexdigest()

    async def verify(self, delivery: Delivery) -> None:
        given = delivery.headers.get("x-signature", "") or delivery.query.get("signature", "")
        if not hmac.compare_digest(given, self.sign(delivery.body)):
            raise VerificationError("wrong signature")

    def challenge(self, delivery: Delivery) -> Acknowledgement | None:
        return Acknowledgement(delivery.query["echo"]) if delivery.method == "GET" else None

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        try:
            return [Inbound(m["from"], m["id"], m["text"], role="citizen") for m in json.loads(delivery.body)]
        except (ValueError, KeyError, TypeError) as error:
            raise ParseError(f"not a pigeon post: {error!r}") from error

    async def send(self, outgoing: Outgoing) -> None:
        if self.broken:
            self.failures += 1
            raise ConnectionError("platform down")
        self.sent.extend((outgoing.to.sender_id, reply.text) for reply in outgoing.replies)

    async def start(self) -> None:
        self.state = "started"

    async def stop(self) -> None:
        self.state = "stopped"


class InlinePigeon(Pigeon):
    name = "inline"
    reply_window_s: ClassVar[float] = 1.0

    def reply_inline(self, outgoing: Outgoing) -> Acknowledgement | None:
        return Acknowledgement("".join(reply.text for reply in outgoing.replies))


@pytest.fixture
def pigeon() -> Pigeon:
    return Pigeon()


@pytest.fixture
async def post(aiohttp_client: Any, brain: Any, make_config: Any, pigeon: Pigeon) -> Any:
    config = make_config(channels=(pigeon, InlinePigeon()), retries=Retries(first_s=0.01))
    client = await aiohttp_client(create_app(brain, config))

    async def send(*messages: dict[str, str], name: str = "pigeon", **headers: str) -> Any:
        body = json.dumps(messages).encode()
        headers.setdefault("X-Signature", pigeon.sign(body))
        return await client.post(f"/channels/{name}/webhook", data=body, headers=headers)

    send.client = client  # type: ignore[attr-defined]
    return send


def letter(sender: str, number: int, text: str | None = None) -> dict[str, str]:
    return {"from": sender, "id": f"{sender}-{number}", "text": str(number) if text is None else text}


async def test_acknowledged_at_once_and_answered_behind(
    post: Any, pigeon: Pigeon, brain: Any, eventually: Any
) -> None:
    brain.gate.clear()
    response = await asyncio.wait_for(post(letter("ann", 1, "你好")), 2)
    assert response.status == 200
    assert pigeon.sent == []
    brain.gate.set()
    await eventually(lambda: pigeon.sent == [("ann", "你好")])
    assert (brain.seen[0].channel, brain.seen[0].message_id) == ("pigeon", "pigeon:ann-1")


async def test_order_is_kept_per_sender(post: Any, pigeon: Pigeon, eventually: Any) -> None:
    await post(*(letter("ann", n) for n in range(5)), *(letter("bob", n) for n in range(5)))
    await post(*(letter("ann", n) for n in range(5, 10)))
    await eventually(lambda: len(pigeon.sent) == 15)
    assert [text for sender, text in pigeon.sent if sender == "ann"] == [str(n) for n in range(10)]
    assert [text for sender, text in pigeon.sent if sender == "bob"] == [str(n) for n in range(5)]


async def test_a_repeated_delivery_is_answered_once(
    post: Any, pigeon: Pigeon, brain: Any, eventually: Any
) -> None:
    brain.gate.clear()
    for _ in range(3):
        assert (await post(letter("ann", 1))).status == 200
    brain.gate.set()
    await eventually(lambda: pigeon.sent)
    for _ in range(3):
        assert (await post(letter("ann", 1))).status == 200
    await asyncio.sleep(0.02)
    assert len(pigeon.sent) == len(brain.seen) == 1


async def test_forged_malformed_and_unknown(post: Any, brain: Any) -> None:
    assert (await post(letter("ann", 1), **{"X-Signature": "0" * 64})).status == 403
    assert (await post({"nonsense": "x"})).status == 400
    assert (await post(letter("ann", 1), name="carrier")).status == 404
    assert brain.seen == []


async def test_an_oversized_delivery_is_refused(post: Any, brain: Any) -> None:
    assert (await post(letter("ann", 1, "x" * 70_000))).status == 413
    assert brain.seen == []


async def test_a_truncated_delivery_is_nothing(post: Any, pigeon: Pigeon, brain: Any) -> None:
    body = json.dumps([letter("ann", 1)]).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", post.client.port)
    head = f"POST /channels/pigeon/webhook HTTP/1.1\r\nHost: x\r\nX-Signature: {pigeon.sign(body)}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-5])
    await writer.drain()
    writer.write_eof()
    assert b" 200 " not in await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert brain.seen == []


async def test_a_channel_switched_off_at_run_time(
    post: Any, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.switches._KNOWN_S", 0.0)
    switches = SqlSwitches(make_engine(database))
    switches.set("pigeon", False, "admin")
    response = await post(letter("ann", 1))
    assert (response.status, response.headers["Retry-After"]) == (503, "60")
    assert (await post(letter("ann", 1), name="inline")).status == 200


async def test_the_platform_s_address_check(post: Any, pigeon: Pigeon) -> None:
    path = f"/channels/pigeon/webhook?echo=42&signature={pigeon.sign(b'')}"
    response = await post.client.get(path)
    assert await response.text() == "42"


async def test_a_sticker_is_ignored_and_a_novel_refused_kindly(
    post: Any, pigeon: Pigeon, brain: Any, eventually: Any
) -> None:
    assert (await post(letter("ann", 1, ""), letter("ann", 2, "x" * 3000))).status == 200
    await eventually(lambda: pigeon.sent)
    assert "2000" in pigeon.sent[0][1]
    assert brain.seen == []


async def test_an_inline_answer_and_a_late_one(post: Any, brain: Any) -> None:
    assert await (await post(letter("ann", 1, "hi"), name="inline")).text() == "hi"
    brain.gate.clear()
    assert await (await post(letter("ann", 2, "late"), name="inline")).text() == ""
    brain.gate.set()


async def test_a_platform_that_was_down_gets_everything_in_order(
    post: Any, pigeon: Pigeon, brain: Any, eventually: Any
) -> None:
    pigeon.broken = True
    await post(letter("ann", 1))
    await eventually(lambda: pigeon.failures)
    pigeon.broken = False
    await post(letter("ann", 2))
    await eventually(lambda: pigeon.sent == [("ann", "1"), ("ann", "2")])


async def test_channels_start_and_stop_with_the_gateway(post: Any, pigeon: Pigeon) -> None:
    assert pigeon.state == "started"
    await post.client.close()
    assert pigeon.state == "stopped"


def test_two_channels_of_one_name_are_refused(brain: Any, make_config: Any) -> None:
    with pytest.raises(ValueError, match="registered twice"):
        create_app(brain, make_config(channels=(Pigeon(), Pigeon())))
