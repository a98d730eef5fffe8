"""Every webhook against forgery: wrong, missing and replayed signatures, altered and broken bodies, bombs."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.apps.dingtalk import DingTalk
from channels.apps.slack import Slack
from channels.apps.wechat import WeChat
from channels.apps.wecom import WeCom
from channels.base import Delivery, Inbound, ParseError, VerificationError
from channels.formats import read_xml
from channels.guard import ReplayGuard, same
from channels.wxcrypt import CryptError, WxCrypt, signature
from tests.channels.platforms import AES_KEY, NAMES, make

REFUSED = (VerificationError, ParseError)


@pytest.mark.parametrize("name", NAMES)
async def test_a_signed_sample_passes_and_keeps_its_text(name: str) -> None:
    for text in ("图书馆周日几点开门？", "a < b & c > d 😀"):
        (inbound,) = await make(name).try_out(text)
        assert inbound.text == text
        assert inbound.sender_id
        assert inbound.message_id
        assert inbound.role == "citizen"


def _without_signature(delivery: Delivery) -> Delivery:
    names = ("sign", "secret", "authorization")
    kept = {k: v for k, v in delivery.headers.items() if not any(n in k for n in names)}
    query = {k: v for k, v in delivery.query.items() if "signature" not in k}
    return replace(delivery, headers=kept, query=query)


@pytest.mark.parametrize("name", NAMES)
async def test_a_missing_signature_is_refused(name: str) -> None:
    channel = make(name)
    delivery = channel.sample("hello")
    assert delivery is not None
    with pytest.raises(VerificationError):
        await channel.verify(_without_signature(delivery))


@pytest.mark.parametrize("name", NAMES)
async def test_a_wrong_signature_is_refused(name: str) -> None:
    channel = make(name)
    delivery = channel.sample("hello")
    assert delivery is not None

    def damage(value: str) -> str:
        # The very last characters of a base64 signature may not matter, those in the middle do.
        middle = len(value) // 2
        return value[:middle] + ("A" if value[middle] != "A" else "B") + value[middle + 1 :]

    headers = {
        k: damage(v) if any(n in k for n in ("signature", "secret", "authorization")) or k == "sign" else v
        for k, v in delivery.headers.items()
    }
    query = {k: damage(v) if "signature" in k else v for k, v in delivery.query.items()}
    with pytest.raises(VerificationError):
        await channel.verify(replace(delivery, headers=headers, query=query))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"telegram", "teams"}))
async def test_an_altered_body_is_refused(name: str) -> None:
    # Telegram's and Microsoft's secrets do not cover the body; theirs is protected by TLS alone.
    channel = make(name)
    delivery = channel.sample("hello")
    assert delivery is not None
    if name in {"wechat", "dingtalk"}:
        # Their signature does not cover it either, so it is taken with the first body only.
        await channel.verify(delivery)
    with pytest.raises(REFUSED):
        await channel.verify(replace(delivery, body=delivery.body.replace(b"e", b"f", 1)))


@pytest.mark.parametrize("name", ["wechat", "wechat_aes", "wecom", "dingtalk", "feishu", "slack", "teams"])
async def test_an_old_delivery_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = make(name)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    delivery = channel.sample("hello")
    assert delivery is not None
    monkeypatch.undo()
    with pytest.raises(VerificationError):
        await channel.verify(delivery)


@pytest.mark.parametrize("name", NAMES)
async def test_a_repeated_delivery_passes_with_the_same_id(name: str) -> None:
    channel = make(name)
    delivery = channel.sample("hello")
    assert delivery is not None
    ids = []
    for _ in range(3):
        await channel.verify(delivery)
        ids += [message.message_id for message in await channel.parse(delivery)]
    assert len(set(ids)) == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[]",
        b"null",
        b'{"a":' * 3000,
        b"<xml>",
        b"<xml><Encrypt>AAAA</Encrypt></xml>",
        b"=&=&%",
    ],
)
async def test_a_broken_body_is_refused_or_holds_nothing(name: str, body: bytes) -> None:
    channel = make(name)
    delivery = channel.sample("hello")
    assert delivery is not None
    broken = replace(delivery, body=body)
    try:
        await channel.verify(broken)
        found = await channel.parse(broken)
    except REFUSED:
        return
    assert not found


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><xml><Content>&c;</Content></xml>"""
OUTSIDE = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><xml><Content>&f;</Content></xml>'


@pytest.mark.parametrize(
    "body", [BOMB, OUTSIDE, b"<xml>\x00</xml>", b'<?xml version="1.0" encoding="x"?><a/>']
)
def test_xml_bombs_and_traps_are_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        read_xml(body)


async def test_a_bomb_inside_a_signed_and_encrypted_message_is_refused() -> None:
    channel = make("wecom")
    assert isinstance(channel, WeCom)
    sealed = WxCrypt(AES_KEY, "ww1").encrypt(BOMB.decode())
    stamp = str(int(time.time()))
    query = {"timestamp": stamp, "nonce": "1", "msg_signature": signature("ww-word", stamp, "1", sealed)}
    delivery = Delivery("POST", {}, query, f"<xml><Encrypt>{sealed}</Encrypt></xml>".encode())
    await channel.verify(delivery)
    with pytest.raises(ParseError):
        await channel.parse(delivery)


def _all(text: bytes, headers: dict[str, str], query: dict[str, str]) -> None:
    async def feed() -> None:
        for name in NAMES:
            channel = make(name)
            delivery = Delivery("POST", headers, query, text)
            with pytest.raises(REFUSED):
                await channel.verify(delivery)
            try:
                for inbound in await channel.parse(delivery):
                    assert isinstance(inbound, Inbound)
            except ParseError:
                continue

    asyncio.run(feed())


HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "sign",
            "timestamp",
            "authorization",
            "x-hub-signature-256",
            "x-line-signature",
            "x-slack-signature",
            "x-slack-request-timestamp",
            "x-lark-signature",
            "x-twilio-signature",
            "content-type",
        ]
    ),
    st.text(max_size=30),
)
QUERY = st.dictionaries(
    st.sampled_from(["timestamp", "nonce", "signature", "msg_signature"]), st.text(max_size=20)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200), HEADERS, QUERY)
def test_noise_is_refused_everywhere(body: bytes, headers: dict[str, str], query: dict[str, str]) -> None:
    _all(body, headers, query)


SHAPES: dict[str, dict[str, Any]] = {
    "telegram": {"update_id": 1, "message": {"from": {"id": 1}, "chat": {"id": 1}, "text": "x"}},
    "whatsapp": {
        "entry": [{"changes": [{"value": {"messages": [{"from": "1", "id": "2", "type": "text"}]}}]}]
    },
    "messenger": {"entry": [{"messaging": [{"sender": {"id": "1"}, "message": {"mid": "m", "text": "x"}}]}]},
    "line": {"events": [{"type": "message", "source": {"userId": "U"}, "message": {"id": "1", "text": "x"}}]},
    "slack": {
        "type": "event_callback",
        "event": {"type": "message", "channel_type": "im", "channel": "D", "ts": "1"},
    },
    "dingtalk": {"msgId": "1", "senderId": "2", "text": {"content": "x"}},
    "teams": {
        "type": "message",
        "id": "1",
        "from": {"id": "2"},
        "conversation": {"id": "3"},
        "serviceUrl": "u",
    },
}


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(p for key, v in inner for p in _paths(v, (*path, key)))]


def _put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _put(value[path[0]], path[1:], new)
    return copy


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_field_may_be_of_any_type(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SHAPES)))
    path = data.draw(st.sampled_from(_paths(SHAPES[name])))
    body = json.dumps(_put(SHAPES[name], path, data.draw(JSON))).encode()
    try:
        found = asyncio.run(make(name).parse(Delivery("POST", {}, {}, body)))
    except ParseError:
        return
    assert all(isinstance(m.text, str) and m.sender_id and m.message_id for m in found)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=300))
def test_what_is_encrypted_is_decrypted(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    crypt = WxCrypt(AES_KEY, "wx1")
    assert crypt.decrypt(crypt.encrypt(text)) == text
    with pytest.raises(CryptError):
        WxCrypt(AES_KEY, "another").decrypt(crypt.encrypt(text))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.text(max_size=80)
    | st.binary(min_size=16, max_size=96).map(lambda b: __import__("base64").b64encode(b).decode())
)
def test_no_ciphertext_breaks_the_decryption(sealed: str) -> None:
    with pytest.raises(CryptError):
        WxCrypt(AES_KEY, "wx1").decrypt(sealed)


def test_a_key_of_the_wrong_length_is_named() -> None:
    for key in ("short", "*" * 43, ""):
        with pytest.raises(CryptError, match="EncodingAESKey"):
            WxCrypt(key, "wx1")


def test_the_published_sha1_signature() -> None:
    # Sorted, joined and hashed, whatever the order they are given in.
    assert signature("b", "a", "c") == signature("c", "b", "a") == "a9993e364706816aba3e25717850c26c9cd0d89d"


def test_the_guard_knows_time_and_bodies() -> None:
    guard = ReplayGuard(clock=lambda: 1000.0)
    guard.fresh("1000")
    guard.fresh("1300")
    guard.fresh("1000000", per_second=1000)
    for stamp in ("600", "1400", "", "x", "9" * 400):
        with pytest.raises(VerificationError):
            guard.fresh(stamp)
    guard.once("s", b"a")
    guard.once("s", b"a")
    with pytest.raises(VerificationError):
        guard.once("s", b"b")
    assert not same("", "")
    assert not same("ä", "a")
    assert same("a", "a")


async def test_a_used_slack_signature_does_not_fit_another_time() -> None:
    channel = make("slack")
    assert isinstance(channel, Slack)
    delivery = channel.sample("hello")
    later = {**delivery.headers, "x-slack-request-timestamp": str(int(time.time()) + 1)}
    with pytest.raises(VerificationError):
        await channel.verify(replace(delivery, headers=later))


async def test_the_address_checks() -> None:
    wechat = make("wechat")
    assert isinstance(wechat, WeChat)
    stamp = str(int(time.time()))
    query = {"timestamp": stamp, "nonce": "n", "signature": signature("wx-word", stamp, "n"), "echostr": "42"}
    get = Delivery("GET", {}, query, b"")
    await wechat.verify(get)
    challenge = wechat.challenge(get)
    assert challenge is not None and challenge.body == "42"

    wecom = make("wecom")
    sealed = WxCrypt(AES_KEY, "ww1").encrypt("99")
    signed = signature("ww-word", stamp, "n", sealed)
    get = Delivery(
        "GET", {}, {"timestamp": stamp, "nonce": "n", "msg_signature": signed, "echostr": sealed}, b""
    )
    await wecom.verify(get)
    challenge = wecom.challenge(get)
    assert challenge is not None and challenge.body == "99"

    whatsapp = make("whatsapp")
    get = Delivery("GET", {}, {"hub.verify_token": "wa-word", "hub.challenge": "7"}, b"")
    await whatsapp.verify(get)
    challenge = whatsapp.challenge(get)
    assert challenge is not None and challenge.body == "7"
    with pytest.raises(VerificationError):
        await whatsapp.verify(Delivery("GET", {}, {"hub.verify_token": "no", "hub.challenge": "7"}, b""))

    slack = make("slack")
    assert isinstance(slack, Slack)
    post = slack.signed('{"type":"url_verification","challenge":"abc"}', "application/json")
    await slack.verify(post)
    challenge = slack.challenge(post)
    assert challenge is not None and challenge.body == "abc"

    feishu: Any = make("feishu")
    post = feishu.signed({"type": "url_verification", "challenge": "xyz", "token": "fv"})
    await feishu.verify(replace(post, headers={}))
    challenge = feishu.challenge(post)
    assert challenge is not None and "xyz" in challenge.body
    with pytest.raises(VerificationError):
        await feishu.verify(feishu.signed({"type": "url_verification", "challenge": "x", "token": "no"}))


async def test_a_dingtalk_signature_is_taken_for_the_messages_of_its_millisecond_only() -> None:
    channel = make("dingtalk")
    assert isinstance(channel, DingTalk)
    delivery = channel.sample("hello")
    await channel.verify(delivery)
    await channel.verify(delivery)
    with pytest.raises(VerificationError, match="another body"):
        await channel.verify(replace(delivery, body=delivery.body.replace(b"hello", b"hallo")))

    def other(name: str) -> Delivery:
        return replace(delivery, body=delivery.body.replace(b': "msg', f': "{name}'.encode(), 1))

    # Two people may well write in the same millisecond.
    for number in range(7):
        await channel.verify(other(f"m{number}-"))
    with pytest.raises(VerificationError, match="too many"):
        await channel.verify(other("m7-"))
