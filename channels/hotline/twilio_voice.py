"""Twilio Programmable Voice: webhooks in, TwiML out (Gather for speech and keys, Dial for a person)."""

from __future__ import annotations

import math

from aiohttp import web
from twilio.twiml.voice_response import Dial, Gather, VoiceResponse

from channels.hotline.call import Heard, Kind, Say, Step, Then
from channels.hotline.service import Hotline, UnknownCallError
from channels.hotline.signatures import twilio_is_genuine
from channels.problem import Problem

PROVIDER = "twilio"
_RECOGNISED = {"zh": "cmn-Hans-CN", "en": "en-US"}
_SPOKEN = {"zh": ("cmn-CN", "Polly.Zhiyu"), "en": ("en-US", "Polly.Joanna")}
_DIAL_S = 30


class TwilioVoice:
    """The routes of one Twilio number; its Voice webhook is `/hotline/twilio/voice`."""

    def __init__(self, hotline: Hotline) -> None:
        self._hotline = hotline

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/hotline/twilio/voice", self.voice),
            web.post("/hotline/twilio/turn", self.turn),
            web.post("/hotline/twilio/dialled", self.dialled),
            web.post("/hotline/twilio/whisper", self.whisper),
            web.post("/hotline/twilio/status", self.status),
        ]

    async def voice(self, request: web.Request) -> web.Response:
        """Take a call."""
        form = await self._genuine(request)
        step = await self._hotline.begin(PROVIDER, form["CallSid"], form.get("From", ""))
        return self._twiml(step, 1)

    async def turn(self, request: web.Request) -> web.Response:
        """Take what was said or keyed."""
        form = await self._genuine(request)
        number = _number(request.query.get("n", ""))
        try:
            step = await self._hotline.hear(PROVIDER, form["CallSid"], heard_in(form), number)
        except UnknownCallError:
            return self._hang_up()
        return self._twiml(step, number + 1)

    async def dialled(self, request: web.Request) -> web.Response:
        """Go on after a transfer: hang up when a person spoke to the caller, else return to the assistant."""
        form = await self._genuine(request)
        if form.get("DialCallStatus") in ("completed", "answered"):
            return self._hang_up()
        try:
            step = await self._hotline.not_transferred(PROVIDER, form["CallSid"])
        except UnknownCallError:
            return self._hang_up()
        return self._twiml(step, _number(request.query.get("n", "")))

    async def whisper(self, request: web.Request) -> web.Response:
        """Tell the person who takes the call over what it is about, before the two are joined."""
        form = await self._genuine(request)
        response = VoiceResponse()
        try:
            # The leg to the person is a call of its own; the citizen's is its parent.
            step = await self._hotline.step_of(PROVIDER, form.get("ParentCallSid") or form["CallSid"])
        except UnknownCallError:
            return _xml(response)
        for say in step.summary:
            _say(response, say, 1.0)
        return _xml(response)

    async def status(self, request: web.Request) -> web.Response:
        """Close the record when Twilio tells that the call is over."""
        form = await self._genuine(request)
        if form.get("CallStatus") in ("completed", "busy", "failed", "no-answer", "canceled"):
            await self._hotline.end(PROVIDER, form["CallSid"])
        return web.Response(status=204)

    async def _genuine(self, request: web.Request) -> dict[str, str]:
        try:
            form = {name: str(value) for name, value in (await request.post()).items()}
        except (ValueError, UnicodeError) as error:
            raise Problem("bad-request", "表单无法解析。", "The form cannot be read.") from error
        url = f"{self._hotline.section.public_url}{request.path_qs}"
        token = self._hotline.secrets.get("TWILIO_AUTH_TOKEN", "")
        if not twilio_is_genuine(token, url, form, request.headers.get("X-Twilio-Signature", "")):
            raise Problem("forbidden", "签名校验失败。", "The signature is not valid.")
        if not form.get("CallSid") or len(form["CallSid"]) > 128:
            raise Problem("bad-request", "缺少 CallSid。", "CallSid is missing.")
        return form

    def _twiml(self, step: Step, following: int) -> web.Response:
        response = VoiceResponse()
        if step.then is Then.LISTEN:
            gather = Gather(
                input="dtmf speech",
                action=f"/hotline/twilio/turn?n={following}",
                method="POST",
                timeout=math.ceil(self._hotline.section.silence_s),
                speech_timeout="auto",
                num_digits=1,
                language=_RECOGNISED[step.language],
                action_on_empty_result=True,
            )
            for say in step.says:
                _say(gather, say, step.rate)
            response.append(gather)
            return _xml(response)
        for say in step.says:
            _say(response, say, step.rate)
        if step.then is Then.TRANSFER:
            dial = Dial(
                action=f"/hotline/twilio/dialled?n={following}",
                method="POST",
                timeout=_DIAL_S,
                answer_on_bridge=True,
            )
            self._add_target(dial)
            response.append(dial)
        else:
            response.hangup()
        return _xml(response)

    def _add_target(self, dial: Dial) -> None:
        target = self._hotline.section.transfer_to
        if target.startswith("sip:"):
            dial.sip(target, url="/hotline/twilio/whisper", method="POST")
        else:
            dial.number(target, url="/hotline/twilio/whisper", method="POST")

    def _hang_up(self) -> web.Response:
        response = VoiceResponse()
        response.hangup()
        return _xml(response)


def heard_in(form: dict[str, str]) -> Heard:
    """Return what a Gather callback tells."""
    if form.get("Digits"):
        return Heard(Kind.DIGITS, form["Digits"])
    if form.get("SpeechResult"):
        try:
            confidence = min(1.0, max(0.0, float(form.get("Confidence", "1"))))
        except ValueError:
            confidence = 1.0
        # Twilio gives 0.0 for recognisers that tell no confidence.
        return Heard(Kind.SPEECH, form["SpeechResult"], confidence or 1.0)
    return Heard(Kind.SILENCE)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 1


def _say(parent: VoiceResponse | Gather, say: Say, rate: float) -> None:
    language, voice = _SPOKEN[say.language]
    if rate == 1.0:
        parent.say(say.text, language=language, voice=voice)
    else:
        parent.say("", language=language, voice=voice).prosody(say.text, rate=f"{round(rate * 100)}%")


def _xml(response: VoiceResponse) -> web.Response:
    return web.Response(text=str(response), content_type="application/xml", charset="utf-8")
