"""Pictures of the modules: named by content, readable in Chinese, drawn from several threads."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from actions import pictures


def _draw(title: str) -> bytes:
    figure = pictures.new_figure(2, 1)
    axes = figure.subplots()
    axes.plot([0, 1], [-1, 1])
    axes.set_title(title)
    return pictures.to_png(figure)


def test_the_same_picture_is_written_once_and_leaves_no_part(tmp_path: Path) -> None:
    png = _draw("load")
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: pictures.keep(png, tmp_path / "charts"), range(8)))
    assert len(paths) == 1
    assert [path.read_bytes() for path in (tmp_path / "charts").iterdir()] == [png]


def test_pictures_drawn_side_by_side_are_those_drawn_alone() -> None:
    titles = ["平时", "usual", "−5 °C", "m² <b>"]
    alone = [_draw(title) for title in titles]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(_draw, titles)) == alone


@pytest.mark.skipif(pictures.cjk_font() is None, reason="no font with Chinese characters")
def test_dates_are_written_in_the_language_asked_for() -> None:
    days = [datetime(2026, 3, day) for day in range(1, 6)]

    def ticks(language: str) -> str:
        figure = pictures.new_figure(6, 2)
        axes = figure.subplots()
        axes.plot(days, range(5))
        pictures.date_axis(axes, language)
        pictures.to_png(figure)
        return " ".join(label.get_text() for label in axes.get_xticklabels())

    assert "3月" in ticks("zh")
    assert "Mar" not in ticks("zh")
    assert "Mar" in ticks("en")


def test_without_a_chinese_font_labels_are_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "cjk_font", lambda: None)
    assert pictures.labels_language("zh") == "en"
    assert _draw("load").startswith(b"\x89PNG")
