import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from actions.opinion.errors import SourceError, UnknownAlarmError, WriterBusyError
from actions.opinion.model import RawPost
from actions.opinion.service import OpinionService
from actions.opinion.sources.base import Batch, PullSource
from actions.opinion.tables import alarms, posts, seen
from actions.opinion.topics import Placed, TopicBook
from actions.opinion.watch import pull
from city.db import reading
from tests.actions.opinion.conftest import NOW

GAS = [
    "解放路煤气味很重，谁报警了", "解放路楼道里一股煤气味，老人都不敢开灯", "路过解放路闻到煤气味，头晕",
    "煤气味越来越大，解放路快派人来查", "解放路这边煤气味呛人，孩子在咳嗽", "smell of gas on Jiefang Road, please hurry",
    "strong gas smell at Jiefang Road, kids are coughing", "解放路煤气泄漏了吗，怎么这么大气味",
]  # fmt: skip


def raw(number: int, text: str, minutes: float = 0, **values) -> RawPost:
    at = NOW - timedelta(minutes=minutes)
    return RawPost(
        values.pop("source", "web"), values.pop("id", f"p{number}"), text, at, f"author{number}", **values
    )


def count(service: OpinionService, table) -> int:
    with reading(service.engine) as session:
        return int(session.scalar(select(func.count()).select_from(table)))


def incident() -> list[RawPost]:
    return [raw(i, text, minutes=20 - 2 * i) for i, text in enumerate(GAS)]


def test_a_batch_delivered_twice_has_its_effect_once(make_service) -> None:
    service = make_service()
    with service.reader() as pipeline:
        first = pipeline.ingest(incident(), cursors={"web": {"n": 8}}, now=NOW)
        again = pipeline.ingest(incident(), cursors={"web": {"n": 8}}, now=NOW)
    assert (first.new, first.repeated, again.new, again.repeated) == (8, 0, 0, 8)
    assert count(service, posts) == count(service, seen) == 8
    assert service.store.cursor("web") == {"n": 8}
    start, end = service.period(1)
    assert service.queries.tally(start, end).posts == 8
    assert sum(n for _, n, _ in service.queries.trend("city", start, end + timedelta(hours=1))) == 8


def test_copies_and_reposts_fold_into_one_post(make_service) -> None:
    service = make_service()
    text = "滨河路的路灯坏了三天了没人修"
    batch = [raw(1, text), raw(2, f"转发微博 {text}！", reach=100), raw(3, text, source="news")]
    with service.reader() as pipeline:
        report = pipeline.ingest(batch, now=NOW)
        pipeline.ingest([raw(4, f"//@a: {text}")], now=NOW)
    assert (report.new, report.reposts) == (1, 2)
    (post,) = service.queries.posts()
    assert post.copies == 3 and count(service, seen) == 4


def test_an_incident_becomes_one_traceable_alarm(make_service) -> None:
    service = make_service()
    with service.reader() as pipeline:
        pipeline.ingest([raw(100 + i, f"今天天气不错 {i}", minutes=50) for i in range(5)], now=NOW)
        pipeline.ingest(incident(), now=NOW)
        service.draw(pipeline.opened)
    (alarm,) = service.queries.alarms()
    assert alarm.level >= 3 and alarm.model == "words-1" and alarm.owner["zh"] == "燃气公司"
    found = service.queries.posts(ids=alarm.evidence)
    assert found and all("gas" in p.text.lower() or "煤气" in p.text for p in found)
    assert all(p.factors and p.model == "words-1" for p in found)
    assert (service.data_dir / "charts" / alarm.chart).read_bytes()[:4] == b"\x89PNG"
    assert "燃气" in alarm.label["zh"] and "gas" in alarm.label["en"]


def test_cool_down_escalation_and_people(make_service, clock) -> None:
    service = make_service()
    with service.reader() as pipeline:
        pipeline.ingest(incident(), now=NOW)
        more = [raw(200 + i, f"{GAS[i % 8]}，都{i}号了", minutes=-1 - i / 10) for i in range(3)]
        pipeline.ingest(more, now=NOW + timedelta(minutes=5))
    (alarm,) = service.queries.alarms()
    assert service.acknowledge(alarm.id, "wang", "已派人").state == "acknowledged"
    moved = service.hand_over(alarm.id, "wang", "燃气公司抢修队")
    assert moved.state == "handed_over" and moved.owner["zh"] == "燃气公司抢修队"
    assert service.close_alarm(alarm.id, "li", "已修复").state == "closed"
    assert [d["deed"] for d in service.queries.deeds(alarm_id=alarm.id)] == [
        "acknowledged",
        "handed_over",
        "closed",
    ]
    with pytest.raises(UnknownAlarmError, match="no alarm 99"):
        service.acknowledge(99, "wang")


def test_a_muted_topic_keeps_its_posts_and_raises_nothing(make_service) -> None:
    service = make_service()
    with service.reader() as pipeline:
        pipeline.ingest(incident()[:2], now=NOW)
        (topic,) = {p.topic_id for p in service.queries.posts()}
        until = service.mute(topic, "wang", hours=2)
        assert until == NOW + timedelta(hours=2)
        report = pipeline.ingest(incident()[2:], now=NOW)
    assert report.new == 6 and service.queries.alarms() == []
    service.unmute(topic, "wang")
    assert service.queries.topic(topic).muted_until is None


def test_a_topic_keeps_its_number_over_days_and_starts(make_service) -> None:
    service = make_service()
    with service.reader() as pipeline:
        pipeline.ingest([raw(i, text, minutes=4 * 1440 + i) for i, text in enumerate(GAS[:4])], now=NOW)
    before = {p.topic_id for p in service.queries.posts()}
    with service.reader() as pipeline:
        pipeline.ingest([raw(50, "解放路又有煤气味了，没人管吗")], now=NOW)
    assert {p.topic_id for p in service.queries.posts()} == before and len(before) == 1


def test_refused_posts_are_counted_with_their_reason(make_service) -> None:
    service = make_service()
    bad = [raw(1, ""), raw(2, "好的内容在这里", source=""), RawPost("web", "3", "时间不对的帖子", "gestern")]
    with service.reader() as pipeline:
        report = pipeline.ingest([*bad, raw(4, "水管爆了！" * 400_000), raw(5, "😡😡")], now=NOW)
    assert report.rejected == {"empty": 1, "no_source": 1, "bad_time": 1} and report.new == 2
    assert {row["reason"] for row in service.queries.intake()["rejects"]} == set(report.rejected)
    emoji = next(p for p in service.queries.posts() if p.language == "und")
    assert emoji.severity == 0


def test_a_failure_in_the_middle_keeps_nothing_of_the_batch(make_service, monkeypatch) -> None:
    service = make_service()
    with service.reader() as pipeline:
        pipeline.ingest(incident()[:1], cursors={"web": {"n": 1}}, now=NOW)
        with monkeypatch.context() as patch:
            patch.setattr(service.store, "save_cursor", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                pipeline.ingest(incident(), cursors={"web": {"n": 8}}, now=NOW)
        assert count(service, posts) == 1 and service.store.cursor("web") == {"n": 1}
        assert pipeline.ingest(incident(), cursors={"web": {"n": 8}}, now=NOW).new == 7
    topics = {p.topic_id for p in service.queries.posts()}
    assert sum(service.queries.topic(t).posts for t in topics) == 8


def test_only_one_process_reads_posts_in(make_service) -> None:
    service = make_service()
    with service.reader(), pytest.raises(WriterBusyError), service.reader():
        pass


def test_old_data_is_pruned_and_alarms_stay(make_service, clock) -> None:
    service = make_service(keep_days=30)
    with service.reader() as pipeline:
        pipeline.ingest(incident(), now=NOW)
    clock.now = NOW + timedelta(days=31)
    assert service.prune() == 8 and count(service, posts) == count(service, seen) == 0
    assert count(service, alarms) == 1


KILLED = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from zoneinfo import ZoneInfo
    from actions.opinion.judging import Judge
    from actions.opinion.lexicon import load_lexicon
    from actions.opinion.service import OpinionService
    from actions.opinion.settings import OpinionSection
    from actions.opinion.sources.files import FileSource
    from actions.opinion.watch import pull
    from actions.opinion.words import WordCutter
    from nlp.encoder import BASE_DIR, Encoder
    from tests.actions.opinion.conftest import WordReader

    data, file = Path(sys.argv[1]), Path(sys.argv[2])
    judge = Judge(WordReader(Encoder.load(BASE_DIR, max_tokens=32)), load_lexicon(), None, WordCutter(None, data))
    service = OpinionService(OpinionSection(batch=8), Path, ZoneInfo("UTC"), data, make_judge=lambda: judge)
    with service.reader() as pipeline:
        print("ready", flush=True)
        print(pull(service, pipeline, FileSource("file", file, 8)).new, flush=True)
    """
)


def test_kill_in_the_middle_loses_and_doubles_nothing(tmp_path: Path) -> None:
    file, data = tmp_path / "posts.jsonl", tmp_path / "var"
    data.mkdir()
    lines = [
        f'{{"id": {i}, "text": "{GAS[i % 8]} 第{i}户", "at": "2026-03-18T0{i % 8}:10:00Z"}}'
        for i in range(240)
    ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-c", KILLED, str(data), str(file)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    deadline = time.monotonic() + 20
    engine = None
    while time.monotonic() < deadline:
        engine = engine or _engine(data)
        with reading(engine) as session:
            if 0 < int(session.scalar(select(func.count()).select_from(posts)) or 0) < 240:
                break
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert engine is not None
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    with reading(engine) as session:
        total = int(session.scalar(select(func.count()).select_from(posts)) or 0)
        external = int(session.scalar(select(func.count(func.distinct(posts.c.external_id)))) or 0)
    assert total == external == 240
    assert 0 < int(done.stdout.split()[-1]) < 240
    engine.dispose()


def _engine(data: Path):
    from city.db import make_engine

    return make_engine(f"sqlite:///{data / 'opinion.db'}")


class Breaking(PullSource):
    """Yields batches, then breaks."""

    name = "breaking"

    def __init__(self, batches: list[list[RawPost]]) -> None:
        self._batches = batches

    def read(self, position: Mapping[str, Any]) -> Iterator[Batch]:
        for number, batch in enumerate(self._batches):
            yield Batch(batch, {"n": number + 1})
        raise SourceError("坏了", "broken")


def test_batches_judged_ahead_are_kept_in_order_and_counted_once(make_service) -> None:
    service = make_service()
    text = "滨河路的路灯坏了三天了没人修"
    batches = [
        [raw(1, text), raw(2, "解放路煤气味很重")],
        [raw(1, text), raw(3, text, source="news"), raw(4, "今天天气不错")],
        [raw(5, f"转发微博 {text}"), raw(2, "解放路煤气味很重")],
    ]
    with service.reader() as pipeline, pytest.raises(SourceError, match="broken"):
        pull(service, pipeline, Breaking(batches))
    assert service.store.cursor("breaking") == {"n": 3}
    found = {p.text: p.copies for p in service.queries.posts()}
    assert found == {text: 2, "解放路煤气味很重": 0, "今天天气不错": 0}
    assert count(service, seen) == 5


def test_a_batch_finds_the_same_topics_as_its_posts_alone() -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(12, 16))
    vectors = centres[rng.integers(0, 12, 200)] + 0.15 * rng.normal(size=(200, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    alone, together = (TopicBook([], 1, 0.6, 8, 30) for _ in range(2))
    numbers: tuple[list[int], list[int]] = ([], [])
    for start in range(0, 200, 25):
        part = vectors[start : start + 25]
        together.expect(part)
        for row, vector in enumerate(part):
            numbers[0].append(alone.place(vector, NOW, Placed(), ["word"], "en").id)
            numbers[1].append(together.place(vector, NOW, Placed(), ["word"], "en", row).id)
    assert numbers[0] == numbers[1] and len(together.topics) == 8 and together.asleep == alone.asleep
