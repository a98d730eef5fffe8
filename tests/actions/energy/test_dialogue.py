from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from actions import energy
from actions.energy import errors
from actions.energy.actions import (
    ActionEnergyBattery,
    ActionEnergyFollowUp,
    ActionEnergyForecast,
    ActionEnergySaving,
    ActionEnergyUsage,
    ActionEnergyWhy,
    ActionOutage,
)
from actions.energy.answers import Outcome, Query, answer, handle_follow_up
from actions.energy.outages import read_outages, upcoming
from actions.energy.service import EnergyService
from actions.energy.settings import EnergySection
from actions.energy.site import load_site
from city.settings import load_settings

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 3, 18, 10, 5, tzinfo=ZONE)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> EnergyService:
    settings = load_settings()
    site = load_site(settings.path(EnergySection().site), "Asia/Shanghai")
    return EnergyService(site, EnergySection(), tmp_path_factory.mktemp("data"), lambda: NOW)


def ask(
    service: EnergyService, text: str, topic: str, state=None, role: str = "viewer", entities=()
) -> Outcome:
    language = "en" if text.isascii() else "zh"
    outcome = answer(service, Query(text, language, role, topic, entities, state))
    assert all(reply.source == "energy" and reply.text for reply in outcome.replies)
    return outcome


def test_a_conversation_carries_building_and_period_on(service: EnergyService) -> None:
    first = ask(service, "上周市政厅用电怎么样?", "usage")
    text = first.replies[0].text
    assert (
        "市政厅上周（3月9日–3月15日）" in text and "kWh" in text and "来源：" in text and "数据截至" in text
    )
    image = first.replies[0].image
    assert (
        image
        and image.startswith("/charts/")
        and (service.data_dir / image[1:]).read_bytes()[:4] == b"\x89PNG"
    )
    second = ask(service, "为什么周二这么高?", "why", first.state)
    assert "3月10日" in second.replies[0].text and "异常偏高" in second.replies[0].text
    third = ask(service, "预测明天的负荷", "forecast", second.state)
    assert "市政厅明天（3月19日）预测" in third.replies[0].text and "WAPE" in third.replies[0].text
    fourth = ask(service, "电池怎么排最省钱?", "battery", third.state)
    assert "充电" in fourth.replies[0].text and "省 ¥" in fourth.replies[0].text
    fifth = handle_follow_up(service, Query("那图书馆呢？", "zh", "viewer", "", (), second.state))
    assert fifth.state["building"] == "library" and fifth.state["topic"] == "why"


def test_english_conversation(service: EnergyService) -> None:
    first = ask(service, "how much electricity did City Hall use last week", "usage")
    assert (
        "City Hall, last week (09 Mar – 15 Mar)" in first.replies[0].text
        and "Source:" in first.replies[0].text
    )
    second = handle_follow_up(service, Query("and on Tuesday, why?", "en", "viewer", "", (), first.state))
    assert "unusually high use" in second.replies[0].text


def test_savings_anomalies_and_ranking(service: EnergyService) -> None:
    assert "CO₂" in ask(service, "市政厅有什么节能建议", "saving").replies[0].text
    assert "夜间基础负荷" in ask(service, "市图书馆用电有没有异常", "usage").replies[0].text
    text = ask(service, "哪个楼上个月最费电", "usage").replies[0].text
    assert text.index("市第一人民医院") < text.index("市图书馆")
    both = ask(service, "市政厅和市图书馆上周哪个更耗电", "usage").replies[0].text
    assert "体育中心" not in both and "市政厅" in both and "市图书馆" in both


@pytest.mark.parametrize("topic", ["usage", "why", "forecast", "battery"])
@pytest.mark.parametrize("role", ["citizen", "", "stranger"])
def test_city_buildings_are_for_staff(service: EnergyService, topic: str, role: str) -> None:
    for text in ("市政厅昨天用了多少电", "how much did City Hall use yesterday"):
        outcome = ask(service, text, topic, None, role)
        reply = outcome.replies[0]
        assert "kWh" not in reply.text and reply.image is None and reply.buttons
    hidden = ask(service, "市政厅有什么节能建议", "saving", None, role).replies[0]
    assert "kWh" not in hidden.text and hidden.image is None
    assert (
        handle_follow_up(service, Query("市政厅呢", "zh", role, "", (), {"topic": "usage"})).replies[0].image
        is None
    )


def test_citizens_get_their_bill_explained_step_by_step(service: EnergyService) -> None:
    first = ask(service, "my bill doubled, why?", "saving", None, "citizen")
    assert "12345 ext. 17" in first.replies[0].text
    second = handle_follow_up(service, Query("180 kWh", "en", "citizen", "", (), first.state))
    third = handle_follow_up(service, Query("this month 390 kWh", "en", "citizen", "", (), second.state))
    assert "from 180 to 390 kWh" in third.replies[0].text and "tier 2" in third.replies[0].text
    assert "LED" in ask(service, "家里怎么省电", "saving", None, "citizen").replies[0].text
    assert "16" in ask(service, "我家水费暴涨是不是漏水了", "saving", None, "citizen").replies[0].text


def test_planned_outages_by_district_and_utility(service: EnergyService) -> None:
    first = ask(service, "planned outage in Binhe district?", "outage", None, "citizen")
    assert "Binhe Road" in first.replies[0].text and "19 Mar 08:30–12:30" in first.replies[0].text
    second = handle_follow_up(service, Query("那西山区停水呢", "zh", "citizen", "", (), first.state))
    assert "西山路沿线" in second.replies[0].text and "16" in second.replies[0].text
    none = ask(service, "临港区停电了吗", "outage", None, "citizen")
    assert "没有登记" in none.replies[0].text and "12345 转 17" in none.replies[0].text
    assert (
        "Zhanqian"
        in ask(service, "power cuts in Dongcheng the day after tomorrow", "outage", None, "citizen")
        .replies[0]
        .text
    )


def test_what_is_unknown_is_said(service: EnergyService) -> None:
    asked = ask(service, "用了多少电", "usage")
    assert asked.replies[0].text == "请问是哪座建筑？" and len(asked.replies[0].buttons) == 6
    unknown = ask(
        service, "火车站昨天用了多少电", "usage", None, "viewer", ({"entity": "building", "value": "火车站"},)
    )
    assert "没有 火车站 的电表" in unknown.replies[0].text and "市政厅" in unknown.replies[0].text
    early = ask(service, "2019年3月1日市政厅用电", "usage")
    assert "没有数据" in early.replies[0].text
    none = ask(service, "市博物馆电池怎么排", "battery")
    assert "没有登记储能电池" in none.replies[0].text


class _Tracker:
    def __init__(self, text: str, role: str, state: object) -> None:
        self.latest_message = {"text": text, "metadata": {"role": role}, "entities": []}
        self._slots = {"energy_state": state, "language": "zh"}

    def get_slot(self, name: str) -> object:
        return self._slots.get(name)


class _Dispatcher:
    def __init__(self) -> None:
        self.replies: list[dict] = []

    def utter_message(self, text: str, json_message: dict) -> None:
        self.replies.append(json_message["reply"])


@pytest.mark.parametrize(
    ("action", "name", "text"),
    [
        (ActionEnergyUsage, "action_energy_usage", "市政厅昨天用电"),
        (ActionEnergyWhy, "action_energy_why", "市政厅昨天为什么高"),
        (ActionEnergyForecast, "action_energy_forecast", "预测市政厅明天"),
        (ActionEnergyBattery, "action_energy_battery", "市博物馆电池"),
        (ActionEnergySaving, "action_energy_saving", "市政厅节能"), (ActionOutage, "action_outage", "滨河区停电"),
        (ActionEnergyFollowUp, "action_energy_follow_up", "那图书馆呢"),
    ],
)  # fmt: skip
async def test_actions_say_and_remember(service: EnergyService, action, name: str, text: str) -> None:
    energy.configure(service)
    try:
        dispatcher = _Dispatcher()
        events = await action().run(
            dispatcher, _Tracker(text, "viewer", {"building": "city_hall", "topic": "usage"}), {}
        )
    finally:
        energy.configure(None)
    assert action().name() == name and dispatcher.replies[0]["source"] == "energy"
    slots = {event["name"]: event["value"] for event in events}
    assert slots["last_topic"] == "energy" and slots["energy_state"]


def test_without_configuration_the_error_says_so() -> None:
    energy.configure(None)
    with pytest.raises(errors.EnergyNotConfigured, match=r"city\.yml"):
        energy.get_service()


HEAD = "id,utility,district,start,end,area_zh,area_en,reason_zh,reason_en\n"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("id,utility\n", "district"),
        (HEAD + "1,wifi,binhe,2026-03-19 09:00,2026-03-19 10:00,a,b,c,d\n", "2.utility"),
        (HEAD + "1,power,binhe,soon,2026-03-19 10:00,a,b,c,d\n", "2.start"),
        (HEAD + "1,power,binhe,2026-03-19 11:00,2026-03-19 10:00,a,b,c,d\n", "2.end"),
    ],
)
def test_bad_outage_tables_name_the_place(text: str, match: str) -> None:
    with pytest.raises(errors.BadSite, match=match):
        read_outages(text, ZONE)


def test_past_outages_are_not_shown() -> None:
    text = (
        HEAD
        + "1,power,binhe,2026-03-18 08:00,2026-03-18 10:00,a,b,c,d\n2,power,all,2026-03-18 09:00,2026-03-18 12:00,a,b,c,d\n"
    )
    assert [o.id for o in upcoming(read_outages(text, ZONE), NOW, "binhe", "power")] == ["2"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[]", "hold keys"),
        ("buildings: []", "buildings"),
        ("buildings: [{id: a, zh: 甲, en: A}]", "meter"),
        ("buildings: [{id: a, zh: 甲, en: A, meter: {source: x.csv, colum: y}}]", "meter"),
        ("buildings: [{id: a, zh: 甲, en: A, meter: x.csv, battery: {capacity: 3}}]", "capacity"),
        ("buildings: [{id: a, zh: 甲, en: A, meter: x.csv}, {id: a, zh: 乙, en: B, meter: y.csv}]", "twice"),
        ("buildings: [{id: a, zh: 甲, en: A, meter: x.csv}]", "periods"),
        ("buildings: [", "cannot be read"),
    ],
)
def test_bad_site_files_name_the_key(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "site.yml"
    path.write_text(text, "utf-8")
    with pytest.raises(errors.EnergyError, match=match):
        load_site(path, "Asia/Shanghai")


def test_settings_refuse_unknown_countries() -> None:
    with pytest.raises(ValueError, match="holidays"):
        EnergySection(country="XX")
