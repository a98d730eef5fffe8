"""The brain as `chengda run` loads it, once for all conversations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.servers import settings_for


@pytest.fixture(scope="session")
def talking_brain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The trained language model, the dialogue and the city's modules, with a data directory of their own."""
    folder = tmp_path_factory.mktemp("talk")
    before = os.environ.get("CHENGDA_CITY")
    os.environ["CHENGDA_CITY"] = str(settings_for(folder))
    from actions import setup
    from bot.components import models
    from chengda.compose import make_brain
    from city.settings import load_settings

    models.source.cache_clear()
    settings = load_settings()
    setup.configure(settings)
    made = make_brain(settings)
    made.load()
    yield made
    made.close()
    models.source.cache_clear()
    if before is None:
        del os.environ["CHENGDA_CITY"]
    else:
        os.environ["CHENGDA_CITY"] = before


@pytest.fixture
def brain(talking_brain: Any) -> Any:
    """The brain, with no request of an earlier conversation, so that nothing is offered as a duplicate."""
    from sqlalchemy import delete

    from actions import requests
    from actions.requests import tables
    from city.db import writing

    with writing(requests.get_service().store.engine) as session:
        for table in (
            tables.events,
            tables.followers,
            tables.misses,
            tables.outbox,
            tables.photos,
            tables.requests,
        ):
            session.execute(delete(table))
    return talking_brain
