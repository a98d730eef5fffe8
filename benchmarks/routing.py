"""How well reports find their category: `python -m benchmarks.routing [--write]`, on held-out sentences.

Compares the router as it ships (a logistic head on the frozen bilingual base, and keywords) with each half alone,
and says how far its confidence can be trusted.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actions.requests.catalogue import Catalogue, read_catalogue
from actions.requests.routing import Route, Router
from actions.requests.settings import RequestsSection
from nlp.encoder import Encoder

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


def page() -> str:
    """Return the page of results."""
    catalogue, lines = read_catalogue(CATEGORIES), read_lines()
    encoder = Encoder.load(ROOT / "nlp" / "base")
    shipped = Router(catalogue, encoder, None)
    words_only = Router(catalogue, None, None)
    head_only = Router(catalogue, encoder, None, keywords=False)
    found = {
        "as shipped: head on the base, and keywords": routes(shipped, catalogue, lines),
        "head on the base alone": routes(head_only, catalogue, lines),
        "keywords alone": routes(words_only, catalogue, lines),
    }
    best = found["as shipped: head on the base, and keywords"]
    missed: dict[str, list[str]] = defaultdict(list)
    of: dict[str, list[bool]] = defaultdict(list)
    for line, route in zip(lines, best, strict=True):
        of[line.category].append(route.category == line.category)
        if route.category != line.category:
            missed[line.category].append(f"{route.category} ({route.confidence:.2f})")
    rows = [_row(name, lines, results) for name, results in found.items()]
    per = [
        f"| {category} | {sum(right)} of {len(right)} | {', '.join(missed[category])} |"
        for category, right in of.items()
    ]
    return "\n".join(
        [
            "# Routing of reports and complaints",
            "",
            f"`python -m benchmarks.routing --write`: {len(lines)} held-out sentences, {len(of)} categories, three per",
            "category and language (`tests/data/requests/routing.txt`). A request below the confidence of "
            f"{SURE:g} goes to a person, who sees the category and its confidence.",
            "",
            "| router | right | zh | en | right among three offered | sure | right when sure | calibration error |",
            "|---|---|---|---|---|---|---|---|",
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


def export(folder: Path) -> None:
    """Write the reports' examples and held-out sentences as TSV, for fine-tuning the base on them instead."""
    catalogue = read_catalogue(CATEGORIES)
    learn = [
        f"{text}\t{category.id}"
        for category in catalogue.of_kind("report")
        for texts in category.examples.values()
        for text in texts
    ]
    held_out = [
        f"{line.text}\t{line.category}"
        for line in read_lines()
        if catalogue.get(line.category).kind == "report"
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.tsv").write_text("\n".join(learn) + "\n", "utf-8")
    (folder / "test.tsv").write_text("\n".join(held_out) + "\n", "utf-8")


def main() -> None:
    """Print the page, or write it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/routing.md")
    parser.add_argument(
        "--export", type=Path, metavar="FOLDER", help="write train.tsv and test.tsv, nothing else"
    )
    arguments = parser.parse_args()
    if arguments.export is not None:
        export(arguments.export)
        return
    text = page()
    if arguments.write:
        PAGE.write_text(text, "utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
