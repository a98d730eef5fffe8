"""The citizen's own words, unmasked, from the gateway's store: for staff who may see them, each look logged."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.engine import Engine

from channels.tables import messages
from city.db import reading


def original_texts(engine: Engine, conversation_id: str) -> Mapping[str, str]:
    """Return a conversation's messages as they were written, by message id; none when it is unknown or erased."""
    query = select(messages.c.message_id, messages.c.text).where(
        messages.c.conversation_id == conversation_id
    )
    with reading(engine) as session:
        return {row.message_id: row.text for row in session.execute(query)}
