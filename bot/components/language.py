"""Graph component: the language of each message, as an entity that fills the `language` slot."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.shared.nlu.constants import ENTITIES, TEXT
from rasa.shared.nlu.training_data.message import Message

from nlp.language import identify

ENTITY = "reply_language"
DETECTED = "detected_language"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class LanguageIdentifier(GraphComponent, EntityExtractorMixin):
    """Adds the entity `reply_language` ("zh" or "en") and the output `detected_language` to each message.

    The message's metadata may carry `conversation_language`, which decides for texts that tell nothing.
    """

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Return the defaults: Chinese when neither text nor conversation tells."""
        return {"default_language": "zh"}

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> LanguageIdentifier:
        """Create the component from its configuration."""
        return cls(config["default_language"])

    def __init__(self, default_language: str) -> None:
        self._default = default_language

    def process(self, messages: list[Message]) -> list[Message]:
        """Identify the language of each message."""
        for message in messages:
            metadata = message.get("metadata") or {}
            text = message.get(TEXT) or ""
            found = identify(text, metadata.get("conversation_language"), self._default)
            message.set(DETECTED, {"code": found.detected, "method": found.method}, add_to_output=True)
            entity = {
                "entity": ENTITY,
                "value": found.language,
                "start": 0,
                "end": 0,
                "extractor": "LanguageIdentifier",
            }
            message.set(ENTITIES, [*message.get(ENTITIES, []), entity], add_to_output=True)
        return messages
