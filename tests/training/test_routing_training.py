"""Fine-tuning the router on a city's own categories, on a tiny random encoder: learned, kept, exported, fallen back from."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nlp.encoder import Encoder
from nlp.routing import (
    RoutingManifest,
    RoutingModelDamaged,
    RoutingModelMissing,
    base_mark,
    find_adapter,
    find_tuned,
    mark_of,
    model_dir,
)
from tests.nlu_fixtures import tiny_base
from training.routing.data import Sentence, Varied, checked, split
from training.routing.errors import RoutingTrainingError
from training.routing.fitting import FitSettings
from training.routing.network import merged_body
from training.routing.pipeline import ensure_model, export_model, train_adapter

SMALL = FitSettings(epochs=3, batch=8, lr=5e-3, lr_directions=2e-2, tokens=32, rank=4, threads=1)
WORDS = {
    "lamp": ("路灯", "lamp"),
    "bin": ("车站", "stop"),
    "clerk": ("谢谢", "thanks"),
    "bill": ("电池", "where"),
}


def sentences(each: int = 12) -> list[Sentence]:
    kinds = {"lamp": "report", "bin": "report", "clerk": "complaint", "bill": "complaint"}
    return [
        Sentence(f"{words[at]} {number}", category, kinds[category], language)
        for category, words in WORDS.items()
        for at, language in enumerate(("zh", "en"))
        for number in range(each)
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("routing"))


@pytest.fixture(scope="module")
def data_dir(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("var")
    heard: list[tuple[float, str]] = []
    out = folder / "models" / "routing" / "adapter"
    manifest = train_adapter(sentences(), base, out, SMALL, lambda *told: heard.append(told))
    assert manifest == RoutingManifest.read(out) and heard[-1][0] == 1.0
    first, last = (float(words.rpartition(" ")[2]) for _, words in (heard[0], heard[-1]))
    assert last < first
    assert manifest.categories == ("bill", "bin", "clerk", "lamp") and manifest.base == base_mark(base)
    return folder


def test_the_adapters_become_an_encoder_folder_once(base: Path, data_dir: Path) -> None:
    folder, new = ensure_model(data_dir, base)
    assert new and ensure_model(data_dir, base) == (folder, False)
    assert find_adapter(data_dir) == folder.parent / "adapter" and model_dir(data_dir) == folder
    tuned = Encoder.load(folder).encode(["lamp 90", "路灯坏了", "where"])
    assert np.allclose(np.linalg.norm(tuned, axis=1), 1, atol=1e-3)
    body = merged_body(base, find_adapter(data_dir))
    assert tuned.shape == (3, body.config.hidden_size)


def test_what_was_held_out_is_named(data_dir: Path) -> None:
    manifest = RoutingManifest.read(find_adapter(data_dir))
    held = [s for s in sentences() if mark_of(s.text) in manifest.held_out]
    assert Counter((s.category, s.language) for s in held) == Counter(
        {(category, language): 1 for category in WORDS for language in ("zh", "en")}
    )


def test_a_router_that_does_not_fit_leaves_the_work_to_the_base(
    base: Path, data_dir: Path, tmp_path: Path
) -> None:
    ensure_model(data_dir, base)
    found = find_tuned(data_dir, base, ["lamp", "bin", "swans"])
    assert found is not None and found.folder == model_dir(data_dir)
    assert find_tuned(data_dir, base, ["lamp", "swans", "sledges"]) is None
    assert find_tuned(data_dir, tmp_path, ["lamp"]) is None
    assert find_tuned(tmp_path, base, ["lamp"]) is None
    other = tiny_base(tmp_path / "other")
    (other / "tokenizer.json").write_text((other / "tokenizer.json").read_text("utf-8") + "\n", "utf-8")
    with pytest.raises(RoutingTrainingError, match="chengda train routing --fresh"):
        export_model(find_adapter(data_dir), other, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damage_is_named_with_its_mend(tmp_path: Path) -> None:
    with pytest.raises(RoutingModelMissing, match="chengda train routing"):
        RoutingManifest.read(tmp_path)
    for text in ("{", "[]", '{"format": 99}', '{"format": 1}'):
        (tmp_path / "manifest.json").write_text(text, "utf-8")
        with pytest.raises(RoutingModelDamaged, match="manifest"):
            RoutingManifest.read(tmp_path)


def test_too_little_to_tell_apart_is_refused(base: Path, tmp_path: Path) -> None:
    one = [replace(s, category="lamp") for s in sentences(3)]
    with pytest.raises(RoutingTrainingError, match="sentences"):
        train_adapter(one, base, tmp_path / "a", SMALL)
    few = [*sentences(6), Sentence("rare", "swans", "report", "en"), Sentence(" ", "lamp", "report", "en")]
    assert {s.category for s in checked(few)} == set(WORDS)


def test_the_split_takes_some_of_each_and_none_of_few() -> None:
    rows = [*sentences(10), Sentence("one", "rare", "report", "en")]
    learn, held = split(rows, 0.2, 1)
    assert sorted([*learn, *held], key=lambda s: s.text) == sorted(rows, key=lambda s: s.text)
    assert Counter(s.category for s in held) == Counter(dict.fromkeys(WORDS, 4))
    assert split(rows, 0.2, 1) == (learn, held)


def test_a_sentence_is_written_in_many_ways_and_keeps_its_words() -> None:
    varied = Varied(sentences(), 3)
    lamp = sentences()[12]
    texts = {varied.text(lamp) for _ in range(200)}
    assert len(texts) > 40
    assert sum("lamp" in text.lower() for text in texts) > 0.8 * len(texts)
