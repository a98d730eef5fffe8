"""Pictures that must be uploaded first, cards and their buttons: what platforms are sent, and what comes back."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from channels.app import AppChannel
from channels.apps.dingtalk import DingTalk
from channels.apps.wecom import WeCom
from channels.base import Delivery, Inbound, SendError
from channels.choices import chosen
from channels.http import PlatformClient
from channels.records import StoredMessage
from channels.wxcrypt import WxCrypt, signature
from city.messages import Button, Reply
from city.outbox import utc_now
from tests.channels.platforms import AES_KEY, PUBLIC_URL, FakePlatform, addressed, make

PICTURE = Reply("流量图", "traffic", image="/charts/abc.png")
CHOICE = Reply("哪一个？", "clarify", buttons=(Button("甲站", "/a"), Button("乙站", "/b")))
UPLOADS = ("wechat", "wecom", "feishu")


@pytest.fixture
def with_charts(build: Callable[[str], AppChannel], tmp_path: Path) -> Callable[[str], Any]:
    (tmp_path / "abc.png").write_bytes(b"\x89PNG the picture")

    def made(name: str) -> AppChannel:
        channel = build(name)
        around = replace(channel.surroundings, charts=tmp_path)
        return type(channel)(channel.name, channel.credentials, around)

    return made


def uploads(platform: FakePlatform, name: str) -> list[Any]:
    return [call for call in platform.calls[name] if "upload" in call.path or call.path.endswith("v1/images")]


def picture_in(name: str, body: Any) -> str:
    if name == "feishu":
        return str(json.loads(body["content"])["elements"][0]["img_key"])
    return str(body["image"]["media_id"])


@pytest.mark.parametrize("name", UPLOADS)
async def test_a_picture_is_uploaded_once_and_named(
    name: str, with_charts: Any, platform: FakePlatform
) -> None:
    channel = with_charts(name)
    await channel.send(await addressed(channel, PICTURE, key="a"))
    await channel.send(await addressed(channel, PICTURE, key="b"))
    (upload,) = uploads(platform, name)
    assert b"the picture" in {**upload.body}.get("media", upload.body.get("image"))
    picture, _, again, _ = platform.sent(name)
    assert picture_in(name, picture.body) == picture_in(name, again.body) != ""


@pytest.mark.parametrize("name", UPLOADS)
async def test_a_picture_that_cannot_be_had_becomes_its_link(
    name: str, with_charts: Any, platform: FakePlatform
) -> None:
    channel = with_charts(name)
    await channel.send(await addressed(channel, replace(PICTURE, image="/charts/none.png")))
    assert uploads(platform, name) == []
    link, _ = platform.sent(name)
    assert f"{PUBLIC_URL}/charts/none.png" in json.dumps(link.body)


@pytest.mark.parametrize("name", UPLOADS)
async def test_a_refused_upload_becomes_the_link_and_a_failed_one_is_tried_again(
    name: str, with_charts: Any, platform: FakePlatform
) -> None:
    channel = with_charts(name)
    platform.script[name] = deque([503])
    with pytest.raises(SendError) as caught:
        await channel.send(await addressed(channel, PICTURE))
    assert not caught.value.unsure
    platform.script[name] = deque([{"errcode": 40004, "code": 234006, "errmsg": "invalid media type"}])
    await channel.send(await addressed(channel, PICTURE))
    link, _ = platform.sent(name)
    assert f"{PUBLIC_URL}/charts/abc.png" in json.dumps(link.body)


async def test_wecom_names_a_picture_by_its_link_when_it_may_be_there(
    with_charts: Any, platform: FakePlatform
) -> None:
    channel = with_charts("wecom")
    first = await addressed(channel, PICTURE, put_at=utc_now())
    await channel.send(first)
    await channel.send(replace(first, unsure=True, unsure_s=100.0))
    kinds = [call.body["msgtype"] for call in platform.sent("wecom")]
    # The picture, its text, the link; the text comes once.
    assert kinds == ["image", "text", "text"]


async def test_a_dry_run_uploads_nothing_and_shows_the_card() -> None:
    client = PlatformClient(dry=True)
    channel = make("wecom", client=client)
    await channel.send(await addressed(channel, PICTURE, CHOICE))
    assert client.recorded is not None
    shown = [record.body for record in client.recorded if record.body]
    assert shown[0]["media"].endswith("bytes)")
    assert [body["msgtype"] for body in shown[1:]] == ["image", "text", "text", "template_card"]


async def test_wecom_choices_are_on_a_card_and_a_pressed_one_comes_back(
    build: Any, platform: FakePlatform
) -> None:
    channel = build("wecom")
    message = await addressed(channel, CHOICE)
    await channel.send(message)
    await channel.send(replace(message, attempt=2, unsure=True))
    text, card = platform.sent("wecom")
    assert text.body["text"]["content"].startswith("哪一个？")
    shown = card.body["template_card"]
    assert shown["card_type"] == "button_interaction"
    assert [button["text"] for button in shown["button_list"]] == ["甲站", "乙站"]
    event = (
        "<xml><FromUserName>li</FromUserName><CreateTime>1</CreateTime><MsgType>event</MsgType>"
        f"<Event>template_card_event</Event><EventKey>{shown['button_list'][1]['key']}</EventKey>"
        f"<TaskId>{shown['task_id']}</TaskId></xml>"
    )
    sealed, stamp = WxCrypt(AES_KEY, "ww1").encrypt(event), str(int(time.time()))
    query = {"timestamp": stamp, "nonce": "1", "msg_signature": signature("ww-word", stamp, "1", sealed)}
    delivery = Delivery("POST", {}, query, f"<xml><Encrypt>{sealed}</Encrypt></xml>".encode())
    await channel.verify(delivery)
    (pressed,) = await channel.parse(delivery)
    assert (pressed.sender_id, pressed.text) == ("li", "/b")


async def test_wecom_without_cards_numbers_them(build: Any, platform: FakePlatform) -> None:
    channel = build("wecom")
    values = channel.credentials.copy(update={"cards": False})
    await WeCom("wecom", values, channel.surroundings).send(await addressed(channel, CHOICE))
    (call,) = platform.sent("wecom")
    assert "1. 甲站" in call.body["text"]["content"]


async def test_dingtalk_cards_say_the_title_and_groups_get_numbers(
    build: Any, platform: FakePlatform
) -> None:
    channel = build("dingtalk")
    message = await addressed(channel, CHOICE, Reply("一个", "clarify", buttons=(Button("丙站", "/c"),)))
    await channel.send(message)
    two, one = (call.body for call in platform.sent("dingtalk"))
    assert (two["msgKey"], one["msgKey"]) == ("sampleActionCard2", "sampleActionCard")
    param = json.loads(two["msgParam"])
    assert param["actionTitle2"] == "乙站"
    assert param["actionURL2"] == "dtmd://dingtalkclient/sendMessage?content=%E4%B9%99%E7%AB%99"
    assert json.loads(one["msgParam"])["singleTitle"] == "丙站"
    history = [StoredMessage("m1", "问", "zh", (CHOICE,), utc_now())]
    button = chosen("乙站", history, channel.shape)
    assert button is not None and button.payload == "/b"

    group = Inbound("li", "m", "x", context={"group": "cid"})
    await channel.send(replace(message, to=group, key="g"))
    assert isinstance(channel, DingTalk)
    numbered = json.loads(platform.sent("dingtalk")[2].body["msgParam"])["text"]
    assert "1. 甲站" in numbered
    # The number is understood there too.
    assert (chosen("1", history, channel.shape) or CHOICE.buttons[1]).payload == "/a"
