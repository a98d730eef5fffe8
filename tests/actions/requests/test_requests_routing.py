"""Routing of sentences that nobody learned from, by few examples on the frozen base: what a city's own list gets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rapidfuzz import fuzz, process

from actions.requests.catalogue import Catalogue, read_catalogue
from actions.requests.errors import CategoriesError
from actions.requests.route_heads import Lesson, learned
from actions.requests.routing import Router
from benchmarks.routing import SURE, accuracy, calibration_error, read_lines, routes
from nlp.routing import mark_of


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
    assert calibration_error(lines, found) <= 0.15


def _examples(catalogue: Catalogue) -> list[str]:
    return [
        text.strip().lower()
        for category in catalogue.categories.values()
        for texts in category.examples.values()
        for text in texts
    ]


def test_no_held_out_sentence_is_an_example_and_hardly_one_is_near(catalogue: Catalogue) -> None:
    known, held_out = _examples(catalogue), [line.text.lower() for line in read_lines()]
    assert not set(known) & set(held_out)
    near = process.cdist(held_out, known, scorer=fuzz.ratio, score_cutoff=85).max(axis=1) > 0
    assert near.sum() <= 5


def test_every_category_has_many_ways_to_say_it_in_both_languages(catalogue: Catalogue) -> None:
    for category in (*catalogue.of_kind("report"), *catalogue.of_kind("complaint")):
        least = 10 if category.id.startswith("other_") else 50
        for language in ("zh", "en"):
            assert len(category.examples[language]) >= least, category.id


FEW = """
departments: {a: {zh: 甲, en: A}}
triage: a
urgencies: {%s}
sentences: [said.txt]
categories:
  - {id: swans, name: {zh: 天鹅, en: Swans}, department: a}
  - {id: sledges, name: {zh: 雪橇, en: Sledges}, department: a}
""" % ", ".join(  # noqa: UP031
    f"{level}: {{name: {{zh: 级, en: level}}, respond_h: 1, resolve_h: 2}}"
    for level in ("low", "normal", "urgent", "critical")
)


def write(folder: Path, said: str) -> Path:
    (folder / "said.txt").write_text(said, "utf-8")
    (folder / "categories.yml").write_text(FEW, "utf-8")
    return folder / "categories.yml"


def test_sentence_files_add_to_the_examples(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "# ours\n[swans zh]\n湖里天鹅受伤了\n\n[ sledges en ]\nthe sledge run is closed\n[swans zh]\n天鹅追人\n",
    )
    found = read_catalogue(file)
    assert found.get("swans").examples == {"zh": ("湖里天鹅受伤了", "天鹅追人"), "en": ()}
    assert found.get("sledges").examples["en"] == ("the sledge run is closed",)
    assert read_catalogue(file, sentences=False).get("swans").examples["zh"] == ()


@pytest.mark.parametrize(
    ("said", "line"),
    [("words first\n", 1), ("[swans zh]\nx\n[geese zh]\n", 3), ("[swans]\n", 1), ("[swans de]\nx\n", 1)],
)
def test_a_wrong_sentence_file_is_named_with_its_line(tmp_path: Path, said: str, line: int) -> None:
    with pytest.raises(CategoriesError, match=rf"said\.txt:{line}"):
        read_catalogue(write(tmp_path, said))
    (tmp_path / "said.txt").unlink()
    with pytest.raises(CategoriesError, match="no such file"):
        read_catalogue(tmp_path / "categories.yml")


class Axes:
    """Vectors by words: `swan` and `sledge` are directions of their own; counts what it was asked."""

    fingerprint = "axes"

    def __init__(self) -> None:
        self.asked = 0

    def encode(self, texts: Sequence[str]) -> Any:
        self.asked += len(texts)
        return np.array([[("swan" in t) + 0.01, ("sledge" in t) + 0.01, 0.1] for t in texts], np.float32)


def test_new_categories_work_with_few_examples_and_what_was_learned_is_kept(tmp_path: Path) -> None:
    said = "[swans en]\n" + "".join(f"swan {i}\n" for i in range(6))
    said += "[sledges en]\n" + "".join(f"sledge {i}\n" for i in range(6))
    catalogue, axes = read_catalogue(write(tmp_path, said)), Axes()
    first = Router(catalogue, axes, tmp_path / "heads").route("a swan bit me", "report")
    assert first.category == "swans" and first.confidence > 0.8
    learned = axes.asked
    (kept,) = (tmp_path / "heads").glob("router-*.npz")
    again = Router(catalogue, axes, tmp_path / "heads").route("a swan bit me", "report")
    assert again == first and axes.asked == learned + 1
    kept.write_bytes(b"broken")
    assert Router(catalogue, axes, tmp_path / "heads").route("a swan bit me", "report") == first
    assert axes.asked > learned + 10


def test_confidence_is_set_by_what_was_left_out_of_fine_tuning() -> None:
    rng = np.random.default_rng(3)
    texts, labels = [f"text {i}" for i in range(400)], np.arange(400) % 2
    vectors = rng.normal(size=(400, 4)).astype(np.float32) * 0.3
    vectors[:, 0] += 2 * labels - 1
    # Where the encoder was tuned the classes lie apart; the texts that it never saw are told apart half as well.
    vectors[300:, 0] += rng.normal(size=100).astype(np.float32) * 2
    lesson = Lesson("report", 2, texts, labels, np.zeros((400, 2)))

    def temperature(held_out: Sequence[str]) -> float:
        marks = frozenset(mark_of(text) for text in held_out)
        return learned([lesson], lambda _: vectors, "f", None, marks)["report"].temperature

    assert temperature(texts[300:]) > 1.3 * temperature(texts[:100])
