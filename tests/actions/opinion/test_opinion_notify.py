import http.server
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from actions.opinion.errors import TargetError
from actions.opinion.notify import Notifier
from actions.opinion.settings import TargetSection
from actions.opinion.tables import notifications
from city.db import reading, writing
from tests.actions.opinion.conftest import NOW
from tests.actions.opinion.test_opinion_pipeline import incident

DUTY = {"name": "duty", "url_env": "TEST_DUTY", "min_level": 2}
BOSS = {"name": "boss", "url_env": "TEST_BOSS", "min_level": 3, "escalation": True, "language": "en"}
OTHER = {"name": "parks", "url_env": "TEST_PARKS", "min_level": 0, "departments": ["parks"]}


@pytest.fixture(autouse=True)
def _targets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TEST_DUTY", "TEST_BOSS", "TEST_PARKS"):
        monkeypatch.setenv(name, "json://127.0.0.1:9/x")


def raised(make_service, send, **section):
    service = make_service(send=send, **section)
    with service.reader() as pipeline:
        pipeline.ingest(incident(), now=NOW)
    return service


def states(service) -> dict[str, int]:
    with reading(service.engine) as session:
        rows = session.execute(select(notifications.c.state, func.count()).group_by(notifications.c.state))
        return {row[0]: int(row[1]) for row in rows}


def test_who_is_told_and_what(make_service) -> None:
    sent: list[tuple[str, str, str]] = []
    service = raised(make_service, lambda *m: not sent.append(m), targets=[DUTY, BOSS, OTHER])
    service.tick()
    service.tick()
    assert len(sent) == 1
    _, title, body = sent[0]
    assert title.startswith("[严重]") and "燃气公司" in body and "煤气" in body and "人工核实" in body


def test_nobody_acknowledged_so_the_next_is_told_once(make_service, clock) -> None:
    sent: list[tuple[str, str, str]] = []
    service = raised(make_service, lambda *m: not sent.append(m), targets=[DUTY, BOSS])
    service.tick()
    clock.now = NOW + timedelta(minutes=45)
    assert service.tick()["overdue"] == 1
    assert service.tick()["overdue"] == 0
    titles = [title for _, title, _ in sent]
    assert len(titles) == 3 and any("escalated" in t for t in titles) and any("升级" in t for t in titles)


def test_a_dead_target_is_retried_and_given_up_without_stopping_others(make_service, clock) -> None:
    sent: list[str] = []

    def send(url: str, title: str, body: str) -> bool:
        if "9/x" in url:
            raise OSError("connection refused")
        return not sent.append(title)

    service = raised(make_service, send, targets=[DUTY, {**DUTY, "name": "second", "url_env": "TEST_SECOND"}])
    pytest.MonkeyPatch().setenv("TEST_SECOND", "json://127.0.0.1:8/y")
    for _ in range(12):
        service.notifier.deliver(clock.now)
        clock.now += timedelta(hours=9)
    assert states(service) == {"sent": 1, "dead": 1} and len(sent) == 1


def test_a_process_that_died_while_sending_does_not_send_twice(make_service) -> None:
    sent: list[tuple[str, str, str]] = []
    service = raised(make_service, lambda *m: not sent.append(m), targets=[DUTY])
    with writing(service.engine) as session:  # claimed, then killed
        session.execute(
            update(notifications).values(
                state="sending", next_at=(NOW + timedelta(minutes=10)).replace(tzinfo=None)
            )
        )
    assert service.notifier.deliver(NOW)["sent"] == 0 and states(service) == {"sending": 1}
    assert service.notifier.deliver(NOW + timedelta(minutes=11))["unknown"] == 1
    assert sent == [] and states(service) == {"unknown": 1}


def test_two_senders_share_the_work(make_service) -> None:
    sent: list[str] = []
    gate = threading.Barrier(2)
    service = raised(make_service, None, targets=[DUTY])
    section = [TargetSection(**DUTY)]

    def work() -> None:
        gate.wait()
        Notifier(service.engine, section, lambda u, t, b: not sent.append(t)).deliver(NOW)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 1


def test_alarms_about_the_past_tell_nobody(make_service, clock) -> None:
    service = make_service(targets=[DUTY])
    clock.now = NOW + timedelta(days=3)
    with service.reader() as pipeline:
        pipeline.ingest(incident(), now=clock.now)
    assert len(service.queries.alarms()) == 1 and states(service) == {}


def test_digests_are_queued_once_a_day_and_week(make_service, clock) -> None:
    sent: list[str] = []
    target = {**DUTY, "digests": ["daily", "weekly"], "min_level": 4}
    service = make_service(send=lambda u, t, b: not sent.append(t), targets=[target])
    clock.now = NOW.replace(day=16, hour=1)  # Monday, nine o'clock in the city
    service.tick()
    service.tick()
    assert sorted(t.split()[0] for t in sent) == ["舆情周报", "舆情日报"]
    clock.now = NOW.replace(day=16, hour=20)  # Tuesday, four in the morning
    assert service.tick()["digests"] == 0


def test_a_missing_address_is_named_and_never_shown(monkeypatch: pytest.MonkeyPatch, make_service) -> None:
    service = make_service(targets=[DUTY])
    monkeypatch.delenv("TEST_DUTY")
    with pytest.raises(TargetError, match="TEST_DUTY is not set"):
        service.notifier.check()
    monkeypatch.setenv("TEST_DUTY", "nonsense-secret")
    with pytest.raises(TargetError, match="no URL that apprise knows") as caught:
        service.notifier.check()
    assert "nonsense-secret" not in str(caught.value)


@pytest.fixture
def receiver() -> Iterator[tuple[int, list[bytes]]]:
    got: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(503 if len(got) == 1 else 200)
            self.end_headers()

        def log_message(self, *_) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port, got
    server.shutdown()
    server.server_close()


def test_apprise_delivers_to_a_real_receiver_after_a_refusal(make_service, receiver, monkeypatch) -> None:
    port, got = receiver
    monkeypatch.setenv("TEST_DUTY", f"json://127.0.0.1:{port}/hook")
    service = raised(make_service, None, targets=[DUTY])
    assert service.notifier.deliver(NOW)["retry"] == 1
    assert service.notifier.deliver(NOW + timedelta(minutes=1))["sent"] == 1
    assert (len(got) == 2 and "燃气".encode() in got[1]) or rb"\u71c3\u6c14" in got[1]
