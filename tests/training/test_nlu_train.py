"""Training from end to end on a tiny set: determinism, the registry, continuing, the gate, and failures."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
from pathlib import Path

import pytest

from nlp.joint import JointModel, ModelNotFoundError
from nlp.registry import ModelRegistry
from tests.nlu_fixtures import YAML, tiny_base, tiny_settings, train_tiny
from training.nlu import jobs
from training.nlu.comparison import NothingToCompareError, compare_versions, unseen
from training.nlu.errors import BaseModelError, GateRefusedError, LabelError, NluTrainingError
from training.nlu.evaluation import evaluate
from training.nlu.gate import compare
from training.nlu.rehearsal import load_examples
from training.nlu.report import write_report


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.yml"
    path.write_text(YAML, encoding="utf-8")
    return path


def test_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    models = []
    for name in "ab":
        (tmp_path / name).mkdir()
        models.append(train_tiny(tmp_path / name, epochs=3).manifest)
    assert models[0].files["model.int8.onnx"] == models[1].files["model.int8.onnx"]
    assert models[0].temperature == models[1].temperature


@pytest.mark.parametrize(
    "changes",
    [{"method": "lora"}, {"method": "adalora"}, {"method": "prefix", "prefix_tokens": 4}, {"fgm": 0.5}, {"r_drop": 1.0},
     {"average": 0.9}, {"keep_layers": 1}, {"trim_vocabulary": True}, {"accumulate": 2, "class_weights": True}, {"quantise": False}],
    ids=str,
)  # fmt: skip
def test_every_option_trains_exports_and_loads(tmp_path: Path, changes: dict[str, object]) -> None:
    trained = train_tiny(tmp_path, **{"epochs": 3, **changes})
    assert (
        JointModel.load(trained.directory).predict(["which bin for batteries"])[0].intent
        in trained.manifest.intents
    )


def test_training_into_the_registry_makes_it_current(tmp_path: Path, data: Path, base: Path) -> None:
    registry = ModelRegistry(tmp_path / "registry")
    added = jobs.train_into_registry(data, registry, tiny_settings(base, epochs=3), metadata={"sources": "s"})
    assert registry.current().name == added.version
    record = json.loads((registry.current() / "version.json").read_text(encoding="utf-8"))
    assert record["sources"] == "s" and record["data_hash"]


def test_interrupted_training_leaves_the_previous_model_and_no_half_one(
    tmp_path: Path, data: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = ModelRegistry(tmp_path / "registry")
    first = jobs.train_into_registry(data, registry, tiny_settings(base, epochs=1))

    def stop(share: float, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jobs.train_into_registry(data, registry, tiny_settings(base, epochs=1), progress=stop)
    assert registry.current().name == first.version
    assert sorted(path.name for path in registry.root.iterdir()) == sorted([first.version, "current.json"])


def test_full_disk_is_named_and_the_model_stays(
    tmp_path: Path, data: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model"
    jobs.train_to_directory(data, out, tiny_settings(base, epochs=1))
    before = JointModel.load(out).fingerprint

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("training.nlu.pipeline.save_file", full)
    with pytest.raises(jobs.DiskFullError, match="disk is full"):
        jobs.train_to_directory(data, out, tiny_settings(base, epochs=1))
    assert JointModel.load(out).fingerprint == before
    assert [path.name for path in tmp_path.iterdir() if "model" in path.name] == ["model"]


def dead_process() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_what_a_killed_training_left_is_swept_and_the_model_comes_back(
    tmp_path: Path, data: Path, base: Path
) -> None:
    out, gone = tmp_path / "model", dead_process()
    jobs.train_to_directory(data, out, tiny_settings(base, epochs=1))
    before = JointModel.load(out).fingerprint
    # Killed between the two renames: the old model stands aside, the new one is not complete.
    out.rename(tmp_path / f".model.old-{gone}-")
    (tmp_path / f".model.part-{gone}-abc").mkdir()
    (tmp_path / f".model.part-{os.getpid()}-abc").mkdir()
    empty = tmp_path / "empty.tsv"
    empty.write_text("")
    with pytest.raises(NluTrainingError, match="is empty"):
        jobs.train_to_directory(empty, out, tiny_settings(base))
    assert JointModel.load(out).fingerprint == before
    # Another training that is still running keeps its folder.
    assert [p.name for p in tmp_path.glob(".model.*")] == [f".model.part-{os.getpid()}-abc"]


def test_folder_that_is_no_model_is_not_overwritten(tmp_path: Path, data: Path, base: Path) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.txt").write_text("x")
    with pytest.raises(NluTrainingError, match="no model directory"):
        jobs.train_to_directory(data, tmp_path / "papers", tiny_settings(base))


@pytest.mark.parametrize("content", ["hi\ta\nhello\ta\n", "hi\tgreet\n"])
def test_one_class_is_refused_before_training(tmp_path: Path, base: Path, content: str) -> None:
    path = tmp_path / "one.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LabelError, match="one intent only"):
        jobs.train_to_directory(path, tmp_path / "out", tiny_settings(base))
    assert not (tmp_path / "out").exists()


def test_one_example_per_class_trains(tmp_path: Path, base: Path) -> None:
    path = tmp_path / "few.tsv"
    path.write_text("hello there\tgreet\ngood bye now\tbye\n", encoding="utf-8")
    trained = jobs.train_to_directory(path, tmp_path / "out", tiny_settings(base, epochs=2))
    assert any("single example" in note for note in trained.notes)
    assert JointModel.load(trained.directory).intents == ("bye", "greet")


def test_missing_base_is_named(tmp_path: Path, data: Path) -> None:
    with pytest.raises(BaseModelError, match="nowhere"):
        jobs.train_to_directory(data, tmp_path / "out", tiny_settings(tmp_path / "nowhere"))


def test_continuing_needs_a_current_model(tmp_path: Path, data: Path, base: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="chengda train nlu"):
        jobs.continue_in_registry(data, ModelRegistry(tmp_path / "registry"), tiny_settings(base))


def test_continuing_learns_a_new_intent_and_keeps_the_old_ones(
    tmp_path: Path, data: Path, base: Path
) -> None:
    registry = ModelRegistry(tmp_path / "registry")
    first = jobs.train_into_registry(data, registry, tiny_settings(base))
    new = tmp_path / "new.tsv"
    new.write_text("".join(f"water is cut off {n}\toutage\n" for n in range(8)), encoding="utf-8")
    added = jobs.continue_in_registry(new, registry, tiny_settings(base, epochs=8))
    assert added.promoted and added.gate is not None and added.gate.passed
    model = JointModel.load(registry.current())
    assert [p.intent for p in model.predict(["water is cut off 3", "which bin for batteries"])] == [
        "outage",
        "waste",
    ]
    assert model.manifest.parent == first.version
    assert registry.rollback() == first.version


def test_gate_refuses_a_worse_model_and_keeps_the_current_one(tmp_path: Path, data: Path, base: Path) -> None:
    registry = ModelRegistry(tmp_path / "registry")
    first = jobs.train_into_registry(data, registry, tiny_settings(base))
    wrong = tmp_path / "wrong.tsv"
    training, _ = load_examples(registry.current())
    flipped = {"departures": "waste", "waste": "out_of_scope", "out_of_scope": "departures"}
    wrong.write_text("".join(f"{e.text}\t{flipped[e.intent]}\n" for e in training), encoding="utf-8")
    with pytest.raises(GateRefusedError, match="stays current"):
        jobs.continue_in_registry(wrong, registry, tiny_settings(base), regression=data)
    assert registry.current().name == first.version
    assert len(registry.versions()) == 2


def test_gate_lets_one_example_of_an_intent_go(tmp_path: Path) -> None:
    model = JointModel.load(train_tiny(tmp_path).directory)
    training, _ = load_examples(tmp_path / "model")
    result = compare(model, model, training)
    assert result.passed and result.old_accuracy == result.new_accuracy


def test_evaluation_and_report_of_the_tiny_model(tmp_path: Path) -> None:
    from tests.nlu_fixtures import tiny_data

    model = JointModel.load(train_tiny(tmp_path, epochs=30).directory)
    result = evaluate(model, tiny_data(tmp_path), name="<tiny>")
    assert result["accuracy"] == 1.0 and result["oos"]["auroc"] > 0.9
    assert result["entities"]["by_entity"]["stop"]["recall"] > 0.8
    assert set(result["slices"]["language"]) == {"en", "zh"}
    json_path, page = write_report(result, tmp_path / "out" / "report.json")
    assert json.loads(json_path.read_text(encoding="utf-8"))["macro_f1"] == 1.0
    html = page.read_text(encoding="utf-8")
    assert "量化 Quantisation" in html and result["model"]["metrics"]["graph_fp32_ms"] > 0
    assert "&lt;tiny&gt;" in html and "<svg" in html and "http" not in html.replace("http-equiv", "")


def test_a_candidate_is_compared_on_texts_neither_was_trained_with(
    tmp_path: Path, data: Path, base: Path
) -> None:
    registry = ModelRegistry(tmp_path / "registry")
    settings = tiny_settings(base, epochs=12, dev_share=0.25)
    first = jobs.train_into_registry(data, registry, settings)
    second = jobs.train_into_registry(data, registry, settings, promote=False)
    assert registry.current().name == first.version
    held = {e.text for e in load_examples(registry.current())[1]}
    assert {e.text for e in unseen(registry.current(), registry.root / second.version)} == held
    report = compare_versions(registry, second.version, first.version)
    assert report["passed"] and report["reasons"] == [] and report["examples"] == len(held)
    assert report["changes"] == [] and report["new_intents"] == []
    registry.write_gate(second.version, report)
    assert registry.gate(second.version) == report
    assert registry.gate(first.version) is None


def test_a_worse_candidate_is_refused_with_the_texts_it_loses(tmp_path: Path, data: Path, base: Path) -> None:
    registry = ModelRegistry(tmp_path / "registry")
    good = jobs.train_into_registry(data, registry, tiny_settings(base))
    swapped = tmp_path / "swapped.yml"
    swapped.write_text(
        YAML.replace("waste", "x").replace("departures", "waste").replace("intent: x", "intent: departures"),
        "utf-8",
    )
    bad = jobs.train_into_registry(swapped, registry, tiny_settings(base), promote=False)
    report = compare_versions(registry, bad.version, good.version, data)
    assert not report["passed"] and report["reasons"]
    assert all(change["old"] != change["new"] for change in report["changes"])
    strange = tmp_path / "strange.tsv"
    strange.write_text("hello\tunheard_of\nhi there\tunheard_of\nbye\tunseen\nsee you\tunseen\n", "utf-8")
    with pytest.raises(NothingToCompareError):
        compare_versions(registry, bad.version, good.version, strange)
    with pytest.raises(ModelNotFoundError, match="nowhere"):
        compare_versions(registry, "../nowhere", good.version)


def test_wrong_labels_are_found_listed_and_not_learned(tmp_path: Path, base: Path) -> None:
    rng = random.Random(4)
    words = {
        "departures": "bus next leave time",
        "waste": "bin glass sort peel",
        "out_of_scope": "joke song win",
    }
    names = list(words)
    rows, flipped = [], set()
    for number in range(1300):
        intent = names[number % 3]
        text = " ".join(rng.choices(words[intent].split(), k=4)) + f" {number}"
        if number % 7 == 0:
            intent = names[(number + 1) % 3]
            flipped.add(text)
        rows.append(f"{text}\t{intent}\n")
    path = tmp_path / "noisy.tsv"
    path.write_text("".join(rows), encoding="utf-8")
    settings = tiny_settings(base, epochs=2, dev_share=0.15, clean_labels="on", batch=32, ngrams=False)
    trained = jobs.train_to_directory(path, tmp_path / "out", settings)
    assert any("labels look wrong" in note for note in trained.notes)
    listed = (trained.directory / "suspects.tsv").read_text("utf-8").splitlines()[1:]
    found = {line.split("\t")[0] for line in listed}
    trained_on = {e.text for e in load_examples(trained.directory)[0]}
    assert len(found & flipped) >= 0.9 * len(flipped & trained_on)
    assert len(found - flipped) <= 0.02 * len(trained_on)
    model = JointModel.load(trained.directory)
    asked = ["bus next leave 5001", "sort glass bin 5002", "joke song joke 5003"]
    assert [p.intent for p in model.predict(asked)] == names
