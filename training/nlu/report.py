"""Writes an evaluation as JSON and as one self-contained HTML page, in Chinese and English."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from training.nlu.errors import NluTrainingError

_MOST_CELLS = 160


def write_report(result: dict[str, Any], path: Path) -> tuple[Path, Path]:
    """Write `path` (JSON) and its twin with the ending `.html`; return both.

    Raises:
        NluTrainingError: when the folder cannot be written.
    """
    page = path.with_suffix(".html")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        page.write_text(render(result), encoding="utf-8")
    except OSError as error:
        raise NluTrainingError(
            f"{path}: cannot be written ({error.strerror}); choose another --report"
        ) from None
    return path, page


def render(result: dict[str, Any]) -> str:
    """Return the evaluation as an HTML page that needs nothing from the network."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["percent"] = lambda value: f"{100 * value:.1f} %"
    page = environment.get_template("report.html.j2")
    worst = sorted(result["intents"].items(), key=lambda item: (item[1]["f1"], item[0]))
    return page.render(
        r=result, intents=worst, plot=reliability_svg(result), grid=confusion_svg(result), top=_top(result)
    )


def _top(result: dict[str, Any]) -> list[dict[str, Any]]:
    wrong = [row for row in result["confusions"] if row["gold"] != row["predicted"]]
    return sorted(wrong, key=lambda row: -row["count"])[:15]


def reliability_svg(result: dict[str, Any]) -> str:
    """Return the reliability plot: accuracy against confidence, bar width by the diagonal's bins."""
    size, pad = 260, 34
    total = sum(row["count"] for row in result["reliability"]) or 1
    parts = [
        f'<svg viewBox="0 0 {size + 2 * pad} {size + 2 * pad}" width="{size + 2 * pad}" role="img" '
        'aria-label="Reliability plot">',
        f'<rect x="{pad}" y="{pad}" width="{size}" height="{size}" class="frame"/>',
        f'<line x1="{pad}" y1="{pad + size}" x2="{pad + size}" y2="{pad}" class="diagonal"/>',
    ]
    for row in result["reliability"]:
        x, width = pad + size * row["from"], size * (row["to"] - row["from"])
        height = size * row["accuracy"]
        shade = 0.25 + 0.75 * min(1.0, 4 * row["count"] / total)
        parts.append(
            f'<rect x="{x + 1:.1f}" y="{pad + size - height:.1f}" width="{width - 2:.1f}" height="{height:.1f}" '
            f'class="bar" opacity="{shade:.2f}"><title>confidence {row["confidence"]:.2f}, accuracy '
            f"{row['accuracy']:.2f}, {row['count']} texts</title></rect>"
        )
    for tick in (0.0, 0.5, 1.0):
        parts.append(
            f'<text x="{pad + size * tick:.0f}" y="{pad + size + 16}" text-anchor="middle">{tick:g}</text>'
        )
        parts.append(
            f'<text x="{pad - 6}" y="{pad + size * (1 - tick) + 4:.0f}" text-anchor="end">{tick:g}</text>'
        )
    middle = pad + size / 2
    parts.append(f'<text x="{middle}" y="{2 * pad + size - 4}" text-anchor="middle">置信度 confidence</text>')
    parts.append(
        f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">准确率 accuracy</text>'
    )
    return "".join([*parts, "</svg>"])


def confusion_svg(result: dict[str, Any]) -> str:
    """Return the confusion picture: a cell per pair of intents, darker the larger its share of the row."""
    names = sorted(
        {row["gold"] for row in result["confusions"]} | {row["predicted"] for row in result["confusions"]}
    )
    if not names or len(names) > _MOST_CELLS:
        return ""
    at = {name: number for number, name in enumerate(names)}
    rows: dict[str, int] = {}
    for row in result["confusions"]:
        rows[row["gold"]] = rows.get(row["gold"], 0) + row["count"]
    cell = max(4, min(18, 900 // len(names)))
    label = 150 if cell >= 9 else 0
    size = cell * len(names) + label + 2
    parts = [f'<svg viewBox="0 0 {size} {size}" width="{size}" role="img" aria-label="Confusion picture">']
    parts.append(
        f'<rect x="{label}" y="{label}" width="{size - label}" height="{size - label}" class="frame"/>'
    )
    for row in result["confusions"]:
        gold, guess, share = row["gold"], row["predicted"], row["count"] / rows[row["gold"]]
        kind = "right" if gold == guess else "wrong"
        title = f"{_escaped(gold)} → {_escaped(guess)}: {row['count']}"
        parts.append(
            f'<rect x="{label + cell * at[guess]}" y="{label + cell * at[gold]}" width="{cell}" height="{cell}" '
            f'class="{kind}" opacity="{0.15 + 0.85 * share:.2f}"><title>{title}</title></rect>'
        )
    if label:
        for name, number in at.items():
            y = label + cell * number + cell - 3
            short = _escaped(name if len(name) <= 20 else name[:19] + "…")
            parts.append(f'<text x="{label - 4}" y="{y}" text-anchor="end" class="small">{short}</text>')
            parts.append(
                f'<text x="{y}" y="{label - 4}" class="small" transform="rotate(-90 {y} {label - 4})">{short}</text>'
            )
    return "".join([*parts, "</svg>"])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
