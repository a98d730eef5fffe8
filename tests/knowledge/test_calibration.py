"""The probability, its thresholds, and the question files it is learnt from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from knowledge.calibrating import QuestionFileError, read_background, read_questions
from knowledge.calibration import Calibration, Example, fit
from knowledge.ranking import FEATURES
from knowledge.service import KnowledgeService

Opener = Callable[..., KnowledgeService]


def examples(count: int, seed: int, noise: float = 0.5) -> list[Example]:
    """Questions with three candidates each; the first feature tells the right one, the second is noise."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(count):
        relevant = np.zeros(3, bool)
        relevant[0] = number % 3 != 0
        signal = relevant * 2.0 + generator.normal(0, noise, 3)
        made.append(Example(np.column_stack([signal, generator.normal(0, 1, 3)]), relevant))
    return made


def test_probability_is_calibrated_on_new_questions() -> None:
    calibration = fit(examples(600, 0), ("signal", "noise"))
    fresh = examples(600, 1)
    p = np.concatenate([calibration.probabilities(item.features) for item in fresh])
    y = np.concatenate([item.relevant for item in fresh])
    for low in np.arange(0, 1, 0.2):
        chosen = (p >= low) & (p < low + 0.2)
        if chosen.sum() > 40:
            assert abs(p[chosen].mean() - y[chosen].mean()) < 0.15
    assert abs(calibration.weights[0]) > 5 * abs(calibration.weights[1])


def test_thresholds_keep_false_abstention_in_bounds() -> None:
    calibration = fit(examples(900, 0), ("signal", "noise"), false_abstention=0.05)
    tops = [
        (float(calibration.probabilities(item.features).max()), bool(item.relevant.any()))
        for item in examples(900, 2)
    ]
    falsely = np.mean([p < calibration.answer for p, answerable in tops if answerable])
    assert falsely < 0.08
    assert calibration.clarify < calibration.answer


def test_best_candidate_is_judged_and_the_others_keep_their_distance() -> None:
    calibration = fit(examples(600, 0), ("signal", "noise"))
    plain = replace(calibration, judge=None)
    assert calibration.judge is not None
    for item in examples(40, 3):
        judged, single = calibration.probabilities(item.features), plain.probabilities(item.features)
        assert np.argsort(judged).tolist() == np.argsort(single).tolist()
        apart = np.log(judged / (1 - judged)) - np.log(single / (1 - single))
        assert np.ptp(apart) < 1e-6


def test_few_questions_have_no_judge_and_a_language_its_own_thresholds() -> None:
    assert fit(examples(90, 0), ("signal", "noise")).judge is None
    spoken = [
        replace(item, language="zh" if number % 2 else "en", features=item.features - number % 2)
        for number, item in enumerate(examples(600, 0))
    ]
    calibration = fit(spoken, ("signal", "noise"))
    assert set(calibration.thresholds) == {"zh", "en"}
    for language in ("zh", "en"):
        own = calibration.of(language, (language,))
        assert [own.answer, own.clarify] == list(calibration.thresholds[language])
    assert calibration.of("fr", ("fr",)).answer == calibration.answer


def test_calibration_needs_both_kinds_of_questions() -> None:
    with pytest.raises(ValueError, match="calibration needs"):
        fit([item for item in examples(30, 0) if item.relevant.any()], ("signal", "noise"))


def test_json_form_and_other_features() -> None:
    calibration = fit(examples(300, 0), ("signal", "noise"))
    read = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())), ("signal", "noise"))
    assert read is not None
    assert read.to_dict() == {**calibration.to_dict(), "features": ["signal", "noise"]}
    assert read.judge == calibration.judge is not None
    assert Calibration.from_dict(calibration.to_dict(), ("signal",)) is None
    assert Calibration.from_dict(None, ("signal",)) is None


def test_city_without_calibration_questions_learns_from_its_phrasings(
    open_service: Opener, tmp_path: Path
) -> None:
    for file in (tmp_path / "calibration").iterdir():
        file.unlink()
    service = open_service()
    calibration = service.calibration_of(service.index.snapshot)
    assert calibration.questions > 0
    assert 0 < calibration.clarify < calibration.answer < 1
    assert service.search("图书馆几点开", "zh")[0].facts.id == "library-hours"


def test_changed_questions_are_calibrated_again_at_the_next_start(
    open_service: Opener, tmp_path: Path
) -> None:
    first = open_service()
    source = first.calibration_of(first.index.snapshot).source
    first.close()
    (tmp_path / "calibration" / "more.jsonl").write_text(
        '{"query": "沙发不要了", "language": "zh", "relevant": ["bulky-waste"]}\n', "utf-8"
    )
    again = open_service()
    calibration = again.calibration_of(again.index.snapshot)
    assert calibration.source != source
    assert tuple(calibration.features) == FEATURES


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"query": "a", "language": "fr", "relevant": []}',
        '{"query": "a", "language": "zh"}',
        '{"query": "a", "language": "zh", "relevant": "x"}',
    ],
)
def test_wrong_question_names_file_and_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text(f'{{"query": "好", "language": "zh", "relevant": []}}\n\n{line}\n', "utf-8")
    with pytest.raises(QuestionFileError, match=r"q\.jsonl, line 3"):
        read_questions(file)


def test_background_of_a_missing_folder(tmp_path: Path) -> None:
    assert read_background(tmp_path / "none") == {"zh": [], "en": []}
