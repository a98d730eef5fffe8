"""How well reports find their category: `python -m benchmarks.routing [--write]`, on held-out sentences.

Compares the router as it ships (a logistic head on the fine-tuned base, and keywords) with the frozen base, with
fewer examples, and with keywords alone, and says how far its confidence can be trusted. The fine-tuned base must have been
exported: `chengda train routing`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actions.requests.catalogue import Catalogue, read_catalogue
from actions.requests.routing import Route, Router
from actions.requests.settings import RequestsSection
from nlp.encoder import Encoder
from nlp.routing import TunedRouter, find_tuned

ROOT = Path(__file__).resolve().parents[1]
HELD_OUT = ROOT / "tests" / "data" / "requests" / "routing.txt"
CATEGORIES = ROOT / "actions" / "requests" / "demo" / "categories.yml"
PAGE = Path(__file__).with_suffix(".md")
SURE = float(RequestsSection.__fields__["sure_route"].default)
BINS = 10


@dataclass(frozen=True)
class Line:
    """One held-out sentence and the category that a person gave it."""

    category: str
    language: str
    text: str


def read_lines(file: Path = HELD_OUT) -> list[Line]:
    """Return the held-out sentences: `category | zh | … || en | …` on each line."""
    found = []
    for row in file.read_text("utf-8").splitlines():
        if not row.strip() or row.startswith("#"):
            continue
        head, english = row.split("||")
        category, *chinese = (part.strip() for part in head.split("|"))
        found += [Line(category, "zh", text) for text in chinese]
        found += [Line(category, "en", text.strip()) for text in english.split("|")]
    return found


def routes(router: Router, catalogue: Catalogue, lines: Sequence[Line]) -> list[Route]:
    """Return where the router sends each sentence, among the categories of its kind."""
    return [router.route(line.text, catalogue.get(line.category).kind) for line in lines]


def accuracy(lines: Sequence[Line], found: Sequence[Route], language: str = "") -> float:
    """Return the share of sentences whose first category is right, of one language if named."""
    right = [
        route.category == line.category
        for line, route in zip(lines, found, strict=True)
        if not language or line.language == language
    ]
    return sum(right) / len(right)


def calibration_error(lines: Sequence[Line], found: Sequence[Route]) -> float:
    """Return the expected calibration error over ten bins of equal width (Guo et al. 2017)."""
    confidence = np.array([route.confidence for route in found])
    right = np.array([r.category == line.category for line, r in zip(lines, found, strict=True)])
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).sum()
        for b in range(BINS)
        if (bins == b).any()
    ]
    return float(sum(gaps) / len(found))


def _row(name: str, lines: Sequence[Line], found: Sequence[Route]) -> str:
    top3 = sum(
        line.category in [category for category, _ in route.ranking[:3]]
        for line, route in zip(lines, found, strict=True)
    )
    sure = [(line, route) for line, route in zip(lines, found, strict=True) if route.confidence >= SURE]
    right = sum(route.category == line.category for line, route in sure)
    return (
        f"| {name} | {accuracy(lines, found):.1%} | {accuracy(lines, found, 'zh'):.1%} "
        f"| {accuracy(lines, found, 'en'):.1%} | {top3 / len(lines):.1%} | {len(sure) / len(lines):.1%} "
        f"| {right / max(1, len(sure)):.1%} | {calibration_error(lines, found):.3f} |"
    )


def load_tuned(catalogue: Catalogue, data: Path = ROOT / "var") -> TunedRouter:
    """Return the fine-tuned router of a data directory; ends the program where there is none."""
    found = find_tuned(data, ROOT / "nlp" / "base", catalogue.categories)
    if found is None:
        raise SystemExit(f"{data}: no fine-tuned router that fits; run `chengda train routing` first")
    return found


def _timed(router: Router, catalogue: Catalogue, lines: Sequence[Line]) -> tuple[list[Route], float]:
    """Return the routes, and the CPU milliseconds that one takes."""
    before = time.process_time()
    found = routes(router, catalogue, lines)
    return found, 1000 * (time.process_time() - before) / len(lines)


def page() -> str:
    """Return the page of results."""
    catalogue, lines = read_catalogue(CATEGORIES), read_lines()
    few = read_catalogue(CATEGORIES, sentences=False)
    encoder, tuned = Encoder.load(ROOT / "nlp" / "base"), load_tuned(catalogue)
    own, held_out = Encoder.load(tuned.folder), tuned.manifest.held_out
    shipped = "as shipped: head on the fine-tuned base, and keywords"
    routers = {
        shipped: Router(catalogue, own, None, held_out=held_out),
        "the same without keywords": Router(catalogue, own, None, held_out=held_out, keywords=False),
        "head on the frozen base, and keywords": Router(catalogue, encoder, None),
        "the same with the few examples of the file of categories": Router(few, encoder, None),
        "keywords alone": Router(catalogue, None, None),
    }
    timed = {name: _timed(router, catalogue, lines) for name, router in routers.items()}
    best = timed[shipped][0]
    missed: dict[str, list[str]] = defaultdict(list)
    of: dict[str, list[bool]] = defaultdict(list)
    for line, route in zip(lines, best, strict=True):
        of[line.category].append(route.category == line.category)
        if route.category != line.category:
            missed[line.category].append(f"{route.category} ({route.confidence:.2f})")
    rows = [f"{_row(name, lines, results)} {cost:.1f} |" for name, (results, cost) in timed.items()]
    per = [
        f"| {category} | {sum(right)} of {len(right)} | {', '.join(missed[category])} |"
        for category, right in of.items()
    ]
    counts = {
        language: sum(len(c.examples[language]) for c in catalogue.categories.values())
        for language in ("zh", "en")
    }
    return "\n".join(
        [
            "# Routing of reports and complaints",
            "",
            f"`python -m benchmarks.routing --write`: {len(lines)} held-out sentences, {len(of)} categories, three per",
            "category and language (`tests/data/requests/routing.txt`). A request below the confidence of "
            f"{SURE:g} goes to a person, who sees the category and its confidence.",
            "",
            f"Learned from {counts['zh']} Chinese and {counts['en']} English sentences of our own "
            "(`actions/requests/demo`). The number of passes, the learning rate, the keywords'",
            "weight and the temperature were chosen on sentences left out of these, never on the held-out ones. "
            "Seven of the first examples resemble a held-out sentence (Levenshtein ratio of 80 or more); of the sentences "
            "written later none does.",
            "",
            "| router | right | zh | en | right among three offered | sure | right when sure | calibration error "
            "| CPU ms a sentence |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "Per category, as shipped, and where the others went (with the confidence):",
            "",
            "| category | right | taken for |",
            "|---|---|---|",
            *per,
            "",
        ]
    )


def main() -> None:
    """Print the page, or write it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/routing.md")
    arguments = parser.parse_args()
    text = page()
    if arguments.write:
        PAGE.write_text(text, "utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
