"""How long the console's pages take with 50 000 conversations and 5 000 articles in the stores.

    python -m benchmarks.console --write

Makes the stores in a temporary folder (or in --folder, to be used again), serves the console on loopback, signs in
and asks for every page one after the other. Article vectors are hashed, not BERT's: of these pages only "ask again"
encodes a sentence, which takes about 3 ms with the shipped base.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import platform
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import ClientSession, CookieJar
from aiohttp.test_utils import TestServer
from sqlalchemy import insert

from channels.traces import TraceStore, TurnRecord, grams, tables
from channels.traces.reading import TraceReader
from city.db import writing
from city.settings import ContactSection, EmergencyNumber, KnowledgeSection, Settings
from console.app import create_console
from console.config import ConsoleConfig
from console.services import Services
from console.staff import StaffStore
from knowledge.article import make_article
from knowledge.markdown import format_article
from knowledge.service import KnowledgeService

CONVERSATIONS, ARTICLES, DAYS, OPEN_QUESTIONS = 50_000, 5_000, 90, 500
LIMIT_MS = 150.0
PASSWORD = "correct-horse-9"
RESULT = Path(__file__).with_suffix(".md")
TOPICS_ZH = (
    "居住证",
    "公交卡",
    "图书馆",
    "垃圾分类",
    "医保",
    "社保",
    "停车",
    "供暖",
    "水费",
    "电费",
    "养犬",
    "护照",
    "公租房",
)
TOPICS_EN = (
    "permit",
    "bus card",
    "library",
    "waste",
    "insurance",
    "pension",
    "parking",
    "heating",
    "water",
    "power",
)
ASKED_ZH = (
    "怎么办",
    "多少钱",
    "在哪里办",
    "需要什么材料",
    "几点开门",
    "可以网上办吗",
    "丢了怎么办",
    "几天能办好",
)
ASKED_EN = ("how do I get a", "how much is the", "where is the", "documents for", "opening hours of")
BACKGROUND = {
    "zh": (
        "讲个笑话",
        "今天天气怎么样",
        "红烧肉怎么做",
        "股票会涨吗",
        "谁写了红楼梦",
        "推荐一部电影",
        "怎么减肥",
        "比赛谁赢了",
    ),
    "en": (
        "tell me a joke",
        "what is the weather",
        "how to cook rice",
        "will stocks rise",
        "who wrote Hamlet",
        "a film",
    ),
}
CHANNELS = ("web", "web", "web", "wecom", "sms", "telegram")
DECISIONS = (("answer", "knowledge"),) * 8 + (
    ("clarify", "clarify"),
    ("abstain", "fallback"),
    ("handoff", "handoff"),
)


class HashedEncoder:
    """Words and pairs of characters hashed into a vector: quick, and alike texts are near."""

    dimension = 128
    fingerprint = "hashed-128"

    def encode(self, texts: Sequence[str]) -> Any:
        """Return (texts, 128) unit vectors."""
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            for start in range(max(len(text) - 1, 1)):
                digest = hashlib.blake2b(text[start : start + 2].encode(), digest_size=4).digest()
                rows[row, int.from_bytes(digest[:2], "little") % self.dimension] += 1 if digest[2] % 2 else -1
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)

    def encode_one(self, text: str) -> Any:
        """Return one unit vector."""
        return self.encode([text])[0]


# Address, first view, p50 and p95 in ms, size in kB.
Row = tuple[str, float, float, float, int]


def turns(conversations: int, dice: random.Random) -> Iterator[TurnRecord]:
    """Yield one to five turns of each conversation, spread over `DAYS` days up to now."""
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    for number in range(conversations):
        at = now - timedelta(seconds=(1 - number / conversations) * DAYS * 86_400)
        language = "zh" if dice.random() < 0.7 else "en"
        channel = dice.choice(CHANNELS)
        for turn in range(dice.choice((1, 2, 3, 3, 4, 5))):
            at += timedelta(seconds=20)
            yield one_turn(
                dice, f"{number:08x}-0000-4000-8000-000000000000", f"m{turn}", at, channel, language
            )


def one_turn(
    dice: random.Random, conversation: str, message: str, at: datetime, channel: str, language: str
) -> TurnRecord:
    """Return a turn with a trace of the usual size."""
    if language == "zh":
        text = f"{dice.choice(TOPICS_ZH)}{dice.choice(ASKED_ZH)}{dice.choice(('', '？', '，谢谢'))}{dice.randrange(1000)}"
    else:
        text = f"{dice.choice(ASKED_EN)} {dice.choice(TOPICS_EN)} {dice.randrange(1000)}"
    decision, source = dice.choice(DECISIONS)
    intent, confidence = f"intent_{min(int(dice.expovariate(0.12)), 59)}", dice.uniform(0.4, 1.0)
    article = f"article-{min(int(dice.expovariate(0.01)), ARTICLES - 1):05}" if decision == "answer" else ""
    ranking = [{"name": intent, "confidence": confidence}, {"name": "intent_60", "confidence": 0.1}]
    found = [{"article": f"article-{number:05}", "probability": 0.5} for number in range(3)]
    steps = [
        {"step": "conversation", "ms": 0.8, "events": 12},
        {"step": "nlu", "ms": 5.1, "language": language, "intent": ranking[0], "ranking": ranking, "entities": []},
        {"step": "knowledge.search", "ms": 3.2, "found": found, "completed": text, "index": "5000"},
        {"step": "knowledge.decide", "ms": 0.1, "decision": decision, "why": "found"},
        {"step": "dialogue", "ms": 9.7, "actions": ["action_answer_question", "action_listen"]},
        {"step": "store", "ms": 0.3},
    ]  # fmt: skip
    return TurnRecord(
        conversation_id=conversation,
        message_id=message,
        at=at,
        day=(at + timedelta(hours=8)).date(),
        channel=channel,
        language=language,
        text=text,
        intent=intent,
        confidence=confidence,
        runner_up="intent_60",
        runner_up_confidence=0.1,
        decision=decision,
        source=source,
        article_id=article,
        total_ms=dice.lognormvariate(2.9, 0.5),
        model="20260301-120000-abcdef12",
        index_version="5000",
        steps=steps,
        replies=[
            {
                "text": "请携带身份证到街道服务中心办理，五个工作日内领取。" * 4,
                "source": source,
                "citations": [],
                "buttons": [],
            }
        ],
    )


def fill_traces(store: TraceStore, conversations: int) -> None:
    """Write the turns and some ratings; what an earlier run has written is passed over.

    The rows are those of `TraceStore.write`, five thousand in one statement instead of one by one.
    """
    dice = random.Random(7)
    written = TraceReader(store.engine).newest()
    left = islice(turns(conversations, random.Random(5)), written, None)
    while batch := list(islice(left, 5_000)):
        rows, rest = [], []
        for number, record in enumerate(batch, written + 1):
            values = vars(record)
            rest.append(
                {"turn_id": number, "steps": values["steps"], "replies": values["replies"], "comment": ""}
            )
            rows.append(
                {
                    **{k: v for k, v in values.items() if k not in ("steps", "replies")},
                    "id": number,
                    "rating": "",
                }
            )
        with writing(store.engine) as session:
            session.execute(insert(tables.turns), rows)
            session.execute(insert(tables.details), rest)
            grams.add(session, [(row["id"], row["text"]) for row in rows])
            store._count(session, batch)
            store._add_conversations(session, batch)
        written += len(batch)
        for record in dice.sample(batch, 100):
            store.rate(record.conversation_id, record.message_id, dice.choice(("up", "up", "down")))


def fill_articles(folder: Path, articles: int) -> None:
    """Write short published articles as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(articles):
        topic, english = TOPICS_ZH[number % len(TOPICS_ZH)], TOPICS_EN[number % len(TOPICS_EN)]
        data = {
            "id": f"article-{number:05}",
            "title": {"zh": f"{topic}事项第{number}号", "en": f"{english.title()} matter {number}"},
            "questions": {
                "zh": [f"{topic}{number}怎么办", f"{topic}{number}多少钱"],
                "en": [f"how to get {english} {number}", f"price of {english} {number}"],
            },
            "answer": {
                "zh": f"办理{topic}{number}请到窗口。",
                "en": f"Go to the counter for {english} {number}.",
            },
            "category": english.replace(" ", "-"),
            "department": f"office-{number % 20}",
            "status": "published",
            "updated_by": "bench",
        }
        (folder / f"article-{number:05}.md").write_text(format_article(make_article(data)), "utf-8")


def make_settings(folder: Path) -> Settings:
    """Return the settings of a city in `folder`."""
    return Settings(
        city={"id": "bench", "name": {"zh": "测试市", "en": "Bench City"}, "time_zone": "Asia/Shanghai"},
        emergency=[EmergencyNumber(number="110", zh="报警", en="Police")],
        contact=ContactSection(number="12345", zh="热线", en="Hotline"),
        data_dir=folder / "var",
        knowledge=KnowledgeSection(articles=folder / "articles"),
        source=folder / "city.yml",
    )


def make_services(folder: Path, conversations: int, articles: int) -> Services:
    """Return the filled stores; those of an earlier run in the same folder are used again."""
    settings = make_settings(folder)
    traces = TraceStore(f"sqlite:///{folder / 'traces.db'}")
    if not (folder / "articles").is_dir():
        fill_traces(traces, conversations)
        fill_articles(folder / "articles", articles)
        background = folder / "calibration"
        background.mkdir(exist_ok=True)
        for language, asked in BACKGROUND.items():
            (background / f"background.{language}.txt").write_text("\n".join(asked), "utf-8")
    knowledge = KnowledgeService.open(settings, encoder=HashedEncoder(), follow=False)
    if not knowledge.curator.queue.state()[0]:
        dice = random.Random(6)
        for _ in range(OPEN_QUESTIONS):
            kind = dice.choice(("unanswered", "abandoned", "down"))
            knowledge.record_feedback(dice.choice(TOPICS_ZH) + dice.choice(ASKED_ZH), "zh", kind)
    return Services(settings=settings, knowledge=knowledge, traces=traces)


def pages(services: Services) -> list[str]:
    """Return the addresses that are measured; `{back}` stands for a day that is another one in each round."""
    assert services.traces is not None
    reader = TraceReader(services.traces.engine)
    conversation = reader.recent(1)[0]["conversation_id"]
    today = date.today()
    return [
        "/",
        "/knowledge",
        "/knowledge?text=%E5%81%9C%E8%BD%A6",
        "/knowledge/search?q=%E5%81%9C%E8%BD%A6%E5%A4%9A%E5%B0%91%E9%92%B1",
        "/knowledge/a/article-00042",
        "/inbox",
        "/inbox?kind=down",
        "/conversations",
        "/conversations?q=%E5%BA%95%E9%9F%B3",
        "/conversations?q=%E8%AF%81",
        "/conversations?q=how+do+I+get+a+permit+77",
        "/conversations?q=100%25_",
        "/conversations?q=%E5%B1%85%E4%BD%8F%E8%AF%81&decision=abstain&language=zh",
        "/conversations?q=%E5%81%9C%E8%BD%A6&from={back}&to={back}",
        "/conversations?intent=intent_59&channel=sms",
        f"/conversations/{conversation}",
        "/nlu",
        "/nlu/suggestions",
        "/nlu/models",
        "/analytics",
        f"/analytics?from={{back}}&to={today}",
        f"/analytics?from={{back}}&to={today}&channel=web&language=zh",
        "/analytics/export.csv?table=days",
        "/audit",
    ]


def in_round(path: str, number: int) -> str:
    """Return the address of a round: another day in each, so that no result of the round before can be shown."""
    return path.replace("{back}", str(date.today() - timedelta(days=60 + number)))


class Traffic:
    """Citizens who go on asking while staff look: a turn before each page, so that what was computed is out of date."""

    def __init__(self, services: Services) -> None:
        assert services.traces is not None
        self._store, self._dice, self._number = services.traces, random.Random(), 0
        self._run = f"{self._dice.getrandbits(64):016x}"

    def go_on(self) -> None:
        """Write one turn."""
        self._number += 1
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        conversation = f"{self._run}-{self._number}"
        self._store.write([one_turn(self._dice, conversation, "m1", now, "web", "zh")])


async def measure(services: Services, folder: Path, rounds: int) -> list[Row]:
    """Return for each page its first view, p50 and p95 in ms and its size in kB."""
    staff = StaffStore(f"sqlite:///{folder / f'console-{os.getpid()}.db'}")
    staff.add("bench", "admin", PASSWORD)
    config = ConsoleConfig(staff=staff, services=services, city=("测试市", "Bench City"))
    server = TestServer(create_console(config))
    await server.start_server()
    found = []
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        base = f"http://127.0.0.1:{server.port}"
        text = await (await session.get(base + "/signin")).text()
        token = text.split('name="_csrf" value="')[1].split('"')[0]
        form = {"name": "bench", "password": PASSWORD, "_csrf": token}
        await session.post(base + "/signin", data=form)
        traffic = Traffic(services)
        for path in pages(services):
            size = 0
            started = time.perf_counter()
            for _ in range(40):
                # What is prepared in the background (the inbox's groups, suggestions) is there after a moment.
                body = await (await session.get(base + in_round(path, 0))).read()
                if b'role="status"' not in body:
                    break
                await asyncio.sleep(0.25)
            first_ms = (time.perf_counter() - started) * 1000
            times = []
            for number in range(1, rounds + 1):
                await asyncio.to_thread(traffic.go_on)
                started = time.perf_counter()
                async with session.get(base + in_round(path, number)) as response:
                    body = await response.read()
                    assert response.status == 200, f"{path}: {response.status}"
                times.append((time.perf_counter() - started) * 1000)
                size = len(body)
            p50, p95 = (float(np.percentile(times, share)) for share in (50, 95))
            found.append((path, first_ms, p50, p95, size // 1024))
            print(f"{path}: first {first_ms:.0f} ms, p50 {p50:.0f} ms, p95 {p95:.0f} ms", flush=True)
    await server.close()
    return found


def table(rows: Sequence[Row], conversations: int, articles: int, rounds: int, count: int) -> str:
    """Return the results as Markdown."""
    worst = max(row[3] for row in rows)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg()[:2])
    lines = [
        "# Pages of the staff console",
        "",
        f"`python -m benchmarks.console --write` on {platform.machine()}, {os.cpu_count()} cores (shared), SQLite, "
        f"{date.today()}: {conversations:,} conversations with {count:,} turns over {DAYS} days, {articles:,} articles, "
        f"{OPEN_QUESTIONS} open questions. Each page {rounds} times, one after the other, over HTTP on loopback; the "
        f"limit is {LIMIT_MS:.0f} ms at the 95th percentile. Before each page a citizen's turn is written, and `{{back}}` is another "
        "day in each round, so that no figures computed before can be shown.",
        "",
        "| page | first ms | p50 ms | p95 ms | kB |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| `{path}` | {first:.0f} | {p50:.0f} | {p95:.0f} | {size} |"
            for path, first, p50, p95, size in rows
        ),
        "",
        f"Slowest p95: {worst:.0f} ms ({'within' if worst <= LIMIT_MS else 'over'} the limit). Groups of the inbox and "
        "suggestions are computed in the background; the page shows the last result. `first` is the first view after "
        "the start, with the waiting for what is prepared: templates are compiled, and the days of the figures are read, "
        f"once. Other work ran on the same cores; load average over one and five minutes: {load}.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Fill the stores, measure, print or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=CONVERSATIONS)
    parser.add_argument("--articles", type=int, default=ARTICLES)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--folder", type=Path, help="keep the stores here for the next run")
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        services = make_services(folder, options.conversations, options.articles)
        assert services.traces is not None
        assert services.knowledge is not None
        count = TraceReader(services.traces.engine).newest()
        rows = asyncio.run(measure(services, folder, options.rounds))
        services.knowledge.close()
        services.traces.close()
    text = table(rows, options.conversations, options.articles, options.rounds, count)
    if options.write:
        RESULT.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
