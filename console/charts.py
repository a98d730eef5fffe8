"""Charts as inline SVG without script or style, so that the strictest content policy lets them through.

Every chart has a title and a description for screen readers; the page sets a data table beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup, escape

WIDTH, HEIGHT = 720, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 14, 34
_MOST_LABELS = 8
# Beside its colour (`series-0` …) each line has a pattern of its own, so that colour alone tells nothing.
_DASHES = ("", "7 4", "2 3", "10 3 2 3", "4 2", "1 4")


@dataclass(frozen=True)
class Series:
    """A named line; `None` leaves a gap."""

    name: str
    values: Sequence[float | None]


def line_chart(
    chart_id: str,
    title: str,
    description: str,
    labels: Sequence[str],
    series: Sequence[Series],
    unit: str = "",
) -> Markup:
    """Return a line chart.

    Args:
        chart_id: the element's id, unique on the page.
        title: what is shown.
        description: the gist, for those who cannot see it.
        labels: the horizontal axis, one for each value.
        series: up to six lines.
        unit: "%" shows shares of 1 as per cent; anything else stands behind the numbers.
    """
    top = _nice(max((v for line in series for v in line.values if v is not None), default=0.0), unit)
    body = [_grid(top, unit), _axis(labels)]
    for number, line in enumerate(series):
        for run in _runs(line.values):
            points = " ".join(f"{_x(i, len(labels)):.1f},{_y(value, top):.1f}" for i, value in run)
            if len(run) == 1:
                x, y = points.split(",")
                body.append(f'<circle cx="{x}" cy="{y}" r="3" class="point series-{number}"/>')
            else:
                dash = f' stroke-dasharray="{_DASHES[number]}"' if _DASHES[number] else ""
                body.append(f'<polyline points="{points}" class="line series-{number}" fill="none"{dash}/>')
    return _svg(chart_id, title, description, body) + (_legend(series) if len(series) > 1 else Markup())


def bar_chart(
    chart_id: str, title: str, description: str, bars: Sequence[tuple[str, float]], unit: str = ""
) -> Markup:
    """Return horizontal bars, one for each pair of a name and a value."""
    row, label = 24, 190
    height = TOP + row * max(len(bars), 1) + 6
    most = max((value for _, value in bars), default=0.0) or 1.0
    body = []
    for number, (name, value) in enumerate(bars):
        y = TOP + number * row
        width = (WIDTH - label - 90) * value / most
        short = name if len(name) <= 26 else name[:25] + "…"
        body.append(
            f'<text x="{label - 8}" y="{y + 15}" text-anchor="end" class="tick">{escape(short)}</text>'
            f'<rect x="{label}" y="{y + 3}" width="{max(width, 1):.1f}" height="{row - 8}" class="bar series-0"/>'
            f'<text x="{label + max(width, 1) + 6:.1f}" y="{y + 15}" class="tick">{shown(value, unit)}</text>'
        )
    return _svg(chart_id, title, description, body, height)


def shown(value: float | None, unit: str = "") -> str:
    """Return a value as people read it: shares as per cent, large numbers grouped, "–" for none."""
    if value is None:
        return "–"
    if unit == "%":
        return f"{100 * value:.1f}%"
    text = f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"
    return f"{text} {unit}".strip()


def _svg(chart_id: str, title: str, description: str, body: Sequence[str], height: int = HEIGHT) -> Markup:
    name = escape(chart_id)
    head = (
        f'<svg viewBox="0 0 {WIDTH} {height}" class="chart" role="img" '
        f'aria-labelledby="{name}-title {name}-desc" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    )
    return Markup("".join([head, *body, "</svg>"]))


def _legend(series: Sequence[Series]) -> Markup:
    items = "".join(
        f'<li><svg viewBox="0 0 28 8" class="swatch" aria-hidden="true"><line x1="0" y1="4" x2="28" y2="4" '
        f'class="line series-{number}" stroke-dasharray="{_DASHES[number] or "none"}"/></svg> {escape(line.name)}</li>'
        for number, line in enumerate(series)
    )
    return Markup(f'<ul class="legend">{items}</ul>')


def _grid(top: float, unit: str) -> str:
    parts = []
    for step in range(5):
        value = top * step / 4
        y = _y(value, top)
        parts.append(
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" class="grid"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" class="tick">{shown(value, unit)}</text>'
        )
    return "".join(parts)


def _axis(labels: Sequence[str]) -> str:
    step = max(1, -(-len(labels) // _MOST_LABELS))
    # The last label ends where the picture does.
    last = len(labels) - 1
    return "".join(
        f'<text x="{_x(number, len(labels)) + (RIGHT if 0 < number == last else 0):.1f}" y="{HEIGHT - 12}" '
        f'text-anchor="{"end" if 0 < number == last else "middle"}" class="tick">'
        f"{escape(label)}</text>"
        for number, label in enumerate(labels)
        if number % step == 0
    )


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Split a line at its gaps."""
    runs: list[list[tuple[int, float]]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((number, value))
    return [run for run in runs if run]


def _x(number: int, count: int) -> float:
    width = WIDTH - LEFT - RIGHT
    return LEFT + (width / 2 if count < 2 else width * number / (count - 1))


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value / top, 1.0)


def _nice(most: float, unit: str) -> float:
    """Return a round number at or above the largest value: 1, 2, 2.5 or 5 times a power of ten, or 4 for counts."""
    if most <= 0:
        return 1.0
    if unit == "%":
        return next(top for top in (0.04, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if most <= top or top == 1.0)
    power = 10.0 ** floor(log10(max(most, 1.0)))
    for factor in (1, 2, 4, 6, 8, 10):
        if most <= factor * power:
            return max(float(factor * power), 4.0)
    return 10 * power
