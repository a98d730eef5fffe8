"""Routing on sentences that nobody learned from: right often enough, and honest about when it is not."""

from __future__ import annotations

from actions.requests.catalogue import Catalogue
from actions.requests.routing import Router
from benchmarks.routing import SURE, accuracy, calibration_error, read_lines, routes


def test_held_out_reports_find_their_category_and_confidence_can_be_trusted(
    router: Router, catalogue: Catalogue
) -> None:
    lines = read_lines()
    assert {line.category for line in lines} >= {
        category.id
        for kind in ("report", "complaint")
        for category in catalogue.of_kind(kind)
        if not category.id.startswith("other_")
    }
    found = routes(router, catalogue, lines)
    for language in ("zh", "en"):
        assert accuracy(lines, found, language) >= 0.76
    offered = [
        line.category in [category for category, _ in route.ranking[:3]]
        for line, route in zip(lines, found, strict=True)
    ]
    assert sum(offered) / len(lines) >= 0.92
    sure = [(line, route) for line, route in zip(lines, found, strict=True) if route.confidence >= SURE]
    assert sum(route.category == line.category for line, route in sure) / len(sure) >= 0.88
    assert calibration_error(lines, found) <= 0.17


def test_no_held_out_sentence_is_an_example(catalogue: Catalogue) -> None:
    known = {
        text.strip().lower()
        for category in catalogue.categories.values()
        for texts in category.examples.values()
        for text in texts
    }
    assert not known & {line.text.lower() for line in read_lines()}
