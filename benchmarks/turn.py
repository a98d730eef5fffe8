"""End-to-end cost of a turn: our server beside stock `rasa run` on the same model, in the same run.

    python benchmarks/turn.py [--seconds 8] [--clients 1,8,32] [--skip-stock] [--out benchmarks/turn.md]

Starts `chengda run` on a free port (models must be trained), measures start time, p50/p95 and messages per
second over HTTP for a greeting, a knowledge answer and a departure query, and resident memory; then the same
with `rasa run` and `rasa run actions`. Every client holds conversations of ten turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

import aiohttp
import psutil

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = {
    "greeting": ["你好", "hello"],
    "knowledge": ["图书馆周日几点开门？", "How do I renew a residence permit?"],
    "departure": ["12路在人民广场下一班几点？", "When is the next bus 12 at People's Square?"],
}
TURNS_PER_CONVERSATION = 10

Ask = Callable[[str], Awaitable[None]]
OpenConversation = Callable[[aiohttp.ClientSession], Awaitable[Ask]]


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    env = dict(os.environ)
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env


async def wait_for(session: aiohttp.ClientSession, url: str, limit_s: float = 180) -> None:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        try:
            async with session.get(url) as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.05)
    raise SystemExit(f"{url} did not get ready in {limit_s} s")


def ours(base: str) -> OpenConversation:
    async def open_conversation(session: aiohttp.ClientSession) -> Ask:
        async with session.post(f"{base}/api/v1/conversations") as answer:
            answer.raise_for_status()
            data = await answer.json()
        url = f"{base}/api/v1/conversations/{data['conversation_id']}/messages"
        headers = {"Authorization": f"Bearer {data['token']}"}

        async def ask(text: str) -> None:
            async with session.post(url, json={"text": text}, headers=headers) as answer:
                answer.raise_for_status()
                replies = (await answer.json())["replies"]
            if not replies or replies[0]["source"] == "error":
                raise SystemExit(f"no answer to {text!r}: {replies}")

        return ask

    return open_conversation


def stock(base: str) -> OpenConversation:
    counter = iter(range(10**9))

    async def open_conversation(session: aiohttp.ClientSession) -> Ask:
        sender = f"bench-{next(counter)}"

        async def ask(text: str) -> None:
            body = {"sender": sender, "message": text}
            async with session.post(f"{base}/webhooks/rest/webhook", json=body) as answer:
                answer.raise_for_status()
                if not await answer.json():
                    raise SystemExit(f"stock Rasa gave no answer to {text!r}")

        return ask

    return open_conversation


async def load(
    session: aiohttp.ClientSession,
    conversation: OpenConversation,
    texts: list[str],
    clients: int,
    seconds: float,
) -> tuple[float, float, float]:
    """Return p50 ms, p95 ms and messages per second."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        turn = number
        ask = await conversation(session)
        while time.perf_counter() < end:
            if turn % TURNS_PER_CONVERSATION == 0:
                ask = await conversation(session)
            started = time.perf_counter()
            await ask(texts[turn % len(texts)])
            times.append(time.perf_counter() - started)
            turn += 1

    started = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    elapsed = time.perf_counter() - started
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else [times[0]] * 99
    return cuts[49] * 1000, cuts[94] * 1000, len(times) / elapsed


def memory_mb(*processes: subprocess.Popen[bytes]) -> float:
    total = 0
    for process in processes:
        parent = psutil.Process(process.pid)
        total += sum(member.memory_info().rss for member in [parent, *parent.children(recursive=True)])
    return total / 2**20


async def measure(
    name: str, conversation: OpenConversation, clients: list[int], seconds: float, rows: list[str]
) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=120)
    ) as session:
        for kind, texts in QUESTIONS.items():
            await load(session, conversation, texts, 1, 1.0)
            for count in clients:
                p50, p95, rate = await load(session, conversation, texts, count, seconds)
                rows.append(f"| {name} | {kind} | {count} | {p50:.1f} | {p95:.1f} | {rate:.0f} |")
                print(rows[-1], flush=True)


async def start(
    command: list[str], ready: str, cwd: Path, env: dict[str, str]
) -> tuple[subprocess.Popen[bytes], float]:
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    async with aiohttp.ClientSession() as session:
        await wait_for(session, ready)
    return process, time.perf_counter() - started


def stop(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(timeout=30)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--skip-stock", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    clients = [int(count) for count in options.clients.split(",")]
    rows: list[str] = []
    facts: list[str] = []

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "var"
        shutil.copytree(ROOT / "var", data, ignore=shutil.ignore_patterns("*.db*"))
        settings = ROOT / f".benchmark-{os.getpid()}.yml"
        text = (ROOT / "city.yml").read_text("utf-8").replace("data_dir: var ", f"data_dir: {data} ")
        # One address plays many citizens here, which the shipped limits would stop.
        text = re.sub(r"\{per_s: \d+, burst: \d+\}", "{per_s: 100000, burst: 1000000}", text)
        settings.write_text(text, "utf-8")
        env = {**environment(), "CHENGDA_CITY": str(settings)}
        try:
            port = free_port()
            command = [sys.executable, "-m", "chengda", "run", "--port", str(port), "--console-port", "0"]
            process, _ = await start(command, f"http://127.0.0.1:{port}/readyz", ROOT, env)
            stop(process)
            process, warm = await start(command, f"http://127.0.0.1:{port}/readyz", ROOT, env)
            idle = memory_mb(process)
            await measure("chengda run", ours(f"http://127.0.0.1:{port}"), clients, options.seconds, rows)
            facts.append(
                f"chengda run: warm start {warm:.1f} s, RSS {idle:.0f} MB idle, {memory_mb(process):.0f} MB after load"
            )
            stop(process)
            if not options.skip_stock:
                await stock_rasa(env, data, clients, options.seconds, rows, facts)
        finally:
            settings.unlink()

    cpu = processor()
    table = [
        "# Cost of a turn",
        "",
        f"`python benchmarks/turn.py --seconds {options.seconds:g} --clients {options.clients}`, {date.today()}, "
        f"{os.cpu_count()} cores, {cpu}, client and server on the same machine.",
        "",
        "| server | question | clients | p50 ms | p95 ms | messages/s |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        *(f"- {fact}" for fact in facts),
        "",
    ]
    print("\n".join(table))
    if options.out:
        options.out.write_text("\n".join(table), "utf-8")


async def stock_rasa(
    env: dict[str, str], data: Path, clients: list[int], seconds: float, rows: list[str], facts: list[str]
) -> None:
    model = max(
        (data / "models" / "dialogue").glob("dialogue-*.tar.gz"), key=lambda file: file.stat().st_mtime
    )
    action_port, port = free_port(), free_port()
    endpoints = data / "endpoints.yml"
    endpoints.write_text(
        f"action_endpoint:\n  url: http://127.0.0.1:{action_port}/webhook\n"
        f"tracker_store:\n  type: SQL\n  dialect: sqlite\n  db: {data / 'stock.db'}\n",
        "utf-8",
    )
    credentials = data / "credentials.yml"
    credentials.write_text("rest:\n", "utf-8")
    rasa = str(Path(sys.executable).with_name("rasa"))
    actions, _ = await start(
        [rasa, "run", "actions", "--actions", "bot.action_server", "-p", str(action_port)],
        f"http://127.0.0.1:{action_port}/health",
        ROOT / "bot",
        env,
    )
    command = [rasa, "run", "-m", str(model), "-p", str(port), "-i", "127.0.0.1", "--enable-api"]
    command += ["--endpoints", str(endpoints), "--credentials", str(credentials)]
    server, _ = await start(command, f"http://127.0.0.1:{port}/status", ROOT / "bot", env)
    stop(server)
    server, warm = await start(command, f"http://127.0.0.1:{port}/status", ROOT / "bot", env)
    try:
        await measure("rasa run", stock(f"http://127.0.0.1:{port}"), clients, seconds, rows)
        facts.append(
            f"rasa run + action server: warm start {warm:.1f} s (server alone), RSS {memory_mb(server, actions):.0f} MB after load"
        )
    finally:
        stop(server, actions)


if __name__ == "__main__":
    asyncio.run(main())
