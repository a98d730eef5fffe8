"""Trend pictures, as PNG files named by their content."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from actions.pictures import cjk_font, date_axis, keep, labels_language, new_figure, to_png

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
    zh = labels_language(language) == "zh"
    figure = new_figure(7, 2.6, constrained_layout=True)
    axes = figure.subplots()
    times = [at.astimezone(zone) for at, _, _ in series]
    axes.bar(times, [n for _, n, _ in series], width=1 / 26, color=_ALL, label="全部" if zh else "all posts")
    axes.bar(times, [b for _, _, b in series], width=1 / 26, color=_BAD, label="负面" if zh else "negative")
    if mark is not None:
        axes.axvline(mark.astimezone(zone), color=_MARK, linestyle="--", linewidth=1)
    date_axis(axes, language, zone)
    axes.set_ylabel("条/小时" if zh else "posts an hour")
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if cjk_font() or title.isascii():
        axes.set_title(title, fontsize=10)
    return keep(to_png(figure), folder)
