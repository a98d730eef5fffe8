"""What all tests share."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

# A loaded machine is slow now and then; that is no failure of the code.
settings.register_profile("chengda", deadline=None)
settings.load_profile("chengda")

TESTS = Path(__file__).parent
# Files that take longest, longest first. A worker takes file after file; a long one left for the end would run alone.
SLOWEST = (
    "e2e/talk/test_requests_conversations.py",
    "e2e/test_start.py",
    "e2e/test_rasa.py",
    "e2e/browser/test_desk_page.py",
    "e2e/talk/test_handover_conversations.py",
    "e2e/talk/test_requests_routing_quality.py",
    "e2e/browser/test_console_insight.py",
    "training/test_nlu_train.py",
    "knowledge/test_quality.py",
    "training/test_base_pipeline.py",
    "bot/test_training.py",
    "bot/test_brain.py",
    "actions/energy/test_dialogue.py",
    "actions/traffic/test_sumo.py",
    "actions/energy/test_analysis.py",
    "training/test_reranking_training.py",
    "console/test_nlu_job.py",
    "actions/traffic/test_traffic_command.py",
    "knowledge/test_index.py",
    "actions/requests/test_open311_sync.py",
    "actions/opinion/test_opinion_pipeline.py",
    "channels/test_kill.py",
    "actions/notices/test_notices_telling.py",
    "channels/test_feedback_to_knowledge.py",
    "actions/traffic/test_timing.py",
    "training/test_sentiment_training.py",
    "training/test_routing_training.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order whole files: the slowest first, the others by their number of tests."""
    rank = {TESTS / name: number for number, name in enumerate(SLOWEST)}
    count = Counter(item.path for item in items)
    items.sort(key=lambda item: (rank.get(item.path, len(rank)), -count[item.path], str(item.path)))
