"""The model registry: versions, promotion, rollback, and what an interrupted training leaves."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from nlp.joint import ModelDamagedError, ModelNotFoundError
from nlp.joint_manifest import Manifest
from nlp.registry import ModelRegistry, RegistryError


def model(folder: Path, name: str = "a") -> Path:
    path = folder / f"model-{name}"
    path.mkdir(parents=True)
    manifest = Manifest(
        intents=("x", name), tags=("O",), max_tokens=16, data_hash=name, metrics={"dev_accuracy": 0.9}
    )
    manifest.write(path)
    return path


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "registry")


def test_empty_registry_names_the_command_that_trains(registry: ModelRegistry) -> None:
    with pytest.raises(ModelNotFoundError, match="chengda train nlu"):
        registry.current()
    assert registry.versions() == []


def test_added_version_is_current_only_after_promotion(registry: ModelRegistry, tmp_path: Path) -> None:
    version = registry.add(model(tmp_path), {"sources": "abc"})
    with pytest.raises(ModelNotFoundError):
        registry.current()
    assert registry.promote(version) == registry.current()
    (only,) = registry.versions()
    assert only.current and only.data_hash == "a" and only.metrics["dev_accuracy"] == 0.9
    assert json.loads((only.path / "version.json").read_text())["sources"] == "abc"


def test_running_reader_takes_up_a_promotion_without_restart(registry: ModelRegistry, tmp_path: Path) -> None:
    first = registry.add(model(tmp_path, "a"), {})
    second = registry.add(model(tmp_path, "b"), {})
    registry.promote(first)
    reader = ModelRegistry(registry.root)
    assert reader.current().name == first
    registry.promote(second)
    assert reader.current().name == second


def test_reading_while_switching_never_fails(registry: ModelRegistry, tmp_path: Path) -> None:
    versions = [registry.add(model(tmp_path, name), {}) for name in "ab"]
    registry.promote(versions[0])
    reader, seen, errors = ModelRegistry(registry.root), set(), []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                seen.add(reader.current().name)
            except Exception as error:  # whatever it is, the test shows it
                errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(60):
        registry.promote(versions[number % 2])
    stop.set()
    thread.join()
    assert not errors
    assert seen <= set(versions)


def test_rollback_walks_back_and_then_says_there_is_nothing(registry: ModelRegistry, tmp_path: Path) -> None:
    versions = [registry.add(model(tmp_path, name), {}) for name in "abc"]
    for version in versions:
        registry.promote(version)
    assert registry.rollback() == versions[1]
    assert registry.rollback() == versions[0]
    with pytest.raises(RegistryError, match="no earlier model"):
        registry.rollback()
    assert registry.current().name == versions[0]


@pytest.mark.parametrize("name", ["", "nope", "../elsewhere", "."])
def test_promoting_an_unknown_version_names_known_ones(
    registry: ModelRegistry, tmp_path: Path, name: str
) -> None:
    version = registry.add(model(tmp_path), {})
    with pytest.raises(RegistryError, match=version):
        registry.promote(name)


def test_folder_that_is_no_model_is_refused(registry: ModelRegistry, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelDamagedError, match="manifest"):
        registry.add(tmp_path / "empty", {})
    assert registry.versions() == []


def test_failure_while_staging_leaves_nothing(registry: ModelRegistry) -> None:
    def fail() -> None:
        with registry.staging() as part:
            (part / "half").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(registry.root.iterdir()) == []


def test_leavings_of_a_killed_training_are_swept(registry: ModelRegistry, tmp_path: Path) -> None:
    registry.root.mkdir(parents=True)
    dead = registry.root / ".part-4194999-x"  # above every default process number
    dead.mkdir()
    with registry.staging():
        assert not dead.exists()
    assert registry.versions() == []


def test_current_version_cannot_be_removed_but_others_can(registry: ModelRegistry, tmp_path: Path) -> None:
    first, second = registry.add(model(tmp_path, "a"), {}), registry.add(model(tmp_path, "b"), {})
    registry.promote(second)
    with pytest.raises(RegistryError, match="current"):
        registry.remove(second)
    registry.remove(first)
    assert [item.version for item in registry.versions()] == [second]


def test_vanished_current_model_names_the_way_back(registry: ModelRegistry, tmp_path: Path) -> None:
    version = registry.add(model(tmp_path), {})
    (registry.promote(version) / "manifest.json").unlink()
    with pytest.raises(ModelNotFoundError, match="rollback"):
        ModelRegistry(registry.root).current()
