"""The retention period of the settings page, and of city.yml before anybody set one, really deletes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from channels.gateway import create_app
from channels.keeping import MessageKeeper
from channels.tables import messages
from channels.traces import TraceRecorder, TraceStore
from channels.traces.reading import TraceReader
from channels.web.keys import DISPATCHER, STORE
from chengda.compose import retention_of
from city.live import LiveSettings
from city.settings import load_settings
from tests.channels.test_intake import Dove, note, post
from tests.channels.traces.test_traces import make_turn

CITY = """
city: {id: testcity, name: {zh: 测试市, en: Test City}, time_zone: Asia/Shanghai}
emergency: [{number: "110", zh: 报警, en: Police}]
contact: {number: "12345", zh: 热线, en: Hotline}
knowledge: {articles: articles}
traces: {keep_days: 20, totals_days: 40}
"""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveSettings]:
    """Run-time settings."""
    made = LiveSettings(f"sqlite:///{tmp_path / 'live.db'}")
    yield made
    made.close()


@pytest.fixture
def periods(tmp_path: Path, live: LiveSettings) -> Any:
    """What `chengda run` hands to the recorder and the gateway."""
    (tmp_path / "city.yml").write_text(CITY, "utf-8")
    return retention_of(load_settings(tmp_path / "city.yml"), live)


def test_traces_go_by_the_settings_page_before_city_yml(
    tmp_path: Path, live: LiveSettings, periods: Any
) -> None:
    store = TraceStore(f"sqlite:///{tmp_path / 'traces.db'}")
    recorder = TraceRecorder(store, timezone.utc, retention=periods)
    now = datetime.now(timezone.utc)
    from channels.traces.digest import digest

    for back in (5, 15, 25, 60):
        store.write([digest(*make_turn(conversation=f"c{back}"), timezone.utc, now - timedelta(days=back))])
    reader = TraceReader(store.engine)

    def left() -> list[int]:
        return [back for back in (5, 15, 25, 60) if reader.conversation(f"c{back}")]

    assert recorder.purge() == 2
    assert left() == [5, 15]
    live.set("retention", {"keep_days": 10, "totals_days": 10}, "wang")
    assert recorder.purge() == 1
    assert left() == [5]
    live.set("retention", {"keep_days": 100, "totals_days": 100}, "wang")
    assert recorder.purge() == 0
    recorder.close()
    store.close()


async def test_messages_and_the_dialogue_s_memory_go_too_and_people_stay_known(
    aiohttp_client: Any, brain: Any, make_config: Any, live: LiveSettings, periods: Any, eventually: Any
) -> None:
    dove = Dove()
    config = make_config(channels=(dove,), keep_days=lambda: periods().keep_days)
    app = create_app(brain, config)
    client = await aiohttp_client(app)
    for sender, number in (("ann", 1), ("ann", 2), ("ben", 1)):
        await post(client, note(sender, number))
        await eventually(lambda number=number, sender=sender: str(number) in dove.texts(sender))
    store, dispatcher = app[STORE], app[DISPATCHER]
    ann, ben = await store.for_sender("dove", "ann"), await store.for_sender("dove", "ben")
    history = await store.history(ann)
    assert await store.rate(ann, history[0].message_id, "down", "no")
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    first = update(messages).where(messages.c.message_id == history[0].message_id)
    await store.in_transaction(lambda c: c.execute(first.values(created_at=now - timedelta(days=15))))
    keeper = MessageKeeper(store, dispatcher, config.keep_days)
    assert await keeper.purge() == 0
    live.set("retention", {"keep_days": 10, "totals_days": 10}, "wang")
    assert await keeper.purge() == 1
    assert [message.text for message in await store.history(ann)] == ["2"]
    assert brain.forgotten == []
    assert await keeper.purge(now + timedelta(days=11)) == 2
    assert sorted(brain.forgotten) == sorted([ann, ben])
    assert await store.for_sender("dove", "ann") == ann
    assert await MessageKeeper(store, dispatcher, lambda: None).purge(now + timedelta(days=999)) == 0
