"""The joint model at run time, on a tiny model trained for the test."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.joint import JointModel, ModelDamagedError, ModelNotFoundError
from nlp.joint_explain import explain
from tests.nlu_fixtures import train_tiny


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny(tmp_path_factory.mktemp("joint")).directory


@pytest.fixture(scope="module")
def model(directory: Path) -> JointModel:
    return JointModel.load(directory)


def test_prediction_has_all_its_parts(model: JointModel) -> None:
    (found,) = model.predict(["12路几点到市政厅"])
    assert found.intent == "departures"
    assert found.ranking[0] == (found.intent, found.confidence)
    assert sum(score for _, score in found.ranking) == pytest.approx(1.0, abs=1e-4)
    assert {name for name, _ in found.ranking} == set(model.intents)
    assert [(e.entity, e.text, e.canonical_id) for e in found.entities] == [
        ("line", "12路", "line:12"),
        ("stop", "市政厅", "stop:city-hall"),
    ]


def test_trained_out_of_scope_is_not_accepted(model: JointModel) -> None:
    inside, outside = model.predict(["which bin for batteries", "tell me a joke"])
    assert (outside.intent, outside.accepted) == ("out_of_scope", False)
    assert outside.oos_score > inside.oos_score


def test_order_is_kept_whatever_the_lengths(model: JointModel) -> None:
    texts = [f"{'which bin ' * (n % 7)}{n}" for n in range(70)]
    together = [(p.intent, round(p.confidence, 2)) for p in model.predict(texts)]
    assert len(together) == 70
    assert model.predict([]) == []


@pytest.mark.parametrize(
    "text", ["", "   ", "😀", "\x00\x07", "\ud800", "a" * 10_000, "垃圾" * 5_000, "\u202e\u200b"]
)
def test_odd_texts_are_answered(model: JointModel, text: str) -> None:
    (found,) = model.predict([text])
    assert 0.0 <= found.oos_score <= 1.0
    if not text.strip():
        assert not found.accepted and not found.entities


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_gives_entities_that_stand_in_it(model: JointModel, text: str) -> None:
    (found,) = model.predict([text])
    assert all(text[e.start : e.end] == e.text and e.text for e in found.entities)


def test_single_string_is_refused(model: JointModel) -> None:
    with pytest.raises(TypeError):
        model.predict("hello")


def test_threads_get_the_answers_of_their_own_texts(model: JointModel) -> None:
    texts = ["which bin for batteries", "12路几点到市政厅", "tell me a joke", "玻璃瓶怎么分类"] * 5
    expected = [model.predict([text])[0].intent for text in texts]
    found: dict[int, str] = {}

    def work(number: int) -> None:
        found[number] = model.predict([texts[number]])[0].intent

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(len(texts))] == expected


def test_missing_directory_names_the_command_that_trains(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="chengda train nlu"):
        JointModel.load(tmp_path / "none")


@pytest.mark.parametrize("name", ["manifest.json", "model.int8.onnx", "tokenizer.json", "gazetteer.csv"])
def test_missing_file_is_named(directory: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    (copy / name).unlink()
    with pytest.raises(ModelDamagedError, match=name):
        JointModel.load(copy)


@pytest.mark.parametrize("name", ["manifest.json", "model.int8.onnx", "tokenizer.json"])
def test_damaged_file_is_named(directory: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    (copy / name).write_bytes((copy / name).read_bytes()[:100])
    with pytest.raises(ModelDamagedError, match=name):
        JointModel.load(copy)


def test_fingerprint_is_the_content(directory: Path, tmp_path: Path, model: JointModel) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(directory, copy)
    assert JointModel.load(copy).fingerprint == model.fingerprint


def test_near_tie_offers_two_or_three_readings(model: JointModel) -> None:
    ranking = [("departures", 0.45), ("waste", 0.42), ("out_of_scope", 0.13)]
    assert model._near_tie(ranking) == ("departures", "waste")
    assert model._near_tie([("departures", 0.9), ("waste", 0.1), ("out_of_scope", 0.0)]) == ()
    assert model._near_tie([("departures", 0.5), ("out_of_scope", 0.45), ("waste", 0.05)]) == ()


def test_explanation_weighs_the_words_of_the_text(model: JointModel) -> None:
    found = explain(model, "which bin for batteries")
    assert [word.text for word in found.words] == ["which", "bin", "for", "batteries"]
    assert all(-1 <= word.weight <= 1 for word in found.words)
    assert explain(model, "", "waste").words == ()
    with pytest.raises(ValueError, match="no intent"):
        explain(model, "hello", "nonsense")
