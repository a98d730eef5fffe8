"""stub"""
from __future__ import annotations

from nlp.entities.model import Entity


class Resolver:
    def __init__(self, gazetteer, rules, synonyms):
        self._synonyms = synonyms

    def resolve(self, text, prepared, spans):
        return [Entity(s.entity, self._synonyms.get(s.entity,{}).get(text[s.start:s.end].lower(), text[s.start:s.end]), s.start, s.end, text[s.start:s.end], s.confidence, "model") for s in spans]
