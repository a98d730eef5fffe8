"""Graph component: intent and entities from the finished joint BERT model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.shared.constants import DEFAULT_NLU_FALLBACK_INTENT_NAME
from rasa.shared.nlu.constants import ENTITIES, INTENT, INTENT_RANKING_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message

from bot.components import models
from nlp.joint import Prediction


@DefaultV1Recipe.register(
    [DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR],
    is_trainable=False,
)
class JointBertClassifier(GraphComponent, IntentClassifier, EntityExtractorMixin):
    """Sets intent, ranking and entities by one forward pass of the joint model.

    `model` names a model directory; empty means the city's current one, which is taken up again whenever it
    changes on disk. Below the model's own thresholds the intent is Rasa's `nlu_fallback`, with the real ranking
    behind it.
    """

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Return the defaults: the current model of the settings' data directory."""
        return {"model": "", "ranking_length": 5}

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> JointBertClassifier:
        """Create the component; the model itself is loaded with the first message."""
        return cls(config)

    def __init__(self, config: dict[str, Any]) -> None:
        self._source = models.source(Path(config["model"]) if config["model"] else None)
        self._ranking_length = int(config["ranking_length"])

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str | None:
        """Return the content hash of the model directory, so that Rasa's cache notices a new model."""
        return models.source(Path(config["model"]) if config.get("model") else None).fingerprint()

    def process(self, messages: list[Message]) -> list[Message]:
        """Predict intent and entities for each message."""
        texts = [str(message.get(TEXT) or "") for message in messages]
        if not texts:
            return messages
        directory, model = self._source.loaded()
        for message, prediction in zip(messages, model.predict(texts), strict=True):
            self._apply(message, prediction)
            message.set(models.MODEL, directory.name, add_to_output=True)
        return messages

    def _apply(self, message: Message, prediction: Prediction) -> None:
        ranking = [
            {"name": name, "confidence": float(confidence)}
            for name, confidence in prediction.ranking[: self._ranking_length]
        ]
        if not prediction.accepted:
            ranking.insert(
                0,
                {"name": DEFAULT_NLU_FALLBACK_INTENT_NAME, "confidence": float(1.0 - prediction.confidence)},
            )
        message.set(INTENT, dict(ranking[0]), add_to_output=True)
        message.set(INTENT_RANKING_KEY, ranking, add_to_output=True)
        entities = [
            {
                "entity": entity.entity,
                "value": entity.value,
                "start": entity.start,
                "end": entity.end,
                "confidence_entity": float(entity.confidence),
                "extractor": "JointBertClassifier",
            }
            for entity in prediction.entities
        ]
        message.set(ENTITIES, [*message.get(ENTITIES, []), *entities], add_to_output=True)
