"""The rules of a telephone dialogue: language, keys, silence, noise, confirmation, repeat, more, a person."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from channels.hotline.call import Call, Heard, Kind, Say, Step, Then
from channels.hotline.config import HotlineSection
from channels.hotline.desk import PhoneDesk
from channels.hotline.numerals import cardinal
from channels.hotline.phrases import declines, is_critical, phrase, wish, yes_or_no
from channels.hotline.spoken import parts_of, speakable
from channels.notice import Notice
from city.masking import mask
from city.messages import Reply
from nlp.emergency import emergency_kind

logger = logging.getLogger(__name__)
_OPTIONS = 6
_SLOWEST, _STEP = 0.6, 0.8
_TOPICS = 3
_NUMBER_DIGITS = 7


@dataclass(frozen=True)
class Spoken:
    """The assistant's answer to one question; no replies mean that a person owns the conversation."""

    language: str
    replies: Sequence[Reply]


Ask = Callable[[Call, str], Awaitable[Spoken]]


class Telephone:
    """Leads a call turn by turn.

    Args:
        section: the settings.
        ask: asks the assistant; may raise, the caller is then told to try again.
        names: the city's and the assistant's names by language.
        desk: takes messages of callers whom nobody can be found for; `None` takes none.
        notice: returns the notice to all citizens; it is said once in each call, before the first answer.
    """

    def __init__(
        self,
        section: HotlineSection,
        ask: Ask,
        names: dict[str, dict[str, str]],
        desk: PhoneDesk | None = None,
        notice: Callable[[], Notice | None] = lambda: None,
    ) -> None:
        self._section = section
        self._desk = desk
        self._ask = ask
        self._names = names
        self._notice = notice

    def begin(self, call: Call) -> Step:
        """Greet in both languages and let the caller choose."""
        says = [Say(phrase("greeting", code, **self._names.get(code, {})), code) for code in ("zh", "en")]
        call.last = [says[0].text]
        return Step(says, language=call.language, rate=call.rate)

    def closed(self, call: Call) -> Step:
        """Say in both languages that the assistant is switched off, and put the call through where that is possible."""
        says = [Say(phrase("closed", code, **self._names.get(code, {})), code) for code in ("zh", "en")]
        if not self._section.transfer_to:
            call.outcome = "abandoned"
            return Step(says, Then.HANG_UP, call.language, call.rate)
        step = self._person(call)
        return replace(step, says=[*says, *step.says])

    async def hear(self, call: Call, heard: Heard) -> Step:
        """Take the caller's turn and return what to say next; changes the call."""
        # An emergency of the caller's own goes first, also when it had to be confirmed.
        urgent = any(emergency_kind(text) is not None for text in (heard.text, call.confirming))
        step = await self._heard(call, heard)
        notice = self._notice()
        # Before anybody has spoken the language is not known.
        early = step.then is Then.LISTEN and heard.kind in (Kind.SILENCE, Kind.NOISE)
        if notice is None or notice.id in call.notices or early or urgent:
            return step
        call.notices.append(notice.id)
        said = parts_of([Reply(notice.text(step.language), "emergency")], step.language)
        return replace(step, says=[*(Say(part, step.language) for part in said), *step.says])

    async def _heard(self, call: Call, heard: Heard) -> Step:
        call.turn += 1
        if heard.kind is Kind.SILENCE:
            return self._missed(call, "silence")
        if heard.kind is Kind.DIGITS:
            return await self._keys(call, heard.text)
        text = heard.text.strip()
        if heard.kind is Kind.NOISE or not text or heard.confidence < self._section.refuse_below:
            return self._missed(call, "noise")
        call.misses = 0
        if call.confirming:
            return await self._confirmed(call, text)
        if call.calling_back and declines(text):
            call.calling_back = False
            return self._said(call, [phrase("ready", call.language)])
        steered = self._steered(call, wish(text))
        if steered is not None:
            return steered
        if heard.confidence < self._section.confirm_below or is_critical(text):
            call.confirming = text
            spoken = speakable(text, call.language)
            return self._said(call, [phrase("confirm", call.language, text=spoken)])
        return await self._content(call, text)

    def unreached(self, call: Call) -> Step:
        """Go on after a transfer that nobody took."""
        call.outcome, call.misses = "", 0
        return self._nobody(call, [phrase("no_person", call.language)])

    async def _keys(self, call: Call, digits: str) -> Step:
        if not digits or any(c not in "0123456789*#" for c in digits):
            return self._missed(call, "noise")
        if digits == "0":
            return self._person(call)
        if call.calling_back and len(digits.rstrip("#")) >= _NUMBER_DIGITS:
            call.caller, call.misses = digits.rstrip("#"), 0
            spoken = speakable(" ".join(call.caller), call.language)
            return self._said(call, [phrase("number_noted", call.language, number=spoken)])
        if call.confirming and digits in "12":
            call.misses = 0
            return await self._confirmed(call, "是" if digits == "1" else "不是")
        if digits.isdecimal() and 0 < int(digits) <= len(call.options):
            call.misses = 0
            return await self._question(call, call.options[int(digits) - 1][1])
        if not call.chosen and digits in "12":
            return self._speak(call, "zh" if digits == "1" else "en", "ready")
        steered = {"7": "slower", "8": "repeat", "9": "more", "*": "menu", "#": "menu"}.get(digits, "")
        if steered:
            call.misses = 0
            return self._steered(call, steered) or self._said(call, [phrase("menu", call.language)])
        if len(digits) > 1:
            # A number typed in: a request number, a postcode.
            call.misses = 0
            return await self._question(call, digits.rstrip("#"))
        return self._missed(call, "no_option")

    def _steered(self, call: Call, wanted: str) -> Step | None:
        language = call.language
        if wanted == "person":
            return self._person(call)
        if wanted == "goodbye":
            call.outcome = "answered"
            return Step([Say(phrase("goodbye", language), language)], Then.HANG_UP, language, call.rate)
        if wanted == "english":
            return self._speak(call, "en", "language")
        if wanted == "chinese":
            return self._speak(call, "zh", "language")
        if wanted == "slower":
            call.rate = max(_SLOWEST, round(call.rate * _STEP, 2))
            return self._step(call, [phrase("slower", language), *call.last])
        if wanted == "repeat":
            return self._step(call, call.last or [phrase("ready", language)])
        if wanted == "menu":
            return self._said(call, [phrase("menu", language)])
        if wanted == "more":
            if not call.rest:
                return self._said(call, [phrase("no_more", language)])
            part = call.rest.pop(0)
            return self._said(call, [part, *([phrase("more", language)] if call.rest else [])])
        return None

    async def _confirmed(self, call: Call, text: str) -> Step:
        agreed, waiting = yes_or_no(text), call.confirming
        call.confirming = ""
        if agreed:
            return await self._content(call, waiting)
        if agreed is None and len(text) > 2:
            # Said anew instead of "no": take that.
            return await self._content(call, text)
        return self._said(call, [phrase("again", call.language)])

    async def _content(self, call: Call, text: str) -> Step:
        """Take what a caller wants to be dealt with: a message for staff where one is awaited, else a question."""
        if not call.calling_back or self._desk is None or emergency_kind(text) is not None:
            return await self._question(call, text)
        try:
            number = await self._desk.call_back(call, text)
        except Exception:
            logger.exception("call: a message for staff could not be kept")
            return self._missed(call, "failed")
        call.calling_back, call.misses, call.outcome = False, 0, "call_back"
        language = call.language
        key = "called_back" if number else "called_back_kept"
        spoken = speakable(" ".join(number.replace("-", "")), language)
        said = [phrase(key, language, number=spoken), phrase("anything_else", language)]
        return self._said(call, said)

    async def _question(self, call: Call, text: str) -> Step:
        call.topics = [*call.topics, mask(text)[:60]][-_TOPICS:]
        try:
            answer = await self._ask(call, text)
        except Exception:
            logger.exception("call: a question could not be answered")
            return self._missed(call, "failed")
        call.misses = 0
        call.language, call.chosen = ("en" if answer.language == "en" else "zh"), True
        if not answer.replies or any(reply.source == "handoff" for reply in answer.replies):
            return self._person(call, parts_of(answer.replies, call.language)[:1])
        language = call.language
        parts = parts_of(answer.replies, language) or [phrase("failed", language)]
        said, call.rest = [parts[0]], parts[1:]
        call.options = [
            [button.title, button.payload] for reply in answer.replies for button in reply.buttons
        ][:_OPTIONS]
        if call.rest:
            said.append(phrase("more", language))
        for number, (title, _) in enumerate(call.options, start=1):
            shown = speakable(title, language)
            said.append(phrase("option", language, title=shown, number=cardinal(str(number), language)))
        if not call.rest and not call.options:
            said.append(phrase("anything_else", language))
        return self._said(call, said)

    def _person(self, call: Call, said: Sequence[str] = ()) -> Step:
        language = call.language
        if not self._section.transfer_to:
            return self._nobody(call, said or [phrase("no_person", language)])
        call.outcome = "transferred"
        topics = (
            phrase("summary_topics", language, topics=("；" if language == "zh" else "; ").join(call.topics))
            if call.topics
            else phrase("summary_none", language)
        )
        summary = [Say(speakable(phrase("summary", language, topics=topics), language), language)]
        return Step(
            [Say(phrase("transfer", language), language)], Then.TRANSFER, language, call.rate, summary
        )

    def _nobody(self, call: Call, said: Sequence[str]) -> Step:
        """Offer to be called back; where nobody would read the message, say what is said otherwise."""
        if self._desk is None:
            return self._said(call, said)
        call.calling_back, call.misses = True, 0
        return self._said(call, [phrase("call_back" if call.caller else "call_back_number", call.language)])

    def _missed(self, call: Call, what: str) -> Step:
        call.misses += 1
        if call.misses >= self._section.misses:
            if self._section.transfer_to:
                return self._person(call)
            call.outcome = "abandoned"
            says = [Say(phrase("goodbye", call.language), call.language)]
            return Step(says, Then.HANG_UP, call.language, call.rate)
        key = f"{what}_again" if call.misses > 1 and what in ("silence", "noise") else what
        said = [phrase(key, call.language)]
        if not call.chosen and what == "silence":
            other = "en" if call.language == "zh" else "zh"
            return Step(
                [Say(said[0], call.language), Say(phrase(key, other), other)],
                language=call.language,
                rate=call.rate,
            )
        return self._step(call, said)

    def _speak(self, call: Call, language: str, key: str) -> Step:
        call.language, call.chosen, call.misses = language, True, 0
        return self._said(call, [phrase(key, language)])

    def _said(self, call: Call, texts: Sequence[str]) -> Step:
        call.last = list(texts)
        return self._step(call, texts)

    def _step(self, call: Call, texts: Sequence[str]) -> Step:
        return Step([Say(text, call.language) for text in texts], language=call.language, rate=call.rate)
