"""Run-time settings: seen at once here, soon elsewhere, and told to who listens."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from city.live import LiveSettings


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The database."""
    return f"sqlite:///{tmp_path / 'live.db'}"


def test_a_value_is_seen_at_once_and_the_old_one_returned(url: str) -> None:
    live = LiveSettings(url)
    assert live.get("notice") is None
    assert live.set("notice", {"zh": "停水"}, "wang") is None
    assert live.set("notice", {}, "li") == {"zh": "停水"}
    assert live.get("notice") == {}
    read = live.read("notice")
    assert read is not None
    assert (read.version, read.changed_by) == (2, "li")
    live.close()


def test_values_outlive_the_process(url: str) -> None:
    first = LiveSettings(url)
    first.set("retention", {"keep_days": 7}, "wang")
    first.close()
    assert LiveSettings(url).get("retention") == {"keep_days": 7}


def test_another_process_notices_and_tells_its_listeners(url: str) -> None:
    here, there = LiveSettings(url), LiveSettings(url)
    noticed = threading.Event()
    there.listen(lambda key: noticed.set() if key == "hours" else None)
    there.follow()
    here.set("hours", [1], "wang")
    assert noticed.wait(5)
    assert there.get("hours") == [1]
    there.close()
    here.close()


def test_a_failing_listener_stops_nobody(url: str) -> None:
    live, told = LiveSettings(url), []

    def broken(key: str) -> None:
        raise RuntimeError(key)

    live.listen(broken)
    live.listen(told.append)
    live.set("a", 1, "wang")
    live.unlisten(told.append)
    assert told == ["a"]
