"""Trend pictures, as PNG files named by their content."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "PingFang SC",
)
_ALL, _BAD, _MARK = "#8fa7bd", "#c8553d", "#444444"


@lru_cache(maxsize=1)
def _font() -> str | None:
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in _FONTS if name in installed), None)


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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    font = _font()
    zh = language == "zh" and font is not None
    figure = Figure(figsize=(7, 2.6), dpi=110, constrained_layout=True)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    times = [at.astimezone(zone) for at, _, _ in series]
    axes.bar(times, [n for _, n, _ in series], width=1 / 26, color=_ALL, label="全部" if zh else "all posts")
    axes.bar(times, [b for _, _, b in series], width=1 / 26, color=_BAD, label="负面" if zh else "negative")
    if mark is not None:
        axes.axvline(mark.astimezone(zone), color=_MARK, linestyle="--", linewidth=1)
    locator = AutoDateLocator(tz=zone)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
    axes.set_ylabel("条/小时" if zh else "posts an hour")
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if font is not None or title.isascii():
        axes.set_title(title, fontsize=10)
    if font is not None:
        for text in figure.findobj(Text):
            text.set_fontfamily(font)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    data = buffer.getvalue()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(data).hexdigest()[:24]}.png"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}.tmp")
        part.write_bytes(data)
        part.replace(path)
    return path
