"""jambonz: signed webhooks in, verbs as JSON out; and the REST form that its `rasa` verb speaks."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web

from channels.hotline.call import Heard, Kind, Say, Step, Then
from channels.hotline.service import Hotline, UnknownCallError
from channels.hotline.signatures import jambonz_is_genuine, token_is_right
from channels.problem import Problem

PROVIDER = "jambonz"
_RECOGNISED = {"zh": "zh-CN", "en": "en-US"}
_SPOKEN = {"zh": "cmn-CN", "en": "en-US"}
_DIAL_S = 30


class Jambonz:
    """The routes of one jambonz application; its calling webhook is `/hotline/jambonz/call`."""

    def __init__(self, hotline: Hotline) -> None:
        self._hotline = hotline

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/hotline/jambonz/call", self.call),
            web.post("/hotline/jambonz/turn", self.turn),
            web.post("/hotline/jambonz/dialled", self.dialled),
            web.post("/hotline/jambonz/whisper", self.whisper),
            web.post("/hotline/jambonz/status", self.status),
            web.post("/hotline/jambonz/rasa", self.rasa),
        ]

    async def call(self, request: web.Request) -> web.Response:
        """Take a call."""
        data = await self._genuine(request)
        step = await self._hotline.begin(PROVIDER, data["call_sid"], str(data.get("from") or ""))
        return web.json_response(self._verbs(step, 1))

    async def turn(self, request: web.Request) -> web.Response:
        """Take what was said or keyed."""
        data = await self._genuine(request)
        number = _number(request.query.get("n", ""))
        try:
            step = await self._hotline.hear(PROVIDER, data["call_sid"], heard_in(data), number)
        except UnknownCallError:
            return web.json_response([{"verb": "hangup"}])
        return web.json_response(self._verbs(step, number + 1))

    async def dialled(self, request: web.Request) -> web.Response:
        """Go on after a transfer."""
        data = await self._genuine(request)
        if data.get("dial_call_status") == "completed":
            return web.json_response([{"verb": "hangup"}])
        try:
            step = await self._hotline.not_transferred(PROVIDER, data["call_sid"])
        except UnknownCallError:
            return web.json_response([{"verb": "hangup"}])
        return web.json_response(self._verbs(step, _number(request.query.get("n", ""))))

    async def whisper(self, request: web.Request) -> web.Response:
        """Tell the person who takes the call over what it is about."""
        data = await self._genuine(request)
        try:
            step = await self._hotline.step_of(PROVIDER, str(data.get("parent_call_sid") or data["call_sid"]))
        except UnknownCallError:
            return web.json_response([])
        return web.json_response([_say(say, 1.0) for say in step.summary])

    async def status(self, request: web.Request) -> web.Response:
        """Close the record when the call is over."""
        data = await self._genuine(request)
        if data.get("call_status") in ("completed", "failed", "busy", "no-answer"):
            await self._hotline.end(PROVIDER, data["call_sid"])
        return web.Response(status=204)

    async def rasa(self, request: web.Request) -> web.Response:
        """Serve the `rasa` verb: `{"sender","message"}` → `[{"recipient_id","text"}]`, with `?token=` in the address."""
        if not token_is_right(
            self._hotline.secrets.get("HOTLINE_MEDIA_TOKEN", ""), request.query.get("token", "")
        ):
            raise Problem("forbidden", "令牌不正确。", "The token is not right.")
        data = _object(await request.read())
        sender, text = data.get("sender"), data.get("message")
        if not isinstance(sender, str) or not 0 < len(sender) <= 128 or not isinstance(text, str):
            raise Problem("bad-request", "缺少 sender 或 message。", "`sender` or `message` is missing.")
        await self._hotline.begin(PROVIDER, sender, "")
        try:
            step = await self._hotline.hear(PROVIDER, sender, Heard(Kind.SPEECH, text))
        except UnknownCallError:
            return web.json_response([])
        return web.json_response([{"recipient_id": sender, "text": say.text} for say in step.says])

    async def _genuine(self, request: web.Request) -> dict[str, Any]:
        body = await request.read()
        secret = self._hotline.secrets.get("JAMBONZ_WEBHOOK_SECRET", "")
        if not jambonz_is_genuine(secret, request.headers.get("Jambonz-Signature", ""), body):
            raise Problem("forbidden", "签名校验失败。", "The signature is not valid.")
        data = _object(body)
        if not isinstance(data.get("call_sid"), str) or not 0 < len(data["call_sid"]) <= 128:
            raise Problem("bad-request", "缺少 call_sid。", "`call_sid` is missing.")
        return data

    def _verbs(self, step: Step, following: int) -> list[dict[str, Any]]:
        if step.then is Then.LISTEN:
            *before, last = step.says or (Say("", step.language),)
            gather = {
                "verb": "gather",
                "actionHook": f"/hotline/jambonz/turn?n={following}",
                "input": ["digits", "speech"],
                # Playing stops at the first recognised word, not at a noise.
                "bargein": True,
                "minBargeinWordCount": 1,
                "dtmfBargein": True,
                "finishOnKey": "#",
                "interDigitTimeout": 2,
                "timeout": self._hotline.section.silence_s,
                "recognizer": {"language": _RECOGNISED[step.language]},
                "say": {key: value for key, value in _say(last, step.rate).items() if key != "verb"},
            }
            return [*(_say(say, step.rate) for say in before), gather]
        verbs = [_say(say, step.rate) for say in step.says]
        if step.then is Then.TRANSFER:
            target = self._hotline.section.transfer_to
            kind = (
                {"type": "sip", "sipUri": target}
                if target.startswith("sip:")
                else {"type": "phone", "number": target}
            )
            return [
                *verbs,
                {
                    "verb": "dial",
                    "target": [kind],
                    "timeout": _DIAL_S,
                    "answerOnBridge": True,
                    "confirmHook": "/hotline/jambonz/whisper",
                    "actionHook": f"/hotline/jambonz/dialled?n={following}",
                },
            ]
        return [*verbs, {"verb": "hangup"}]


def heard_in(data: dict[str, Any]) -> Heard:
    """Return what a gather callback tells; of several alternatives the first, which jambonz puts best."""
    digits = data.get("digits")
    if isinstance(digits, str) and digits:
        return Heard(Kind.DIGITS, digits)
    speech = data.get("speech")
    if not isinstance(speech, dict):
        return Heard(Kind.SILENCE)
    holders = [speech, *_objects(speech.get("transcripts"))]
    alternatives = [found for holder in holders for found in _objects(holder.get("alternatives"))]
    found = [one for one in alternatives if isinstance(one.get("transcript"), str)]
    if not found or not found[0]["transcript"].strip():
        return Heard(Kind.NOISE)
    confidence = found[0].get("confidence")
    sure = float(confidence) if isinstance(confidence, (int, float)) and 0 < confidence <= 1 else 1.0
    return Heard(Kind.SPEECH, found[0]["transcript"], sure)


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem("bad-json", "不是合法的 JSON。", "The body is not valid JSON.") from error
    if not isinstance(data, dict):
        raise Problem("bad-request", "应为 JSON 对象。", "The body must be a JSON object.")
    return data


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 1


def _say(say: Say, rate: float) -> dict[str, Any]:
    text = say.text
    if rate != 1.0:
        text = f'<speak><prosody rate="{round(rate * 100)}%">{escape(text)}</prosody></speak>'
    return {"verb": "say", "text": text, "synthesizer": {"language": _SPOKEN[say.language]}}
