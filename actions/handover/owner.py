"""Asked by the dispatcher before and after the bot: whose turn is it, and must a person be offered or called?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from actions.handover import wording
from actions.handover.records import WAITING, Case, Ticket
from actions.handover.service import HandoverService
from city.messages import Answer, Message, Reply
from nlp.emergency import emergency_kind

_HAN = re.compile(r"[\u3400-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]{2}")
# Answers that did not help; small talk neither helps nor counts.
_MISSES = frozenset({"fallback", "clarify", "error"})
_NEUTRAL = frozenset({"smalltalk"})


def language_in(text: str, otherwise: str) -> str:
    """Return the language a message is written in as its script tells, `otherwise` for digits and emoji."""
    if _HAN.search(text):
        return "zh"
    return "en" if _LATIN.search(text) else otherwise


class HandoverOwner:
    """A `ConversationOwner` and `ConversationObserver` over the desk. Calls on telephones are left to the hotline."""

    def __init__(self, service: HandoverService) -> None:
        self.service = service

    async def take(self, message: Message) -> tuple[Reply, ...] | None:
        """Return what is said while a person has the conversation; `None` leaves it to the bot."""
        if message.channel in self.service.office.section.telephone_channels:
            return None
        return await asyncio.to_thread(self._take, message)

    async def answered(self, message: Message, answer: Answer) -> Sequence[Reply]:
        """Return the bot's replies, with an offer of a person where rules or misses in a row ask for it."""
        if message.channel in self.service.office.section.telephone_channels:
            return answer.replies
        return await asyncio.to_thread(self._answered, message, answer)

    async def rated(self, conversation_id: str, message_id: str, rating: str, comment: str) -> None:
        """Thumbs under the bot's answers are none of the desk's."""
        return

    async def erased(self, conversation_id: str) -> None:
        """Erase what the desk kept of a conversation."""
        await asyncio.to_thread(self.service.store.erase, conversation_id)
        self.service.office.changed()

    def _take(self, message: Message) -> tuple[Reply, ...] | None:
        reception, text = self.service.reception, message.text
        case = self.service.store.live(message.conversation_id)
        if case is not None:
            return self._to_desk(case, message)
        language = message.language or language_in(text, "zh")
        stars = wording.rating_in(text)
        if stars is not None:
            thanks = reception.rate(message.conversation_id, stars, language)
            return None if thanks is None else (thanks,)
        if wording.wants_message(text):
            return (reception.begin_message(message.conversation_id, message.channel, language),)
        if emergency_kind(text) is not None:
            return None
        rule = self.service.office.rules.match(text, message.channel, message.role, only="hand_over")
        if rule is None or not self._somebody_there(rule.team):
            return None
        ticket = reception.ask(message.conversation_id, message.channel, language, "rule", rule.id, rule)
        if ticket.kind not in (Ticket.QUEUED, Ticket.ALREADY):
            # The bot then answers, and offers to leave a message.
            return None
        if ticket.case is not None:
            # What called the person is the first thing that the operator must read.
            reception.hear(ticket.case, message.message_id, text, language)
        return (reception.say_ticket(ticket, language),)

    def _to_desk(self, case: Case, message: Message) -> tuple[Reply, ...] | None:
        language = language_in(message.text, message.language or case.language)
        danger = emergency_kind(message.text) is not None
        photos = message.metadata.get("attachments") or ()
        said = self.service.reception.hear(
            case, message.message_id, message.text, language, danger=danger, photos=photos
        )
        # In danger the bot gives the numbers to call, as long as no person is there yet.
        return None if danger and case.state == WAITING else said

    def _answered(self, message: Message, answer: Answer) -> Sequence[Reply]:
        sources = {reply.source for reply in answer.replies}
        if sources & {"handoff", "emergency"} or self.service.store.live(message.conversation_id) is not None:
            return answer.replies
        office, section = self.service.office, self.service.office.section
        misses = 0
        if not sources or not sources <= _NEUTRAL:
            missed = bool(sources) and sources <= _MISSES | _NEUTRAL
            misses = office.store.miss(message.conversation_id, missed, office.now())
        if misses and misses == section.hand_over_after_misses and self._somebody_there(""):
            ticket = self.service.reception.ask(
                message.conversation_id, message.channel, answer.language, "misses", str(misses)
            )
            return [*answer.replies, self.service.reception.say_ticket(ticket, answer.language)]
        # What was said to the request form was taken as it was meant, whatever a classifier thought of "anonymous".
        intent = "" if "requests" in sources else _intent(answer)
        rule = office.rules.match(message.text, message.channel, message.role, intent)
        if rule is not None or (
            misses and misses in (section.offer_after_misses, section.hand_over_after_misses)
        ):
            return [*answer.replies, self._offer(answer.language)]
        return answer.replies

    def _somebody_there(self, team: str) -> bool:
        """Return whether anybody could take a conversation: nobody is put unasked into a queue that no one serves."""
        office = self.service.office
        return any(not there.away and office.serves(there.name, team) for there in office.operators())

    def _offer(self, language: str) -> Reply:
        office = self.service.office
        if office.hours.is_open(office.now()):
            zh, en = (
                "需要的话，可以转接工作人员为您处理。",
                "If you like, I can connect you to a member of our staff.",
            )
            return wording.handoff(language, zh, en, [wording.button(wording.PERSON, language)])
        zh, en = (
            "现在不是人工服务时间，您可以留言给工作人员。",
            "Nobody is at the desk now; you can leave a message.",
        )
        return wording.handoff(language, zh, en, [wording.button(wording.LEAVE, language)])


def _intent(answer: Answer) -> str:
    for step in answer.trace.steps:
        if step.get("step") == "nlu":
            return str((step.get("intent") or {}).get("name") or "")
    return ""
