"""Graph component: a message with a request's number, or one that adds to a request, is about that request."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import INTENT, INTENT_RANKING_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message

from actions.requests.cues import announces_detail
from actions.requests.numbers import find_number

INTENT_NAME = "request_status"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class RequestNumberGuard(GraphComponent, IntentClassifier):
    """Puts the intent `request_status` first when the text holds a number such as LC-2026-48210375, or adds something.

    "LC-2026-48210375 评价 5 分" says in few words what a classifier seldom saw; the number is certain. Danger keeps
    its precedence.
    """

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> RequestNumberGuard:
        """Create the component; it has no configuration."""
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        """Override the intent of messages that name a request."""
        for message in messages:
            intent = (message.get(INTENT) or {}).get("name")
            text = str(message.get(TEXT) or "")
            if intent == "emergency" or not (find_number(text) or announces_detail(text)):
                continue
            ranking = [item for item in message.get(INTENT_RANKING_KEY, []) if item["name"] != INTENT_NAME]
            ranking.insert(0, {"name": INTENT_NAME, "confidence": 1.0})
            message.set(INTENT, dict(ranking[0]), add_to_output=True)
            message.set(INTENT_RANKING_KEY, ranking, add_to_output=True)
        return messages
