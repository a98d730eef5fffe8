"""`chengda channels`: what the operator sees, and what never leaves the machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from channels.registry import shipped_kinds
from channels.store import make_engine
from channels.switches import SqlSwitches
from chengda.channels import app
from chengda.console_output import console
from city.messages import Reply
from city.outbox import Outbox
from tests.channels.platforms import AES_KEY

ROOT = Path(__file__).resolve().parents[2]
runner = CliRunner()


@pytest.fixture
def city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    example = (ROOT / "credentials.example.yml").read_text(encoding="utf-8")
    for name in re.findall(r"\$\{(\w+)\}", example):
        monkeypatch.setenv(name, AES_KEY if name.endswith("AES_KEY") else "hush-hush")
    (tmp_path / "credentials.yml").write_text(example, encoding="utf-8")
    text = (ROOT / "city.yml").read_text(encoding="utf-8")
    text = text.replace("  enabled: []  ", f"  enabled: [{', '.join(shipped_kinds())}]  ")
    text = text.replace('public_url: ""', "public_url: https://chat.city.example")
    (tmp_path / "city.yml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("CHENGDA_CITY", str(tmp_path / "city.yml"))
    monkeypatch.setattr(console, "width", 200)
    return tmp_path


def run(*arguments: str, code: int = 0) -> str:
    result = runner.invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize("name", shipped_kinds())
def test_a_sample_goes_through_the_real_code_and_shows_no_secret(city: Path, name: str) -> None:
    shown = run("test", name)
    assert "verified and parsed" in shown
    assert "library" in shown or "MAIL" in shown
    assert "hush-hush" not in shown


def test_an_account_that_only_responds_sends_nothing(city: Path) -> None:
    file = city / "credentials.yml"
    text = file.read_text(encoding="utf-8").replace("customer_service: true", "customer_service: false")
    file.write_text(text, encoding="utf-8")
    shown = run("test", "wechat")
    assert "in the response itself" in shown and "next message" in shown
    assert "message/custom/send" not in shown


def test_secrets_are_found_beside_rasa(city: Path) -> None:
    # Rasa makes its YAML library replace `${NAME}` by itself.
    import rasa.shared.utils.io  # noqa: F401

    assert "verified and parsed" in run("test", "telegram")


def test_the_list_names_the_addresses_to_enter(city: Path) -> None:
    shown = run("list")
    assert "https://chat.city.example/channels/wechat/webhook" in shown.replace("\n", "")


def test_an_unknown_channel_is_named(city: Path) -> None:
    assert "no entry `pigeon`" in run("test", "pigeon", code=1)
    assert "has no 'pigeon'" in run("off", "pigeon", code=1)


def test_switching(city: Path) -> None:
    run("off", "telegram")
    switches = SqlSwitches(make_engine(f"sqlite:///{city / 'var' / 'chat.db'}"))
    assert not switches.enabled("telegram")
    assert "off" in run("list")
    run("on", "telegram")
    assert switches.all() == {"telegram": True}


def test_dead_letters_are_shown_and_tried_again(city: Path) -> None:
    assert "no dead letters" in run("dead-letters")
    outbox = Outbox(make_engine(f"sqlite:///{city / 'var' / 'chat.db'}"))
    outbox.put("c", [Reply("您好", "smalltalk")], key="k", context={"address": {"channel": "sms"}})
    outbox.dead(outbox.take("me", 1, 60)[0].seq, "21610: opted out")
    (row,) = json.loads(run("dead-letters", "--json"))
    assert (row["for"], row["error"], row["text"]) == ("sms", "21610: opted out", "您好")
    assert "1 条" in run("retry", row["id"])
    assert outbox.counts() == {"waiting": 1}
    assert "0 条" in run("retry")


def test_every_channel_has_a_page() -> None:
    overview = (ROOT / "docs" / "channels.md").read_text(encoding="utf-8")
    for kind in shipped_kinds():
        page = (ROOT / "docs" / "channels" / f"{kind}.md").read_text(encoding="utf-8")
        assert f"channels test {kind}" in page
        assert f"channels/{kind}.md" in overview


def test_nothing_is_asked_of_a_platform(city: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_more: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("aiohttp.ClientSession.__init__", refuse)
    for name in ("telegram", "teams", "wecom"):
        run("test", name)
