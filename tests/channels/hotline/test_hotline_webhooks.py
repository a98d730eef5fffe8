"""Calls that come as webhooks, from Twilio and from jambonz: real signatures, the real gateway."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from channels.hotline.jambonz import heard_in
from channels.hotline.signatures import jambonz_is_genuine, twilio_is_genuine
from channels.web.keys import SWITCHES
from tests.channels.hotline.conftest import PUBLIC_URL, SECRETS, Oracle


class Twilio:
    """Calls as Twilio does."""

    def __init__(self, client: TestClient, sid: str = "CA1") -> None:
        self.client, self.sid = client, sid

    async def post(self, path: str, token: str = SECRETS["TWILIO_AUTH_TOKEN"], **form: str) -> ClientResponse:
        form = {"CallSid": self.sid, "From": "+8613812345678", **form}
        signature = RequestValidator(token).compute_signature(PUBLIC_URL + path, form)
        return await self.client.post(path, data=form, headers={"X-Twilio-Signature": signature})

    async def twiml(self, path: str, **form: str) -> ET.Element:
        answer = await self.post(path, **form)
        assert answer.status == 200
        assert answer.content_type == "application/xml"
        return ET.fromstring(await answer.text())


def said(element: ET.Element) -> str:
    return " ".join("".join(say.itertext()) for say in element.iter("Say"))


@pytest.fixture
async def twilio(hotline: Callable[..., Any], serve: Callable[..., Any]) -> Twilio:
    return Twilio(await serve(hotline()))


@pytest.mark.parametrize("transfer_to", ["", "+861012345"])
async def test_a_hotline_that_is_switched_off_says_so_and_puts_the_call_through(
    hotline: Callable[..., Any], serve: Callable[..., Any], oracle: Oracle, transfer_to: str
) -> None:
    client = await serve(hotline(transfer_to=transfer_to))
    client.server.app[SWITCHES].set("phone", False, "wang")
    answer = await Twilio(client).twiml("/hotline/twilio/voice")
    assert "暂停服务" in said(answer) and "not available" in said(answer)
    assert answer.find("Gather") is None
    assert (answer.find("Dial") is not None) is bool(transfer_to)
    client.server.app[SWITCHES].set("phone", True, "wang")
    assert (await Twilio(client, "CA2").twiml("/hotline/twilio/voice")).find("Gather") is not None
    assert oracle.asked == []


async def test_twilio_call_in_chinese(twilio: Twilio, oracle: Oracle) -> None:
    greeting = await twilio.twiml("/hotline/twilio/voice")
    assert "澜川市市民热线" in said(greeting) and "For English, press two" in said(greeting)
    gather = greeting.find("Gather")
    assert gather is not None and gather.get("input") == "dtmf speech"
    action = str(gather.get("action"))
    answer = await twilio.twiml(action, SpeechResult="图书馆几点开门", Confidence="0.93")
    assert "您问的是图书馆几点开门" in said(answer)
    assert answer.find("Gather").get("language") == "cmn-Hans-CN"  # type: ignore[union-attr]
    assert oracle.asked[0].channel == "phone"


async def test_twilio_call_in_english_by_key(twilio: Twilio) -> None:
    await twilio.twiml("/hotline/twilio/voice")
    assert "ask your question" in said(await twilio.twiml("/hotline/twilio/turn?n=1", Digits="2"))
    answer = await twilio.twiml(
        "/hotline/twilio/turn?n=2", SpeechResult="is the library open", Confidence="0.9"
    )
    assert "You asked: is the library open" in said(answer)


async def test_a_turn_told_twice_is_answered_once(twilio: Twilio, oracle: Oracle) -> None:
    await twilio.twiml("/hotline/twilio/voice")
    first = await twilio.twiml("/hotline/twilio/turn?n=1", SpeechResult="医保怎么报销")
    second = await twilio.twiml("/hotline/twilio/turn?n=1", SpeechResult="医保怎么报销")
    assert said(first) == said(second)
    assert len(oracle.asked) == 1


async def test_transfer_whispers_what_it_is_about(twilio: Twilio) -> None:
    await twilio.twiml("/hotline/twilio/voice")
    await twilio.twiml("/hotline/twilio/turn?n=1", SpeechResult="我的手机是13812345678怎么登记")
    await twilio.twiml("/hotline/twilio/turn?n=2", Digits="1")
    answer = await twilio.twiml("/hotline/twilio/turn?n=3", SpeechResult="转人工")
    dial = answer.find("Dial")
    assert dial is not None and "转接人工" in said(answer)
    assert [number.text for number in dial.iter("Number")] == ["+861012345"]
    whisper = await Twilio(twilio.client, "CA-child").twiml("/hotline/twilio/whisper", ParentCallSid="CA1")
    assert "刚才问了" in said(whisper) and "登记" in said(whisper)
    assert "一三八" not in said(whisper) and "幺三八" not in said(whisper)
    back = await twilio.twiml("/hotline/twilio/dialled?n=4", DialCallStatus="no-answer")
    assert "无法转接人工" in said(back) and back.find("Gather") is not None
    done = await twilio.twiml("/hotline/twilio/dialled?n=4", DialCallStatus="completed")
    assert done.find("Hangup") is not None


async def test_ended_call_keeps_counts_and_no_words(
    hotline: Callable[..., Any], serve: Callable[..., Any]
) -> None:
    extension = hotline()
    twilio = Twilio(await serve(extension))
    await twilio.twiml("/hotline/twilio/voice")
    await twilio.twiml("/hotline/twilio/turn?n=1", SpeechResult="低保怎么申请")
    assert (await twilio.post("/hotline/twilio/status", CallStatus="completed")).status == 204
    record = extension.hotline.store.find("twilio", "CA1")
    assert record.outcome == "answered" and record.call.turn == 1 and record.ended_at is not None
    assert record.caller == "+86****5678"
    assert "低保" not in json.dumps(record.call.to_dict(), ensure_ascii=False) and record.step is None
    late = await twilio.twiml("/hotline/twilio/turn?n=2", SpeechResult="还在吗")
    assert late.find("Hangup") is not None


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_twilio_forgeries_are_refused(twilio: Twilio, oracle: Oracle, token: str) -> None:
    answer = await twilio.post("/hotline/twilio/voice", token=token)
    assert answer.status == 403
    form = {"CallSid": "CA1", "SpeechResult": "hello"}
    signature = RequestValidator(SECRETS["TWILIO_AUTH_TOKEN"]).compute_signature(
        f"{PUBLIC_URL}/hotline/twilio/turn?n=1", form
    )
    changed = {**form, "SpeechResult": "other"}
    answer = await twilio.client.post(
        "/hotline/twilio/turn?n=1", data=changed, headers={"X-Twilio-Signature": signature}
    )
    assert answer.status == 403
    assert oracle.asked == []


async def test_a_failing_answer_is_no_silence(twilio: Twilio) -> None:
    await twilio.twiml("/hotline/twilio/voice")
    answer = await twilio.twiml("/hotline/twilio/turn?n=1", SpeechResult="boom")
    assert said(answer).strip()
    assert answer.find("Gather") is not None


class Jambonz:
    """Calls as jambonz does."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    async def post(
        self, path: str, data: Any, secret: str = SECRETS["JAMBONZ_WEBHOOK_SECRET"], age_s: int = 0
    ) -> ClientResponse:
        body = (
            data
            if isinstance(data, bytes)
            else json.dumps({"call_sid": "j1", "from": "+4420", **data}).encode()
        )
        stamp = str(int(time.time()) - age_s)
        signature = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        return await self.client.post(
            path, data=body, headers={"Jambonz-Signature": f"t={stamp},v1={signature}"}
        )

    async def verbs(self, path: str, data: dict[str, Any]) -> list[dict[str, Any]]:
        answer = await self.post(path, data)
        assert answer.status == 200
        return list(await answer.json())


@pytest.fixture
async def jambonz(hotline: Callable[..., Any], serve: Callable[..., Any]) -> Jambonz:
    return Jambonz(await serve(hotline(transfer_to="sip:desk@city.example")))


def speech(text: str, confidence: float = 0.9) -> dict[str, Any]:
    alternatives = [{"transcript": text, "confidence": confidence}]
    return {"reason": "speechDetected", "speech": {"is_final": True, "alternatives": alternatives}}


async def test_jambonz_call(jambonz: Jambonz) -> None:
    verbs = await jambonz.verbs("/hotline/jambonz/call", {})
    assert [verb["verb"] for verb in verbs] == ["say", "gather"]
    assert verbs[-1]["bargein"] and verbs[-1]["minBargeinWordCount"] == 1
    verbs = await jambonz.verbs(verbs[-1]["actionHook"], speech("where is the library"))
    assert "You asked: where is the library" in json.dumps(verbs)
    assert verbs[-1]["recognizer"]["language"] == "en-US"
    verbs = await jambonz.verbs(verbs[-1]["actionHook"], {"digits": "7"})
    assert 'rate="80%"' in json.dumps(verbs).replace('\\"', '"')
    verbs = await jambonz.verbs(verbs[-1]["actionHook"], {"digits": "0"})
    assert verbs[-1]["verb"] == "dial" and verbs[-1]["target"] == [
        {"type": "sip", "sipUri": "sip:desk@city.example"}
    ]
    verbs = await jambonz.verbs("/hotline/jambonz/whisper", {"call_sid": "leg2", "parent_call_sid": "j1"})
    assert "where is the library" in json.dumps(verbs)


async def test_jambonz_rasa_verb(jambonz: Jambonz) -> None:
    body = {"sender": "j9", "message": "where is the library"}
    answer = await jambonz.client.post(
        f"/hotline/jambonz/rasa?token={SECRETS['HOTLINE_MEDIA_TOKEN']}", json=body
    )
    replies = await answer.json()
    assert replies[0]["recipient_id"] == "j9" and "where is the library" in replies[0]["text"]
    assert (await jambonz.client.post("/hotline/jambonz/rasa?token=x", json=body)).status == 403


async def test_jambonz_forgeries_replays_and_nonsense(jambonz: Jambonz, oracle: Oracle) -> None:
    assert (await jambonz.post("/hotline/jambonz/call", {}, secret="wrong")).status == 403
    assert (await jambonz.post("/hotline/jambonz/call", {}, age_s=400)).status == 403
    for body in (b"", b"[]", b"{", b"\xff", b'{"call_sid": 5}', b"[" * 5000):
        assert (await jambonz.post("/hotline/jambonz/call", body)).status == 400
    assert (await jambonz.client.post("/hotline/jambonz/call", data=b"{}")).status == 403
    assert oracle.asked == []


KEYS = st.sampled_from(["speech", "alternatives", "transcripts", "transcript", "confidence", "digits"])
LEAVES = st.none() | st.booleans() | st.floats() | st.text()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_any_gather_payload_is_a_turn(data: Any) -> None:
    if isinstance(data, dict):
        assert 0 <= heard_in(data).confidence <= 1


@given(st.text(max_size=80), st.binary(max_size=80))
def test_no_made_up_signature_is_genuine(header: str, body: bytes) -> None:
    assert not jambonz_is_genuine("secret", header, body)
    assert not jambonz_is_genuine("", header, body)
    assert not twilio_is_genuine("", PUBLIC_URL, {}, header)
