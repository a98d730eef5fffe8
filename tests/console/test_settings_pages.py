"""Settings in the console: each holds at once, each is logged, and nobody below the role reaches it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from channels.switches import SqlSwitches
from channels.tables import metadata
from city.live import LiveSettings
from console.forms import Form
from console.services import Services
from console.settings.hours import read_hours, table_of
from tests.console.conftest import Console
from tests.knowledge.conftest import make_settings

STORM = {"notice_zh": "台风红色预警", "notice_en": "Typhoon red alert", "urgent": "1"}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveSettings]:
    """Run-time settings."""
    live = LiveSettings(f"sqlite:///{tmp_path / 'live.db'}")
    yield live
    live.close()


@pytest.fixture
def switches(tmp_path: Path) -> SqlSwitches:
    """Channel switches."""
    engine = create_engine(f"sqlite:///{tmp_path / 'chat.db'}", future=True)
    metadata.create_all(engine)
    return SqlSwitches(engine)


@pytest.fixture
def services(live: LiveSettings, switches: SqlSwitches, tmp_path: Path) -> Services:
    """The console's services for settings."""
    return Services(
        settings=make_settings(tmp_path), live=live, switches=switches, channels=("web", "telegram", "phone")
    )


async def test_a_publisher_sets_and_removes_the_notice(console: Console, live: LiveSettings) -> None:
    await console.sign_in("publisher")
    page = await console.submit("/settings/notice", STORM)
    assert "The notice is published" in page
    first = live.get("notice")
    assert first == {
        "id": first["id"],
        "zh": "台风红色预警",
        "en": "Typhoon red alert",
        "urgent": True,
        "until": "",
    }
    await console.submit("/settings/notice", {**STORM, "until": "2099-01-01T00:00"})
    assert live.get("notice")["id"] == first["id"]
    await console.submit("/settings/notice", {**STORM, "notice_en": "Typhoon red alert in the north"})
    assert live.get("notice")["id"] != first["id"]
    await console.submit("/settings/notice", {"do": "remove"})
    assert not live.get("notice")
    await console.submit("/settings/notice", STORM)
    assert live.get("notice")["id"] != first["id"]
    await console.submit("/settings/notice", {"do": "remove"})
    entries = console.audit.entries(action="settings.notice")
    assert entries[0].before["en"] == "Typhoon red alert"
    assert entries[1].after["zh"] == "台风红色预警"
    assert len(entries) == 6


async def test_a_notice_needs_both_languages_and_a_moment_to_come(
    console: Console, live: LiveSettings
) -> None:
    await console.sign_in("publisher")
    for wrong, told in (
        ({"notice_en": ""}, "both languages"),
        ({"until": "2020-01-01T00:00"}, "has passed"),
        ({"until": "soon"}, "Write it as"),
        ({"notice_zh": "长" * 501}, "At most 500"),
    ):
        response = await console.post("/settings/notice", {**STORM, **wrong})
        page = await response.text()
        assert response.status == 422
        assert told in page
        assert "Typhoon red alert" in page or "notice_en" in wrong
    assert live.get("notice") is None


async def test_markup_in_a_notice_is_text(console: Console) -> None:
    await console.sign_in("publisher")
    page = await console.submit("/settings/notice", {**STORM, "notice_en": "<script>alert(1)</script>"})
    assert "<script>alert" not in page


async def test_channels_are_switched_and_logged(console: Console, switches: SqlSwitches) -> None:
    await console.sign_in("admin")
    page = await console.submit("/settings/channels/telegram", {"to": "off"})
    assert "Channel telegram: Off" in page
    assert "Telephone" in page
    assert not switches.enabled("telegram")
    await console.submit("/settings/channels/telegram", {"to": "on"})
    assert switches.enabled("telegram")
    assert (await console.post("/settings/channels/none", {"to": "off"})).status == 404
    assert (await console.post("/settings/channels/web", {"to": "maybe"})).status == 400


async def test_retention_holds_at_once(console: Console, live: LiveSettings) -> None:
    await console.sign_in("admin")
    await console.submit("/settings/retention", {"keep_days": "30", "totals_days": "365"})
    assert live.get("retention") == {"keep_days": 30, "totals_days": 365}
    for wrong in ("0", "-1", "9999999", "x", "1e3"):
        response = await console.post("/settings/retention", {"keep_days": wrong, "totals_days": "365"})
        assert response.status == 422
    assert console.audit.entries(action="settings.retention")[0].before == {
        "keep_days": 90,
        "totals_days": 730,
    }


async def test_hours_are_saved_as_the_desk_reads_them(console: Console, live: LiveSettings) -> None:
    from actions.handover.settings import WindowSection

    await console.sign_in("admin")
    data = {"mon_from_1": "08:30", "mon_to_1": "12:00", "mon_from_2": "13:00", "mon_to_2": "24:00"}
    await console.submit("/settings/hours", data)
    windows = live.get("hours")
    assert [WindowSection.parse_obj(window).begin for window in windows] == ["08:30", "13:00"]
    assert table_of(windows) == data


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"mon_from_1": "8:30", "mon_to_1": "12:00"},
        {"mon_from_1": "08:30"},
        {"mon_from_1": "12:00", "mon_to_1": "08:00"},
        {"mon_from_1": "08:00", "mon_to_1": "12:00", "mon_from_2": "11:00", "mon_to_2": "13:00"},
        {"mon_from_1": "24:00", "mon_to_1": "24:00"},
    ],
)
def test_hours_that_are_none_are_told(data: dict[str, str]) -> None:
    form = Form(data)
    read_hours(form)
    assert form.errors


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("viewer", "/settings/notice"),
        ("editor", "/settings/notice"),
        ("publisher", "/settings/hours"),
        ("operator", "/settings/retention"),
        ("operator", "/settings/channels/web"),
    ],
)
async def test_nobody_below_the_role_changes_settings(
    console: Console, live: LiveSettings, role: str, path: str
) -> None:
    await console.sign_in(role)
    data = {
        **STORM,
        "to": "off",
        "keep_days": "1",
        "totals_days": "1",
        "mon_from_1": "08:00",
        "mon_to_1": "09:00",
    }
    assert (await console.post(path, data)).status == 403
    assert [live.get(key) for key in ("notice", "hours", "retention")] == [None] * 3
