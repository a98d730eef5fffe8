"""Trend pictures, as PNG files named by their content."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from actions.pictures import cjk_font, date_axis, keep, labels_language, new_figure, to_png

_BAR = 1 / 26  # of a day
_ALL, _BAD, _MARK = "#8fa7bd", "#c8553d", "#444444"


def trend_chart(
    series: Sequence[tuple[datetime, int, int]],
    title: str,
    language: str,
    zone: ZoneInfo,
    folder: Path,
    mark: datetime | None = None,
) -> Path:
    """Draw posts and negative posts by hour and return the picture's path.

    Args:
        series: (hour, posts, negative), aware times.
        title: heading; left out when no installed font has its characters.
        language: "zh" or "en", of the labels; English where no Chinese font is installed.
        zone: of the time axis.
        folder: where to write.
        mark: a moment to mark, such as when an alarm was opened.
    """
    from matplotlib.collections import PolyCollection
    from matplotlib.dates import date2num

    zh = labels_language(language) == "zh"
    figure = new_figure(7, 2.6)
    # Fixed margins: finding them takes the library two more drawings.
    axes = figure.add_axes((0.085, 0.19, 0.9, 0.69))
    days = [float(date2num(at)) - _BAR / 2 for at, _, _ in series]
    # One shape for all bars of a colour draws five times as fast as one for each.
    for values, colour, label in (
        ([n for _, n, _ in series], _ALL, "全部" if zh else "all posts"),
        ([b for _, _, b in series], _BAD, "负面" if zh else "negative"),
    ):
        bars = [
            [(x, 0), (x, high), (x + _BAR, high), (x + _BAR, 0)] for x, high in zip(days, values, strict=True)
        ]
        axes.add_collection(PolyCollection(bars, facecolors=colour, label=label))
    axes.xaxis_date(zone)
    axes.set_xlim(min(days, default=0.0) - _BAR, max(days, default=0.0) + 2 * _BAR)
    axes.set_ylim(0, 1.1 * max([1, *(n for _, n, _ in series)]))
    if mark is not None:
        axes.axvline(mark.astimezone(zone), color=_MARK, linestyle="--", linewidth=1)
    date_axis(axes, language, zone)
    axes.set_ylabel("条/小时" if zh else "posts an hour")
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if cjk_font() or title.isascii():
        axes.set_title(title, fontsize=10)
    return keep(to_png(figure), folder)
