"""From city.yml and credentials.yml to channels: every mistake is named with file, key and mend."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from channels.queue.rabbitmq import RabbitQueue
from channels.queue.redis_streams import RedisQueue
from channels.registry import load_channels, make_queue, shipped_kinds
from channels.settings import ChannelsSection, channels_section, read_credentials
from city.settings import SettingsError, load_settings
from tests.channels.platforms import AES_KEY

ROOT = Path(__file__).resolve().parents[2]
CITY = (ROOT / "city.yml").read_text(encoding="utf-8")


@pytest.fixture
def city(tmp_path: Path) -> Any:
    def write(credentials: str, **section: Any) -> Any:
        (tmp_path / "credentials.yml").write_text(credentials, encoding="utf-8")
        (tmp_path / "city.yml").write_text(CITY, encoding="utf-8")
        settings = load_settings(tmp_path / "city.yml")
        return settings, ChannelsSection(**section)

    return write


def test_the_shipped_examples_are_valid(tmp_path: Path) -> None:
    example = (ROOT / "credentials.example.yml").read_text(encoding="utf-8")
    environment = dict.fromkeys(re.findall(r"\$\{(\w+)\}", example), "x1")
    environment |= {"WECHAT_AES_KEY": AES_KEY, "WECOM_AES_KEY": AES_KEY}
    (tmp_path / "credentials.yml").write_text(example, encoding="utf-8")
    (tmp_path / "city.yml").write_text(CITY, encoding="utf-8")
    settings = load_settings(tmp_path / "city.yml")
    assert channels_section(settings).enabled == []
    section = ChannelsSection(enabled=shipped_kinds())
    channels = load_channels(settings, section, environment=environment)
    assert [channel.name for channel in channels] == shipped_kinds()
    assert len(channels) == 12


GOOD = "telegram: {token: '${T}', secret: '${S}'}\n"


@pytest.mark.parametrize(
    ("credentials", "environment", "message"),
    [
        ("", {}, r"must hold one entry per channel"),
        ("a: [", {}, r"cannot be read as YAML"),
        ("slack: {}", {}, r"there is no entry `telegram`"),
        (GOOD, {"T": "1"}, r"`telegram.secret`: the environment variable S is not set"),
        (
            "telegram: {token: plain, secret: '${S}'}",
            {"S": "1"},
            r"`telegram.token` is a secret; .*\$\{TELEGRAM_TOKEN\}",
        ),
        ("telegram: {token: '${T}'}", {"T": "1"}, r"`telegram.secret` is missing"),
        (GOOD.replace("}", ", tok: 1}", 3), {"T": "1", "S": "2"}, r"unknown; known keys: .*token"),
        (GOOD, {"T": "1", "S": "not allowed!"}, r"`telegram.secret` string does not match"),
        ("telegram: {kind: pigeon}", {}, r"`telegram.kind`: there is no channel 'pigeon'.*wechat"),
        ("telegram: {kind: no.such.module}", {}, r"there is no channel"),
        ("telegram: {kind: city.masking}", {}, r"must set CHANNEL"),
    ],
)
def test_mistakes_are_named(city: Any, credentials: str, environment: dict[str, str], message: str) -> None:
    if "tok: 1" in credentials:
        credentials = "telegram: {token: '${T}', secret: '${S}', tok: 1}"
    settings, section = city(credentials, enabled=["telegram"])
    with pytest.raises(SettingsError, match=message) as caught:
        load_channels(settings, section, environment=environment)
    assert "credentials.yml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"credentials\.example\.yml"):
        read_credentials(tmp_path / "credentials.yml", ["telegram"])
    assert read_credentials(tmp_path / "credentials.yml", []) == {}


def test_two_accounts_of_one_kind(city: Any) -> None:
    text = GOOD + "tg_tax: {kind: telegram, token: '${T}', secret: '${S}'}\n"
    settings, section = city(text, enabled=["telegram", "tg_tax"], public_url="https://c.example/")
    first, second = load_channels(settings, section, environment={"T": "1", "S": "2"})
    assert (first.name, second.name) == ("telegram", "tg_tax")
    assert second.surroundings.webhook_url(second.name) == "https://c.example/channels/tg_tax/webhook"


def test_a_channel_of_one_s_own_is_one_file(
    city: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_city_pigeon.py").write_text(
        "from channels.apps.telegram import Telegram\n\n\nclass Pigeon(Telegram):\n    pass\n\n\nCHANNEL = Pigeon\n",
        encoding="utf-8",
    )
    (tmp_path / "my_city").mkdir()
    (tmp_path / "my_city" / "__init__.py").touch()
    (tmp_path / "my_city_pigeon.py").rename(tmp_path / "my_city" / "pigeon.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "pigeon: {kind: my_city.pigeon, token: '${T}', secret: '${S}'}"
    settings, section = city(text, enabled=["pigeon"])
    (channel,) = load_channels(settings, section, environment={"T": "1", "S": "2"})
    assert type(channel).__name__ == "Pigeon"


@pytest.mark.parametrize(
    "section",
    [
        {"enabled": ["Bad Name"]},
        {"public_url": "chat.city.example"},
        {"queue": {"kind": "redis"}},
        {"queue": {"kind": "kafka"}},
        {"roles": [{"channel": "slack", "sender": "U", "role": "king"}]},
        {"enable": []},
    ],
)
def test_a_wrong_section_is_refused(section: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        ChannelsSection(**section)


async def test_queues_by_configuration() -> None:
    assert make_queue(ChannelsSection()) is None
    section = ChannelsSection(queue={"kind": "redis", "url": "${Q}"})
    assert isinstance(make_queue(section, {"Q": "redis://localhost"}), RedisQueue)
    section = ChannelsSection(queue={"kind": "rabbitmq", "url": "amqp://localhost/"})
    assert isinstance(make_queue(section), RabbitQueue)
    with pytest.raises(SettingsError, match=r"channels\.queue\.url"):
        make_queue(ChannelsSection(queue={"kind": "redis", "url": "${Q}"}), {})


def test_roles_by_identity() -> None:
    section = ChannelsSection(roles=[{"channel": "slack", "sender": "U1", "role": "operator"}])
    assert section.roles_by_identity() == {("slack", "U1"): "operator"}
