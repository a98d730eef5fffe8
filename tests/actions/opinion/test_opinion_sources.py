# Feed texts run long.
# ruff: noqa: E501
import asyncio
import http.server
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from actions.opinion.errors import SourceError
from actions.opinion.settings import SourceSection
from actions.opinion.sources.base import to_raw
from actions.opinion.sources.feeds import FeedSource, parse_feed
from actions.opinion.sources.files import FileSource
from actions.opinion.sources.http import fetch
from actions.opinion.sources.kafka import KafkaSource
from actions.opinion.sources.mastodon import MastodonSource
from actions.opinion.sources.opening import open_source
from actions.opinion.sources.rabbitmq import RabbitSource, message_post
from actions.opinion.sources.webhook import SIGNATURE, InboxSource, make_app, sign
from actions.opinion.watch import Watch, pull
from tests.actions.opinion.conftest import NOW

RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>
<item><guid>b</guid><title>停水通知</title><description>&lt;p&gt;滨河区停水&lt;/p&gt;</description><pubDate>Wed, 18 Mar 2026 04:05:06 GMT</pubDate></item>
<item><guid>a</guid><title>Bus late again</title><author>x@y.example</author></item></channel></rss>"""


def test_a_file_is_read_on_where_it_was_left(make_service, tmp_path: Path) -> None:
    service = make_service()
    file = tmp_path / "posts.csv"
    file.write_text(
        '编号,正文,发布时间\n1,"路灯坏了，\n没人修",2026-03-18 10:00\n2,停水两天了没人管,2026-03-18 11:00\n',
        "utf-8",
    )
    with service.reader() as pipeline:
        assert pull(service, pipeline, FileSource("f", file)).new == 2
        assert pull(service, pipeline, FileSource("f", file)).read == 0
        with file.open("a", encoding="utf-8") as stream:
            stream.write("3,公交晚点半小时,2026-03-18 11:30\n")
        assert pull(service, pipeline, FileSource("f", file)).new == 1
        file.write_text("id,text\n9,全新的一份文件里的帖子\n", "utf-8")
        assert pull(service, pipeline, FileSource("f", file)).new == 1


def test_broken_lines_are_counted_and_an_unfinished_one_waits(make_service, tmp_path: Path) -> None:
    service = make_service()
    folder = tmp_path / "in"
    folder.mkdir()
    file = folder / "a.jsonl"
    file.write_text('{"id":1,"text":"路灯坏了没人修"}\nnot json\n{"id":2,"text":"只写了一', "utf-8")
    with service.reader() as pipeline:
        first = pull(service, pipeline, FileSource("f", folder))
        assert (first.new, first.rejected) == (1, {"empty": 1})
        with file.open("a", encoding="utf-8") as stream:
            stream.write('半"}\n')
        assert pull(service, pipeline, FileSource("f", folder)).new == 1


def test_wrong_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        list(FileSource("f", tmp_path / "none").read({}))
    (tmp_path / "gbk.csv").write_bytes("id,text\n1,路灯坏了\n".encode("gbk"))
    with pytest.raises(SourceError, match="not UTF-8"):
        list(FileSource("f", tmp_path / "gbk.csv").read({}))


def test_feeds_rss_atom_broken_and_bombs() -> None:
    second, first = parse_feed(RSS.encode(), "news")[::-1]
    assert second.external_id == "b" and "滨河区停水" in second.text and first.external_id == "a"
    atom = '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><title>x y</title><updated>2026-03-18T01:00:00Z</updated></entry></feed>'
    assert parse_feed(atom.encode(), "news")[0].at == "2026-03-18T01:00:00Z"
    assert len(parse_feed(RSS[: RSS.index("<item><guid>a")].encode(), "news")) == 1
    with pytest.raises(SourceError, match="no readable RSS"):
        parse_feed(b"<html><body>404", "news")
    with pytest.raises(SourceError, match="entity definitions"):
        parse_feed(b'<!DOCTYPE a [<!ENTITY b "c">]><rss/>', "news")


@pytest.fixture
def web_server() -> Iterator[Callable[[Callable], str]]:
    servers = []

    def serve(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *_) -> None:
                return

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def respond(handler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def test_a_feed_that_repeats_everything_counts_once(make_service, web_server) -> None:
    service = make_service()
    url = web_server(lambda h: respond(h, RSS.encode()))
    with service.reader() as pipeline:
        assert pull(service, pipeline, FeedSource("news", url)).new == 2
        again = pull(service, pipeline, FeedSource("news", url))
    assert (again.read, again.new, again.repeated) == (2, 0, 2)


def test_an_unchanged_feed_is_not_read_again(make_service, web_server) -> None:
    asked = []

    def answer(handler) -> None:
        asked.append(handler.headers.get("If-None-Match"))
        respond(handler, b"", 304) if asked[-1] else respond(handler, RSS.encode(), ETag='"v1"')

    service = make_service()
    url = web_server(answer)
    with service.reader() as pipeline:
        pull(service, pipeline, FeedSource("news", url))
        assert pull(service, pipeline, FeedSource("news", url)).read == 0
    assert asked == [None, '"v1"']


def test_an_endless_answer_ends(web_server) -> None:
    def answer(handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            return

    found = fetch(web_server(answer), 5, most_bytes=1 << 20)
    assert found.cut and len(found.body) == 1 << 20


def test_dead_and_refusing_addresses_are_named(web_server) -> None:
    with pytest.raises(SourceError, match="HTTP 503"):
        fetch(web_server(lambda h: respond(h, b"", 503)), 2)
    with pytest.raises(SourceError, match="cannot be reached"):
        fetch("http://127.0.0.1:9/x", 1)
    with pytest.raises(SourceError, match="no HTTP address"):
        fetch("file:///etc/passwd", 1)


def test_mastodon_is_read_forward(web_server) -> None:
    statuses = [
        {"id": str(i), "content": f"<p>post {i}</p>", "account": {"acct": "a", "followers_count": 7}}
        for i in range(1, 61)
    ]

    def answer(handler) -> None:
        after = int(handler.path.partition("min_id=")[2].partition("&")[0] or 0)
        page = [s for s in statuses if int(s["id"]) > after][:40]
        respond(handler, json.dumps(page[::-1]).encode())

    source = MastodonSource("m", web_server(answer), "#lanchuan")
    batches = list(source.read({}))
    assert [len(b.posts) for b in batches] == [40, 20] and batches[-1].position == {"last_id": "60"}
    assert batches[0].posts[0].reach == 7 and list(source.read({"last_id": "60"})) == []
    with pytest.raises(SourceError, match="no Mastodon timeline"):
        list(MastodonSource("m", web_server(lambda h: respond(h, b"<html>")), "x").read({}))


async def test_the_webhook_takes_signed_items_only(make_service, monkeypatch: pytest.MonkeyPatch) -> None:
    service = make_service()
    monkeypatch.setenv("HOOK_KEY", "s3cret")
    async with TestClient(TestServer(make_app(service.engine, {"hook": "HOOK_KEY", "bare": ""}))) as client:
        body = json.dumps([{"id": 1, "text": "路灯坏了没人修"}, {"id": 2, "text": "停水两天了"}]).encode()
        good = {SIGNATURE: sign("s3cret", body)}
        assert (await client.post("/opinion/hook", data=body, headers=good)).status == 202
        assert (await client.post("/opinion/hook", data=body, headers={SIGNATURE: "sha256=0"})).status == 401
        assert (await client.post("/opinion/none", data=body, headers=good)).status == 404
        assert (await client.post("/opinion/bare", data=body, headers=good)).status == 503
        wrong = b"[1]"
        refused = await client.post("/opinion/hook", data=wrong, headers={SIGNATURE: sign("s3cret", wrong)})
        assert refused.status == 400 and (await refused.json())["type"].endswith("bad-item")
    with service.reader() as pipeline:
        assert pull(service, pipeline, InboxSource("hook", service.engine)).new == 2


class Broker:
    """The consumer interface of a Kafka client over one partition: what was not committed is delivered again."""

    def __init__(self, bodies: list[bytes]) -> None:
        self.bodies, self.committed, self.at = bodies, 0, 0

    def __call__(self, config: dict) -> "Broker":
        assert config["enable.auto.commit"] is False
        self.at = self.committed
        return self

    def subscribe(self, topics: list[str]) -> None:
        self.topics = topics

    def consume(self, most: int, timeout: float) -> list:
        found = [Record(body, at) for at, body in enumerate(self.bodies)][self.at : self.at + most]
        self.at += len(found)
        return found

    def commit(self, asynchronous: bool) -> None:
        self.committed = self.at

    def close(self) -> None:
        return


class Record:
    def __init__(self, body: bytes, at: int) -> None:
        self._body, self._at = body, at

    def error(self) -> None:
        return None

    def value(self) -> bytes:
        return self._body

    def topic(self) -> str:
        return "posts"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._at


async def test_kafka_commits_after_keeping_and_a_replay_counts_once(
    make_service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA", "127.0.0.1:9092")
    service = make_service()
    broker = Broker([json.dumps({"text": f"第{i}条：路灯坏了没人修"}).encode() for i in range(10)])
    source = KafkaSource("k", "posts", "g", "KAFKA", batch=4, make=broker)
    with service.reader() as pipeline:
        calls = []

        def failing(posts) -> None:
            pipeline.ingest(posts, now=NOW)
            calls.append(len(posts))
            if len(calls) == 2:  # kept, but the process dies before it can commit
                raise RuntimeError("killed")

        with pytest.raises(RuntimeError):
            await source.run(failing, lambda: False)
        assert broker.committed == 4
        await source.run(lambda posts: pipeline.ingest(posts, now=NOW), lambda: broker.committed == 10)
    start, end = service.period(1)
    assert service.queries.tally(start, end + (end - start)).posts == 10


def test_messages_without_an_id_are_known_by_their_body() -> None:
    one, two = message_post(b'{"text": "x"}', "", "q"), message_post(b'{"text": "x"}', "", "q")
    assert one.external_id == two.external_id and message_post(b"plain", "", "q").text == "plain"
    assert message_post(b"\xff\xfe", "", "q").text
    assert to_raw({"user": {"id": 5}, "内容": "x", "粉丝数": "1,200"}, "q").reach == 1200


async def test_rabbitmq_delivers_again_what_was_not_kept(make_service) -> None:
    url = os.environ.get("CHENGDA_TEST_RABBITMQ", "")
    if not url:
        pytest.skip("set CHENGDA_TEST_RABBITMQ to an amqp:// URL of a throw-away broker")
    import aio_pika

    queue = f"chengda-opinion-test-{os.getpid()}"
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        await channel.declare_queue(queue, durable=True)
        for i in range(10):
            body = json.dumps({"id": i, "text": f"第{i}条：路灯坏了没人修"}).encode()
            await channel.default_exchange.publish(aio_pika.Message(body), queue)
        service = make_service()
        source = RabbitSource("r", queue, "CHENGDA_TEST_RABBITMQ", batch=4)
        failed = []
        with service.reader() as pipeline:

            def keep(posts) -> None:
                pipeline.ingest(posts, now=NOW)
                if not failed:
                    failed.append(True)
                    raise ConnectionError("lost after keeping")

            def done() -> bool:
                start, end = service.period(1)
                return service.queries.tally(start, end + (end - start)).posts >= 10

            await asyncio.wait_for(source.run(keep, done), 40)
        state = await channel.declare_queue(queue, durable=True)
        assert state.declaration_result.message_count == 0
        await state.delete(if_unused=False, if_empty=False)
    start, end = service.period(1)
    assert service.queries.tally(start, end + (end - start)).posts == 10


def test_source_entries_say_what_they_lack(make_service) -> None:
    service = make_service()
    for kind, key in (
        ("rss", "url"),
        ("mastodon", "url"),
        ("kafka", "queue"),
        ("file", "path"),
        ("webhook", "secret_env"),
    ):
        with pytest.raises(SourceError, match=key):
            open_source(SourceSection(name="x", kind=kind), service.section, service.engine, Path)


async def test_a_watch_goes_on_beside_a_broken_source(make_service, tmp_path: Path, web_server) -> None:
    file = tmp_path / "posts.jsonl"
    file.write_text('{"id":1,"text":"路灯坏了没人修"}\n', "utf-8")
    dead = web_server(lambda h: respond(h, b"", 500))
    sources = [
        {"name": "dead", "kind": "rss", "url": dead, "every_s": 5},
        {"name": "file", "kind": "file", "path": str(file), "every_s": 5},
    ]
    service = make_service(sources=sources)
    watch = Watch(service, lambda name, report: watch.stop() if name == "file" else None)
    await asyncio.wait_for(watch.run(), 30)
    assert [p.text for p in service.queries.posts()] == ["路灯坏了没人修"]
