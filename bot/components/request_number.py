"""Graph component: messages that are about a request whatever their words: its number, an addition, a bare photo."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import INTENT, INTENT_RANKING_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message

from actions.requests.cues import announces_detail, is_attachment, speaks_of_result
from actions.requests.numbers import find_number

ABOUT_ONE, NEW = "request_status", "report_problem"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class RequestNumberGuard(GraphComponent, IntentClassifier):
    """Puts `request_status` first for a number such as LC-2026-48210375, an addition, or a bare word on how it ended, and
    `report_problem` for a photo.

    "LC-2026-48210375 评价 5 分" says in few words what a classifier seldom saw; the number is certain. A photo or a
    position without words belongs to the open report, or begins one. Danger keeps its precedence.
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
        """Override the intent of messages that name a request, or are nothing but a photo or a position."""
        for message in messages:
            intent = (message.get(INTENT) or {}).get("name")
            text = str(message.get(TEXT) or "")
            if intent == "emergency":
                continue
            if find_number(text) or announces_detail(text) or speaks_of_result(text):
                chosen = ABOUT_ONE
            elif is_attachment(text):
                chosen = NEW
            else:
                continue
            ranking = [item for item in message.get(INTENT_RANKING_KEY, []) if item["name"] != chosen]
            ranking.insert(0, {"name": chosen, "confidence": 1.0})
            message.set(INTENT, dict(ranking[0]), add_to_output=True)
            message.set(INTENT_RANKING_KEY, ranking, add_to_output=True)
        return messages
