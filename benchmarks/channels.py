"""Nothing lost, nothing doubled, order kept: messages over six channels while the gateway is killed at random.

    python -m benchmarks.channels [--messages 12000] [--rate 40] [--kills 12] [--report benchmarks/channels.md]

A server that behaves like the platforms runs here; the gateway is a child process with an echoing brain, the
real channels, the real HTTP client and SQLite queues. Deliveries are signed, arrive at a steady rate, and are
repeated until acknowledged, as platforms do; so are Meta's reports. The child gets SIGKILL at random moments
and is started again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import aiohttp
from aiohttp import web

from benchmarks.channels_report import CHANNELS, EXACT, Outcome, report
from channels.app import AppChannel
from channels.base import Delivery
from channels.courier import Retries
from channels.gateway import Bilingual, GatewayConfig, Limits, Rate, create_app, serve
from channels.http import PlatformClient
from channels.wxcrypt import signature
from city.messages import Answer, Message, Reply, Trace
from tests.channels.platforms import FakePlatform, make

# How long a platform takes to answer after it took a message, in seconds, at most.
ANSWER_S = 0.03


class Echo:
    """Answers with the text itself after a moment."""

    async def respond(self, message: Message) -> Answer:
        await asyncio.sleep(random.uniform(0.0, 0.02))
        replies = [Reply(message.text, "smalltalk")]
        return Answer(message.message_id, "zh", replies, Trace(message.conversation_id, message.message_id))

    async def forget(self, conversation_id: str) -> None:
        return

    def ready(self) -> Mapping[str, bool]:
        return {"echo": True}


def child(platforms: str, port: int, database: str, told_wait_s: float) -> None:
    """Serve the gateway until it is killed."""
    AppChannel.told_wait_s = told_wait_s
    client = PlatformClient()
    config = GatewayConfig(
        city_name=Bilingual("澜川市", "Lanchuan City"),
        database=database,
        limits=Limits(per_conversation=Rate(0, 1), per_address=Rate(0, 1)),
        channels=[make(name, platforms, client) for name in CHANNELS],
        retries=Retries(first_s=0.2, longest_s=2.0, attempts=100),
    )
    asyncio.run(serve(create_app(Echo(), config), "127.0.0.1", port))


class Senders:
    """Signed deliveries of many citizens."""

    def __init__(self, platforms: str) -> None:
        self.channels: dict[str, Any] = {name: make(name, platforms) for name in CHANNELS}

    def delivery(self, name: str, sender: int, text: str) -> Delivery:
        """Return one message of one citizen, signed now."""
        channel = self.channels[name]
        sample = channel.sample(text)
        if name == "wecom":
            sealed = channel._crypt.encrypt(
                f"<xml><FromUserName>user{sender}</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType>"
                f"<Content>{escape(text)}</Content><MsgId>{escape(text)}</MsgId></xml>"
            )
            query = dict(sample.query)
            query["msg_signature"] = signature("ww-word", query["timestamp"], query["nonce"], sealed)
            return replace(sample, query=query, body=f"<xml><Encrypt>{sealed}</Encrypt></xml>".encode())
        if name == "feishu":
            event = dict(channel._open(sample.body))
            event["event"]["sender"]["sender_id"]["open_id"] = f"ou{sender}"
            event["event"]["message"]["message_id"] = f"om-{text}"
            return channel.signed(event)
        body = json.loads(sample.body)
        if name == "slack":
            body["event"] |= {"user": f"U{sender}", "channel": f"D{sender}", "ts": f"{int(text[1:])}.000001"}
            return channel.signed(json.dumps(body), "application/json")
        if name == "telegram":
            body["update_id"] = text
            body["message"]["from"]["id"] = body["message"]["chat"]["id"] = sender
            return replace(sample, body=json.dumps(body).encode())
        if name == "line":
            body["events"][0]["source"]["userId"] = f"U{sender}"
            body["events"][0]["message"]["id"] = text
            raw = json.dumps(body).encode()
            return replace(sample, body=raw, headers={"x-line-signature": channel._sign(raw)})
        message = body["entry"][0]["changes"][0]["value"]["messages"][0]
        message["from"], message["id"] = f"86{sender}", text
        return channel.signed(body)


def text_of(name: str, body: Any) -> str:
    """Return the text of a message that the platform took."""
    if name == "line":
        return str(body["messages"][0]["text"])
    if name == "feishu":
        return str(json.loads(body["content"])["elements"][0]["content"])
    if name == "wecom":
        return str(body["text"]["content"]).rstrip("\u200b\u200c")
    return str(body["text"]["body"] if name == "whatsapp" else body["text"])


class Run:
    """One run: the platform, the child, the citizens."""

    def __init__(
        self,
        messages: int,
        rate: float,
        kills: int,
        senders: int,
        folder: Path,
        seed: int,
        told_wait_s: float = AppChannel.told_wait_s,
    ) -> None:
        self.told_wait_s = told_wait_s
        self.messages = messages
        self.rate = rate
        self.kills = kills
        self.senders = senders
        self.folder = folder
        self.random = random.Random(seed)
        self.fake = FakePlatform(pause=self.pause, report=self.report)
        self.reports: set[asyncio.Task[None]] = set()
        self.session: aiohttp.ClientSession | None = None
        self.signers: Senders | None = None
        self.port = 0
        self.process: asyncio.subprocess.Process | None = None
        self.times: list[tuple[float, float]] = []
        self.restarts: list[float] = []
        self.repeated = 0
        self.open = asyncio.Semaphore(200)
        self.tails: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def start_child(self) -> None:
        """Start the gateway and wait until it serves."""
        command = [
            sys.executable, "-m", "benchmarks.channels", "--child", self.fake.url, "--port", str(self.port),
            "--database", f"sqlite:///{self.folder / 'gateway.db'}", "--told-wait", str(self.told_wait_s),
        ]  # fmt: skip
        self.process = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parent.parent)
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{self.port}/healthz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)

    async def pause(self) -> None:
        """Take a moment to answer."""
        await asyncio.sleep(random.uniform(0.0, ANSWER_S))

    def report(self, name: str, body: dict[str, Any]) -> None:
        """Report a message to the webhook, as Meta does."""
        task = asyncio.create_task(self.until_acknowledged(name, body))
        self.reports.add(task)
        task.add_done_callback(self.reports.discard)

    async def until_acknowledged(self, name: str, body: dict[str, Any]) -> None:
        """Deliver a report, again and again with growing pauses."""
        assert self.session is not None and self.signers is not None
        wait_s = 0.5
        while True:
            delivery = self.signers.channels[name].signed(body)
            try:
                async with self.session.post(
                    f"http://127.0.0.1:{self.port}/channels/{name}/webhook",
                    data=delivery.body,
                    headers=dict(delivery.headers),
                ) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, 8.0)

    async def deliver(
        self, session: aiohttp.ClientSession, senders: Senders, name: str, sender: int, text: str
    ) -> None:
        """Deliver one message as a platform does: again until it is acknowledged."""
        wait_s = 0.5
        async with self.open:
            while True:
                delivery = senders.delivery(name, sender, text)
                started = time.perf_counter()
                try:
                    async with session.post(
                        f"http://127.0.0.1:{self.port}/channels/{name}/webhook",
                        data=delivery.body,
                        headers=dict(delivery.headers),
                        params=dict(delivery.query),
                    ) as answer:
                        if answer.status == 200:
                            now = time.perf_counter()
                            self.times.append((now, (now - started) * 1000))
                            return
                except aiohttp.ClientError:
                    pass
                self.repeated += 1
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, 8.0)

    async def in_order(self, before: asyncio.Task[None] | None, work: Any) -> None:
        """Deliver after the sender's earlier message: a platform keeps its own order."""
        if before is not None:
            await before
        await work

    async def kill_at_random(self) -> None:
        """Kill the child and start it again, spread over the run."""
        span_s = self.messages / self.rate
        moments = sorted(self.random.uniform(0.05, 1.0) * span_s for _ in range(self.kills))
        started = time.perf_counter()
        for moment in moments:
            await asyncio.sleep(max(0.0, moment - (time.perf_counter() - started)))
            assert self.process is not None
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()
            await self.start_child()
            self.restarts.append(time.perf_counter())

    async def run(self) -> Outcome:
        """Run it all and compare what was sent with what arrived."""
        runner = web.AppRunner(self.fake.app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        sockets = site._server.sockets  # type: ignore[union-attr]
        self.fake.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        probe = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
        self.port = probe.sockets[0].getsockname()[1]
        probe.close()
        await probe.wait_closed()
        started = time.perf_counter()
        await self.start_child()
        expected: dict[tuple[str, int], list[str]] = defaultdict(list)
        senders = self.signers = Senders(self.fake.url)
        killer = asyncio.create_task(self.kill_at_random())
        begun = time.perf_counter()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            self.session = session
            for number in range(self.messages):
                name = CHANNELS[number % len(CHANNELS)]
                sender = 1000 + (number // len(CHANNELS)) % self.senders
                text = f"n{number:06d}"
                expected[name, sender].append(text)
                work = self.deliver(session, senders, name, sender, text)
                key = (name, sender)
                self.tails[key] = asyncio.create_task(self.in_order(self.tails.get(key), work))
                await asyncio.sleep(max(0.0, begun + (number + 1) / self.rate - time.perf_counter()))
            await asyncio.gather(*self.tails.values())
            await killer
            await self.arrived(expected)
            for task in self.reports:
                task.cancel()
        assert self.process is not None
        self.process.terminate()
        await self.process.wait()
        await runner.cleanup()
        return self.compare(expected, time.perf_counter() - started)

    async def arrived(self, expected: Mapping[tuple[str, int], list[str]]) -> None:
        """Wait until everything arrived, or nothing more has for a while."""
        last, quiet_since = -1, time.perf_counter()
        # Longer than the gateway waits for a report before it sends again.
        while time.perf_counter() - quiet_since < self.told_wait_s + 15:
            count = sum(len(self.fake.sent(name)) for name in CHANNELS)
            if count != last:
                last, quiet_since = count, time.perf_counter()
            settled = count >= self.messages and time.perf_counter() - quiet_since > 2
            if settled and await asyncio.to_thread(self.nothing_waits):
                return
            await asyncio.sleep(0.25)

    def nothing_waits(self) -> bool:
        """Return whether the gateway has nothing left to send: what it sends again would come after all else."""
        with closing(sqlite3.connect(self.folder / "gateway.db")) as connection:
            query = "SELECT count(*) FROM outbox WHERE state = 'waiting'"
            return bool(connection.execute(query).fetchone()[0] == 0)

    def compare(self, expected: Mapping[tuple[str, int], list[str]], seconds: float) -> Outcome:
        """Count what is missing, double or out of order."""
        lost: Counter[str] = Counter()
        doubled: Counter[str] = Counter()
        disordered = 0
        said_again = re.compile(r"^（重发[^\n]*\n")
        texts = {name: [text_of(name, call.body) for call in self.fake.sent(name)] for name in CHANNELS}
        shown = sum(bool(said_again.match(text)) for said in texts.values() for text in said)
        texts = {name: [said_again.sub("", text) for text in said] for name, said in texts.items()}
        owner = {text: key for key, said in expected.items() for text in said}
        got: dict[tuple[str, int], list[str]] = defaultdict(list)
        for name, said in texts.items():
            counts = Counter(said)
            doubled[name] = sum(count - 1 for count in counts.values())
            for text in dict.fromkeys(said):
                assert owner[text][0] == name
                got[owner[text]].append(text)
        for key, said in expected.items():
            lost[key[0]] += len(set(said) - set(got[key]))
            disordered += got[key] != [text for text in said if text in set(got[key])]
        return Outcome(
            self.messages,
            self.kills,
            seconds,
            lost,
            doubled,
            shown,
            disordered,
            self.repeated,
            self.times,
            self.restarts,
        )


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=12_000)
    parser.add_argument("--rate", type=float, default=40.0, help="deliveries per second")
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--senders", type=int, default=200, help="citizens per channel")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--child")
    parser.add_argument("--port", type=int)
    parser.add_argument("--database")
    parser.add_argument("--told-wait", type=float, default=AppChannel.told_wait_s)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.port, arguments.database, arguments.told_wait)
        return
    with tempfile.TemporaryDirectory() as folder:
        run = Run(
            arguments.messages,
            arguments.rate,
            arguments.kills,
            arguments.senders,
            Path(folder),
            arguments.seed,
        )
        outcome = asyncio.run(run.run())
    command = (
        f"python -m benchmarks.channels --messages {arguments.messages} --rate {arguments.rate:g} "
        f"--kills {arguments.kills} --seed {arguments.seed}"
    )
    text = report(outcome, command)
    sys.stdout.write(text)
    if arguments.report:
        arguments.report.write_text(text, encoding="utf-8")
    if sum(outcome.lost.values()) or sum(outcome.doubled[name] for name in EXACT) or outcome.disordered:
        sys.exit(1)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
