"""Rasa actions that belong to no city module."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answers.actions import answer, is_wanted_again
from actions.general.replies import emergency_reply, language_reply, wished_language
from actions.sdk import language_of, say
from city.messages import Reply
from city.settings import current_settings
from nlp.emergency import emergency_kind


class ActionEmergency(Action):
    """Gives the emergency numbers at once, the one that fits first."""

    def name(self) -> str:
        return "action_emergency"

    def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        text = str(tracker.latest_message.get("text") or "")
        say(
            dispatcher,
            emergency_reply(current_settings().emergency, emergency_kind(text), language_of(tracker)),
        )
        return []


class ActionChangeLanguage(Action):
    """Goes on in the language that the citizen asked for, and gives the last answer in it."""

    def name(self) -> str:
        return "action_change_language"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        text = str(tracker.latest_message.get("text") or "")
        language = wished_language(text)
        if language and is_wanted_again(tracker, language):
            events = await answer(dispatcher, tracker, True, wished=language)
            return [*events, SlotSet("language", language)]
        say(dispatcher, language_reply(language, language_of(tracker)))
        return [SlotSet("language", language)] if language else []


class ActionRepeat(Action):
    """Says the last answer again."""

    def name(self) -> str:
        return "action_repeat"

    def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        replies = _last_replies(tracker)
        for reply in replies:
            say(dispatcher, reply)
        if not replies:
            english = language_of(tracker) == "en"
            text = (
                "I haven't said anything yet. What would you like to know?"
                if english
                else "我还没有回答过问题，请问您想了解什么？"
            )
            say(dispatcher, Reply(text, "smalltalk"))
        return []


class ActionForgetTopic(Action):
    """Forgets what the conversation was about."""

    def name(self) -> str:
        return "action_forget_topic"

    def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        states = [name for name in tracker.slots if name.endswith("_state")]
        return [SlotSet(name, None) for name in (*states, "last_topic")]


def _last_replies(tracker: Tracker) -> list[Reply]:
    """Return the bot's messages of the last turn that had any, in order."""
    replies: list[Reply] = []
    for event in reversed(tracker.events):
        if event.get("event") == "bot":
            custom = (event.get("data") or {}).get("custom") or {}
            if "reply" in custom:
                replies.append(Reply.from_dict(custom["reply"]))
            elif event.get("text"):
                replies.append(Reply(str(event["text"]), "smalltalk"))
        elif event.get("event") == "user" and replies:
            break
    return replies[::-1]
