"""Which questions are of the kind that articles answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from knowledge.background import open_background, write_background
from knowledge.kind import ENOUGH, learn_kind, log_odds_of

DIMENSION = 12


def made_up(count: int, seed: int) -> tuple[np.ndarray, list[str], list[bool]]:
    """Unit vectors of questions in two languages; the first direction tells whether they are answered."""
    generator = np.random.default_rng(seed)
    answered = [number % 2 == 0 for number in range(count)]
    languages = ["zh" if number % 3 else "en" for number in range(count)]
    vectors = generator.normal(size=(count, DIMENSION))
    vectors[:, 0] += np.where(answered, 1.5, -1.5)
    vectors[:, 1] += np.where(np.asarray(languages) == "zh", 4.0, -4.0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), languages, answered


def none() -> dict[str, np.ndarray]:
    return {language: np.zeros((0, DIMENSION), np.float32) for language in ("zh", "en")}


def test_the_kind_is_told_from_new_questions_and_without_each_ones_own_label() -> None:
    vectors, languages, answered = made_up(600, 0)
    weights, log_odds = learn_kind(vectors, languages, answered, none())
    assert np.mean((log_odds > 0) == np.asarray(answered)) > 0.85
    fresh, spoken, right = made_up(300, 1)
    told = [log_odds_of(vector, weights[name]) > 0 for vector, name in zip(fresh, spoken, strict=True)]
    assert np.mean(np.asarray(told) == np.asarray(right)) > 0.85


def test_a_label_without_a_cause_is_not_learnt() -> None:
    vectors, languages, _ = made_up(600, 0)
    answered = np.random.default_rng(5).random(600) < 0.5
    _, log_odds = learn_kind(vectors, languages, answered.tolist(), none())
    assert np.mean((log_odds > 0) == answered) == pytest.approx(0.5, abs=0.12)


def test_one_language_alone_and_phrasings_of_both() -> None:
    vectors, _, answered = made_up(400, 0)
    known = {"zh": vectors[np.asarray(answered)][:20], "en": vectors[np.asarray(answered)][20:30]}
    weights, log_odds = learn_kind(vectors, ["en"] * 400, answered, known)
    assert np.mean((log_odds > 0) == np.asarray(answered)) > 0.85
    assert all(np.isfinite(part).all() and part.shape == (DIMENSION + 1,) for part in weights.values())


@pytest.mark.parametrize("unanswerable", [0, ENOUGH - 1])
def test_too_little_to_learn_from_says_nothing(unanswerable: int) -> None:
    vectors, languages, _ = made_up(300, 0)
    answered = [number >= unanswerable for number in range(300)]
    weights, log_odds = learn_kind(vectors, languages, answered, none())
    assert not log_odds.any()
    assert not any(part.any() for part in weights.values())


class Reader:
    """Stands for an encoder: a text's length is its vector."""

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.asarray([[len(text), 1.0] for text in texts], np.float32).reshape(-1, 2)


def test_background_is_read_back_and_damage_is_noticed(tmp_path: Path) -> None:
    kinds = {"zh": np.asarray([0.5, -1.25, 3.0], np.float32)}
    record = write_background(tmp_path, Reader(), {"zh": ["天气", "新闻呢"]}, kinds)
    found = open_background(tmp_path, record)
    assert found.vectors["zh"].tolist() == [[2.0, 1.0], [3.0, 1.0]]
    assert found.vectors["en"].shape == (0, 2)
    assert {name: part.tolist() for name, part in found.kinds.items()} == {"zh": [0.5, -1.25, 3.0]}
    (tmp_path / record["file"]).write_bytes(b"torn")
    with pytest.raises(ValueError, match="background"):
        open_background(tmp_path, record)
