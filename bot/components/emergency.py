"""Graph component: words of mortal danger win over whatever the classifier thought."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import INTENT, INTENT_RANKING_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message

from nlp.emergency import emergency_kind

INTENT_NAME = "emergency"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class EmergencyGuard(GraphComponent, IntentClassifier):
    """Puts the intent `emergency` first when the text says that somebody is in danger now.

    A classifier may be wrong once in a hundred; here that could cost a life, so plain rules stand beside it.
    """

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> EmergencyGuard:
        """Create the component; it has no configuration."""
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        """Override the intent of messages that tell of an emergency."""
        for message in messages:
            kind = emergency_kind(str(message.get(TEXT) or ""))
            if kind is None:
                continue
            ranking = [item for item in message.get(INTENT_RANKING_KEY, []) if item["name"] != INTENT_NAME]
            ranking.insert(0, {"name": INTENT_NAME, "confidence": 1.0})
            message.set(INTENT, dict(ranking[0]), add_to_output=True)
            message.set(INTENT_RANKING_KEY, ranking, add_to_output=True)
        return messages
