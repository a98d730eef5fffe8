"""Answers from the city's knowledge base."""

from __future__ import annotations

from actions.errors import NotConfiguredError
from knowledge.service import KnowledgeService

_service: KnowledgeService | None = None


def configure(service: KnowledgeService | None) -> None:
    """Set the service that the actions of this process answer from; `None` removes it."""
    global _service
    _service = service


def get_service() -> KnowledgeService:
    """Return the configured service.

    Raises:
        NotConfiguredError: before `configure` was called.
    """
    if _service is None:
        raise NotConfiguredError("the knowledge base is not open; call actions.setup.configure() first")
    return _service
