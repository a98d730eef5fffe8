from __future__ import annotations

from pathlib import Path

from bot import patches
from training.board import event_writer


def test_curves_are_written_in_a_process_that_keeps_tensorflow_out(tmp_path: Path) -> None:
    patches.keep_tensorflow_out()
    writer = event_writer(tmp_path)
    writer.add_scalar("loss", 0.5, 1)
    writer.close()
    assert [file.stat().st_size for file in tmp_path.iterdir()] > [0]
