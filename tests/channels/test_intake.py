"""The inbound queue and what works it: durable before the acknowledgement, nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.pool import NullPool

from channels.base import Channel, Delivery, Inbound, Outgoing
from channels.courier import Retries
from channels.gateway import create_app
from channels.queue.base import InboundQueue, QueueError, short_id
from channels.queue.redis_streams import RedisQueue
from channels.queue.sql import SqlQueue
from channels.store import make_engine
from channels.switches import SqlSwitches
from channels.tables import metadata
from city.messages import Button, Reply
from city.outbox import get_outbox


class Dove(Channel):
    """Unsigned and frank: a JSON list of messages."""

    name = "dove"

    def __init__(self, opt_out: bool = False) -> None:
        self.sent: list[Outgoing] = []
        self.opt_out = opt_out  # type: ignore[misc]

    async def verify(self, delivery: Delivery) -> None:
        return

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        return [Inbound(**item) for item in json.loads(delivery.body)]

    async def send(self, outgoing: Outgoing) -> None:
        self.sent.append(outgoing)

    def texts(self, sender: str) -> list[str]:
        return [r.text for o in self.sent if o.to.sender_id == sender for r in o.replies]


def note(sender: str, number: int, text: str | None = None, **more: Any) -> dict[str, Any]:
    return {"sender_id": sender, "message_id": f"{sender}-{number}", "text": text or str(number), **more}


@pytest.fixture
def dove() -> Dove:
    return Dove()


@pytest.fixture
async def client(aiohttp_client: Any, brain: Any, make_config: Any, dove: Dove) -> Any:
    roles = {("dove", "boss"): "operator"}
    return await aiohttp_client(
        create_app(brain, make_config(channels=(dove,), roles=roles, retries=Retries(first_s=0.01)))
    )


async def post(client: Any, *notes: dict[str, Any]) -> Any:
    return await client.post("/channels/dove/webhook", data=json.dumps(notes).encode())


async def test_a_thousand_duplicates_are_answered_once(
    client: Any, dove: Dove, brain: Any, eventually: Any
) -> None:
    responses = await asyncio.gather(*(post(client, note("ann", 1)) for _ in range(1000)))
    assert {response.status for response in responses} == {200}
    await eventually(lambda: dove.sent)
    await asyncio.sleep(0.02)
    assert (len(dove.sent), len(brain.seen)) == (1, 1)


async def test_a_stopped_gateway_keeps_what_it_accepted(
    aiohttp_client: Any, brain: Any, make_config: Any, dove: Dove, eventually: Any
) -> None:
    config = make_config(channels=(dove,))
    first = await aiohttp_client(create_app(brain, config))
    brain.gate.clear()
    brain.fail = RuntimeError("the process is going down")
    assert (await post(first, *(note("ann", n) for n in range(5)))).status == 200
    await eventually(lambda: brain.seen)
    closing = asyncio.create_task(first.close())
    await asyncio.sleep(0.05)
    brain.fail = None
    brain.gate.set()
    await closing
    await aiohttp_client(create_app(brain, make_config(channels=(dove,))))
    await eventually(lambda: len(dove.sent) == 5)
    assert dove.texts("ann") == ["0", "1", "2", "3", "4"]


async def test_numbered_choices_are_understood(client: Any, dove: Dove, brain: Any, eventually: Any) -> None:
    brain.replies = [Reply("哪一个？", "clarify", buttons=(Button("甲", "/a"), Button("乙", "/b")))]
    await post(client, note("ann", 1, "问"))
    await eventually(lambda: len(dove.sent) == 1)
    for number, said in ((2, "回复2"), (3, "１"), (4, "reply 2"), (5, "9")):
        await post(client, note("ann", number, said))
        await eventually(lambda number=number: len(dove.sent) == number)
    assert [message.text for message in brain.seen] == ["问", "/b", "/a", "/b", "9"]


async def test_identities_are_linked_by_a_code_that_works_once(
    client: Any, dove: Dove, brain: Any, eventually: Any
) -> None:
    async def say(sender: str, number: int, text: str) -> str:
        before = len(dove.sent)
        await post(client, note(sender, number, text))
        await eventually(lambda: len(dove.sent) > before)
        return dove.sent[-1].replies[0].text

    await say("ann", 1, "hello")
    code = next(word for word in (await say("ann", 2, "绑定")).replace("，", " ").split() if word.isdecimal())
    assert "wrong" in await say("eve", 1, "link 00000000")
    assert "已绑定" in await say("phone", 1, f"绑定 {code}")
    assert "wrong" in await say("eve", 2, f"link {code}")
    await say("phone", 2, "again")
    await say("eve", 3, "mine")
    by_text = {message.text: message.conversation_id for message in brain.seen}
    assert by_text["hello"] == by_text["again"] != by_text["mine"]
    assert "own again" in await say("phone", 3, "unlink")
    await say("phone", 4, "apart")
    assert brain.seen[-1].conversation_id != by_text["hello"]
    for number in range(4, 8):
        last = await say("eve", number, "link 00000000")
    assert "wait an hour" in last


async def test_roles_come_from_the_identity(client: Any, brain: Any, eventually: Any) -> None:
    await post(client, note("boss", 1), note("ann", 1, role="admin"))
    await eventually(lambda: len(brain.seen) == 2)
    assert sorted(message.role for message in brain.seen) == ["citizen", "operator"]


async def test_pictures_are_answered_kindly(client: Any, dove: Dove, brain: Any, eventually: Any) -> None:
    await post(client, note("ann", 1, " ", unreadable=True))
    await eventually(lambda: dove.sent)
    assert "messages of this kind" in dove.texts("ann")[0]
    assert brain.seen == []


async def test_stop_ends_all_messages_until_start(
    aiohttp_client: Any, brain: Any, make_config: Any, eventually: Any
) -> None:
    dove = Dove(opt_out=True)
    client = await aiohttp_client(create_app(brain, make_config(channels=(dove,))))
    for number, (said, expected) in enumerate(
        [("hi", 1), ("STOP", 2), ("hello?", 2), ("stop", 2), ("Start", 3)]
    ):
        await post(client, note("ann", number, said))
        await eventually(lambda expected=expected: len(dove.sent) == expected)
        await asyncio.sleep(0.01)
    await post(client, note("ann", 9, "帮助"), note("ann", 10, "退订"))
    await eventually(lambda: len(dove.sent) == 5)
    assert "退订" in dove.texts("ann")[1]


async def test_a_switched_off_channel_refuses_and_its_answers_wait(
    client: Any, dove: Dove, database: str
) -> None:
    switches = SqlSwitches(make_engine(database))
    switches.set("dove", False, "admin")
    assert not switches.enabled("dove")
    assert switches.enabled("other")
    assert switches.all() == {"dove": False}


def test_long_ids_are_hashed() -> None:
    assert short_id("wamid.x") == "wamid.x"
    assert short_id("<" + "a" * 300 + "@mail>").startswith("h-")
    assert short_id("编号").startswith("h-")
    assert short_id("").startswith("h-")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    socket = tmp_path_factory.mktemp("redis") / "r.sock"
    process = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", str(socket), "--save", ""], stdout=subprocess.DEVNULL
    )
    for _ in range(200):
        if socket.exists():
            break
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.02)"], check=True)
    yield f"unix://{socket}"
    process.terminate()
    process.wait(10)


@pytest.fixture(params=["sql", "redis"])
async def make_queue(request: Any, tmp_path: Path) -> Any:
    if request.param == "redis":
        url = request.getfixturevalue("redis_server")

    async def make(owner: str) -> InboundQueue:
        queue: InboundQueue
        if request.param == "sql":
            engine = make_engine(f"sqlite:///{tmp_path / 'q.db'}")
            assert not isinstance(engine.pool, NullPool)
            metadata.create_all(engine)
            queue = SqlQueue(engine, owner)
        else:
            queue = RedisQueue(url, owner, prefix=str(tmp_path))
        await queue.open()
        return queue

    return make


def letters(*numbers: int) -> list[Inbound]:
    return [Inbound(f"s{n % 3}", f"m{n}", f"第{n}条", context={"chat": n}) for n in numbers]


async def test_a_queue_hands_out_once_in_order_and_again_after_a_kill(make_queue: Any) -> None:
    first = await make_queue("first")
    await first.put("dove", letters(1, 2, 3))
    await first.put("dove", letters(2, 3, 4))
    await first.put("swan", letters(1))
    taken = [*await first.take(3, 0.05), *await first.take(10, 0.05)]
    assert [(e.channel, e.inbound.message_id) for e in taken] == [
        ("dove", "m1"),
        ("dove", "m2"),
        ("dove", "m3"),
        ("dove", "m4"),
        ("swan", "m1"),
    ]
    assert taken[0].inbound == letters(1)[0]
    assert await first.take(10, 0.01) == []
    await first.done(taken[0])
    await first.close()
    second = await make_queue("second")
    again: list[Any] = []
    while len(again) < 4:
        again.extend(await second.take(10, 0.05))
    assert [e.inbound.message_id for e in again] == ["m2", "m3", "m4", "m1"]
    await second.put("dove", letters(1))
    assert await second.take(10, 0.01) == []
    for entry in again:
        await second.done(entry)
    await second.close()


async def test_dead_letters_of_a_queue_are_seen_and_tried_again(make_queue: Any) -> None:
    queue = await make_queue("me")
    await queue.put("dove", letters(1))
    taken: list[Any] = []
    while not taken:
        taken.extend(await queue.take(10, 0.05))
    await queue.dead(taken[0], "RuntimeError: no")
    (dead,) = await queue.dead_letters()
    assert (dead.inbound, dead.error) == (letters(1)[0], "RuntimeError: no")
    assert await queue.retry() == 1
    assert [e.inbound.message_id for e in await queue.take(10, 0.2)] == ["m1"]
    assert await queue.dead_letters() == []
    await queue.close()


async def test_many_put_at_once_cost_few_commits(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'q.db'}")
    metadata.create_all(engine)
    queue = SqlQueue(engine, "me")
    await queue.open()
    await asyncio.gather(*(queue.put("dove", letters(n)) for n in range(300)))
    assert len(await queue.take(500, 0.1)) == 300
    await queue.close()


async def test_a_redis_that_is_not_there_is_named() -> None:
    with pytest.raises(QueueError, match=r"channels\.queue\.url"):
        await RedisQueue("redis://127.0.0.1:1/0", "me").open()


async def test_a_code_from_the_web_page_links_a_chat_app(
    client: Any, arrive: Any, dove: Dove, brain: Any, eventually: Any
) -> None:
    citizen = await arrive(client)
    answer = await (await citizen.say("link my account")).json()
    code = next(word for word in answer["replies"][0]["text"].split() if word.strip(".").isdecimal()).strip(
        "."
    )
    refused = await (await citizen.say(f"link {code}")).json()
    assert "cannot take a code" in refused["replies"][0]["text"]
    await post(client, note("ann", 1, f"link {code}"))
    await eventually(lambda: dove.sent)
    assert "Linked" in dove.texts("ann")[0]
    await post(client, note("ann", 2, "hello from the app"))
    await eventually(lambda: brain.seen)
    assert brain.seen[0].conversation_id == citizen.id
    assert [m["text"] for m in await citizen.history()][-1] == "hello from the app"


async def test_an_erased_conversation_leaves_no_text_behind(
    client: Any, arrive: Any, database: str, eventually: Any
) -> None:
    citizen = await arrive(client)
    secret = "我的秘密 my secret 4711"
    get_outbox().put(citizen.id, [Reply(secret, "requests")], key="k")
    await eventually(lambda: get_outbox().counts() == {"sent": 1})
    assert (await client.delete(citizen.path, headers=citizen.headers)).status == 204
    folder = Path(database.removeprefix("sqlite:///")).parent
    for file in folder.glob("channels.db*"):
        assert b"my secret 4711" not in file.read_bytes(), file.name


async def test_the_language_follows_the_conversation_into_a_linked_channel(
    client: Any, dove: Dove, brain: Any, eventually: Any
) -> None:
    await post(client, note("ann", 1, "hello", language="en"))
    await eventually(lambda: len(dove.sent) == 1)
    await post(client, note("ann", 2, "link", language="en"))
    await eventually(lambda: len(dove.sent) == 2)
    code = next(w for w in dove.sent[-1].replies[0].text.replace(".", "").split() if w.isdecimal())
    await post(client, note("phone", 1, f"link {code}"))
    await eventually(lambda: len(dove.sent) == 3)
    get_outbox().put(brain.seen[0].conversation_id, [Reply("News", "requests")], key="news")
    await eventually(lambda: len(dove.sent) == 4)
    # A notice goes to where the conversation was last heard from, in its language.
    assert (dove.sent[-1].to.sender_id, dove.sent[-1].language) == ("ann", "en")
    await post(client, note("phone", 2, "again", language="en"))
    await eventually(lambda: len(dove.sent) == 5)
    get_outbox().put(brain.seen[0].conversation_id, [Reply("More", "requests")], key="more")
    await eventually(lambda: len(dove.sent) == 6)
    assert (dove.sent[-1].to.sender_id, dove.sent[-1].language) == ("phone", "en")
