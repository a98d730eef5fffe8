"""bot/ is a standard Rasa project: Rasa's own commands work in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.servers import ROOT, settings_for

pytestmark = pytest.mark.e2e
RASA = str(Path(sys.executable).with_name("rasa"))


def rasa(settings: Path, *arguments: str) -> str:
    env = {**os.environ, "CHENGDA_CITY": str(settings)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    result = subprocess.run(
        [RASA, *arguments], cwd=ROOT / "bot", env=env, capture_output=True, text=True, timeout=300
    )
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-3000:]
    return output


def test_validate_train_and_test(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    validated = rasa(settings, "data", "validate", "-d", "domain", "--data", "data", "--fail-on-warnings")
    assert "No story structure conflicts found" in validated
    rasa(settings, "train", "-d", "domain", "--out", str(tmp_path / "models"))
    tested = rasa(
        settings,
        *("test", "core", "-m", str(tmp_path / "models"), "-s", "tests", "--out", str(tmp_path / "results")),
        "--fail-on-prediction-errors",
    )
    assert "Correct:          4 / 4" in tested
