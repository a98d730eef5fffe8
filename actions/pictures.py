"""What the modules' pictures share: a font with Chinese characters, a canvas of their own, files named by content."""

from __future__ import annotations

import hashlib
import io
import os
from datetime import tzinfo
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "SimHei",
)
# For axes marked by year, month, day, hour, minute and second: each tick, the tick that begins the next greater span,
# and the note at the end of the axis.
_ZH_DATES: dict[str, list[str]] = {
    "formats": ["%Y年", "%-m月", "%-d日", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y年", "%-m月", "%-m月%-d日", "%H:%M", "%H:%M"],
    "offset_formats": ["", "%Y年", "%Y年%-m月", "%Y年%-m月%-d日", "%Y年%-m月%-d日", "%Y年%-m月%-d日 %H:%M"],
}
_LOCK = Lock()  # matplotlib is not safe to draw with from several threads


@lru_cache(maxsize=1)
def cjk_font() -> str | None:
    """Return an installed font with Chinese characters, or `None`."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    named = next((name for name in _FONTS if name in installed), None)
    # Font collections list only their first face; simplified Chinese is in every face of Noto CJK.
    return named or next((name for name in sorted(installed) if "CJK" in name), None)


def labels_language(language: str) -> str:
    """Return the language that a picture can be labelled in: English where no Chinese font is installed."""
    return "zh" if language == "zh" and cjk_font() else "en"


def new_figure(width: float, height: float, **options: Any) -> Any:
    """Return an empty figure of `width` × `height` inches, apart from matplotlib's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, **options)
    FigureCanvasAgg(figure)
    return figure


def date_axis(axes: Any, language: str, zone: tzinfo | None = None, most: int = 9) -> None:
    """Mark the horizontal axis of `axes` with dates in `language`, in at most `most` places; times shown in `zone`."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=zone, minticks=4, maxticks=most)
    chinese = labels_language(language) == "zh"
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone, **(_ZH_DATES if chinese else {})))


def to_png(figure: Any, **options: Any) -> bytes:
    """Draw a figure, with Chinese characters where a font has them."""
    from matplotlib.text import Text

    font = cjk_font()
    if font is not None:
        for text in figure.findobj(Text):
            text.set_fontfamily([font, "DejaVu Sans"])
    buffer = io.BytesIO()
    with _LOCK:
        figure.savefig(buffer, format="png", metadata={"Software": None}, **options)
    return buffer.getvalue()


def keep(png: bytes, folder: Path) -> Path:
    """Write a picture under the hash of its content and return its path; the same picture is written once."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(png).hexdigest()[:24]}.png"
    if not path.exists():
        part = folder / f".{path.name}.{os.getpid()}"
        part.write_bytes(png)
        part.replace(path)
    return path
