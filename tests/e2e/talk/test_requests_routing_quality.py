"""The router as it ships, fine-tuned and exported as at a first start, on sentences that nobody trained on."""

from __future__ import annotations

import pytest

from actions.requests.catalogue import read_catalogue
from actions.requests.routing import Router
from benchmarks.routing import CATEGORIES, SURE, accuracy, calibration_error, load_tuned, read_lines, routes
from nlp.encoder import Encoder
from nlp.routing import heads_dir
from tests.e2e.servers import trained_models

pytestmark = pytest.mark.e2e


def test_held_out_reports_find_their_category_and_confidence_can_be_trusted() -> None:
    data = trained_models().parent
    catalogue, lines = read_catalogue(CATEGORIES), read_lines()
    tuned = load_tuned(catalogue, data)
    router = Router(catalogue, Encoder.load(tuned.folder), heads_dir(data), held_out=tuned.manifest.held_out)
    found = routes(router, catalogue, lines)
    assert accuracy(lines, found) >= 0.9
    for language in ("zh", "en"):
        assert accuracy(lines, found, language) >= 0.89
    offered = [
        line.category in [category for category, _ in route.ranking[:3]]
        for line, route in zip(lines, found, strict=True)
    ]
    assert sum(offered) / len(lines) >= 0.98
    sure = [(line, route) for line, route in zip(lines, found, strict=True) if route.confidence >= SURE]
    assert len(sure) / len(lines) >= 0.85
    assert sum(route.category == line.category for line, route in sure) / len(sure) >= 0.95
    assert calibration_error(lines, found) <= 0.06
