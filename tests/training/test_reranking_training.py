"""Fine-tuning a cross-encoder on a tiny random encoder: learnt, exported, opened, refused when damaged, used in the search."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from knowledge.reranking import Reranker, open_reranker
from knowledge.service import KnowledgeService, Question
from nlp.cross_encoder import (
    CrossEncoder,
    CrossEncoderDamaged,
    CrossEncoderManifest,
    CrossEncoderMissing,
    mark_of,
    newest,
)
from tests.knowledge.conftest import (
    TODAY,
    HashingEncoder,
    make_settings,
    small_base,
    write_background,
    write_folder,
)
from tests.nlu_fixtures import tiny_base
from training.nlu.errors import BaseModelError
from training.reranking.data import Asked, divided, grouped
from training.reranking.errors import RerankingTrainingError
from training.reranking.fitting import FitSettings
from training.reranking.pipeline import train_reranker

SMALL = FitSettings(
    epochs=8, batch=8, passages=3, lr=3e-3, lr_head=1e-2, tokens=32, frozen=0, minutes=0, threads=1, precision="fp32"
)  # fmt: skip
PASSAGES = {"电池扔哪": "电池: 放进有害垃圾桶", "bus 12": "bus: leaves the zoo", "旧衣服": "衣服: 回收箱"}


def asked(each: int = 12) -> list[Asked]:
    texts = tuple(PASSAGES.values())
    known = [
        Asked(f"{question} {number}", "zh", texts, at, labelled=True)
        for at, question in enumerate(PASSAGES)
        for number in range(each)
    ]
    return known + [Asked(f"讲个笑话 {number}", "zh", texts, -1) for number in range(6)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("reranking"))


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    heard: list[float] = []
    versions = tmp_path_factory.mktemp("var") / "models" / "reranker"
    folder, manifest = train_reranker(
        asked(), base, SMALL, versions=versions, progress=lambda share, _: heard.append(share)
    )
    assert heard == sorted(heard) and heard[-1] == 1.0
    assert folder == versions / manifest.version == newest(versions)
    assert [path.name for path in versions.iterdir()] == [manifest.version]
    return folder


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "reranker"))


def test_held_out_questions_are_not_learnt_from(trained: Path) -> None:
    learn, held = divided(asked())
    manifest = CrossEncoderManifest.read(trained)
    assert manifest is not None and held and all(item.labelled for item in held)
    assert set(manifest.learnt) == {mark_of(item.question) for item in learn if item.labelled}
    assert not {mark_of(item.question) for item in held} & set(manifest.learnt)
    assert manifest.base and len(manifest.data) == 32 and manifest.created and manifest.training["seed"] == 17


def test_the_right_passage_comes_first(trained: Path) -> None:
    encoder = CrossEncoder.load(trained)
    for at, question in enumerate(PASSAGES):
        assert int(encoder.score(question, list(PASSAGES.values())).argmax()) == at
    manifest = CrossEncoderManifest.read(trained)
    assert manifest is not None and manifest.metrics["held_out_first"] > 0.8


def test_a_passages_score_does_not_hang_on_its_neighbours(trained: Path) -> None:
    encoder, texts = CrossEncoder.load(trained), list(PASSAGES.values())
    alone = [float(encoder.score("电池扔哪", [text])[0]) for text in texts]
    together = encoder.score("电池扔哪", [*texts, "很长 " * 50])
    # 8-bit products scale by the whole batch.
    assert np.abs(together[:3] - alone).max() < 0.6
    assert encoder.score("?", []).shape == (0,)
    assert np.isfinite(encoder.score("\ud800" + "x" * 9000, ["", "\udfff"])).all()


def test_the_same_seed_gives_the_same_model(base: Path, tmp_path: Path) -> None:
    short = replace(SMALL, epochs=0)
    made = [train_reranker(asked(), base, short, out=tmp_path / name)[0] for name in ("a", "b")]
    assert len({(folder / "model.int8.onnx").read_bytes() for folder in made}) == 1


def test_a_stopped_run_leaves_the_old_model(base: Path, copy: Path) -> None:
    before = (copy / "manifest.json").read_bytes()

    def stop(share: float, _: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_reranker(asked(), base, SMALL, out=copy, progress=stop)
    assert (copy / "manifest.json").read_bytes() == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_too_little_to_learn_from_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(RerankingTrainingError, match="20 with an answer are needed"):
        train_reranker(asked(3), base, SMALL, out=tmp_path / "out")
    with pytest.raises(BaseModelError, match=r"holds no config\.json"):
        train_reranker(asked(), tmp_path, SMALL, out=tmp_path / "out")


def test_groups_hold_the_right_passage_first_and_hard_ones() -> None:
    groups = grouped(asked(2), 3, seed=1)
    for item, group in zip(asked(2), groups, strict=True):
        assert len(group.passages) == 3
        if item.right >= 0:
            assert group.passages[0] == item.passages[item.right]
            assert item.passages[item.right] not in group.passages[1:]


@pytest.mark.parametrize("name", ["model.int8.onnx", "tokenizer.json", "config.json"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(CrossEncoderMissing, match=name):
        CrossEncoder.load(copy)


@pytest.mark.parametrize("name", ["model.int8.onnx", "tokenizer.json", "config.json", "manifest.json"])
@pytest.mark.parametrize("with_manifest", [True, False])
def test_a_truncated_file_is_named(copy: Path, name: str, with_manifest: bool) -> None:
    if not with_manifest and name != "manifest.json":
        (copy / "manifest.json").unlink()
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CrossEncoderDamaged, match=name):
        CrossEncoder.load(copy)


def test_a_sentence_encoder_is_no_cross_encoder(base: Path, tmp_path: Path) -> None:
    from training.base.export import ensure_onnx

    with pytest.raises(CrossEncoderDamaged, match="one or two are wanted"):
        CrossEncoder.load(ensure_onnx(base, tmp_path))


def test_any_exported_classifier_serves(base: Path, tmp_path: Path) -> None:
    """A folder as other tools export it: two classes, three inputs, no manifest."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig.from_pretrained(str(base), num_labels=2, attn_implementation="eager")
    torch.manual_seed(1)
    model = BertForSequenceClassification(config).eval()
    ids = torch.tensor([[2, 5, 3, 6, 3], [2, 7, 3, 3, 0]])
    names = ["input_ids", "attention_mask", "token_type_ids"]
    torch.onnx.export(
        model,
        (ids, (ids > 0).long(), torch.zeros_like(ids)),
        str(tmp_path / "model.onnx"),
        input_names=names,
        output_names=["logits"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in names},
        dynamo=False,
    )
    shutil.copyfile(base / "tokenizer.json", tmp_path / "tokenizer.json")
    shutil.copyfile(base / "config.json", tmp_path / "config.json")
    encoder = CrossEncoder.load(tmp_path)
    read = Tokenizer.from_file(str(base / "tokenizer.json")).encode("bus 12", "zoo")
    with torch.inference_mode():
        logits = model(
            torch.tensor([read.ids]), torch.ones(1, len(read.ids)), torch.tensor([read.type_ids])
        ).logits[0]
    assert encoder.score("bus 12", ["zoo"])[0] == pytest.approx(float(logits[1] - logits[0]), abs=1e-4)
    assert encoder.learnt == frozenset()


@pytest.fixture
def opener(tmp_path: Path) -> Callable[[str], KnowledgeService]:
    write_folder(tmp_path / "articles", small_base())
    write_background(tmp_path / "calibration")
    rows = [
        {"query": text, "language": language, "relevant": [item.id]}
        for item in small_base()
        for language, texts in item.questions.items()
        for text in texts
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "calibration" / "questions.jsonl").write_text("\n".join(lines), "utf-8")

    def open_(reranker: str) -> KnowledgeService:
        settings = make_settings(tmp_path, reranker=reranker)
        return KnowledgeService.open(settings, encoder=HashingEncoder(), follow=False)

    return open_


def test_the_search_uses_it_and_calibrates_anew(
    opener: Callable[[str], KnowledgeService], copy: Path
) -> None:
    sources = []
    for name in ("", str(copy), ""):
        service = opener(name)
        calibration = service.calibration_of(service.index.snapshot)
        sources.append(calibration.source)
        assert (service.reranker is None) == (name == "") == (calibration.reranker == "")
        outcome = service.answer(Question("图书馆几点关门呀", "zh", TODAY, "ask_knowledge"))
        assert outcome.decision in ("answer", "clarify", "abstain")
        service.close()
    assert sources[0] == sources[2] != sources[1]


def test_only_the_order_changes(opener: Callable[[str], KnowledgeService], copy: Path) -> None:

    from knowledge.ranking import make_query, search
    from knowledge.snapshot import Filter

    service = opener(str(copy))
    reranker = service.reranker
    assert isinstance(reranker, Reranker)
    snapshot, index = service.index.snapshot, service.index
    calibration = replace(service.calibration_of(snapshot), rerank=5.0)
    for text, language in (("居留许可续签", "zh"), ("get rid of furniture", "en")):
        query = make_query(text, language, snapshot, index.encoder)
        found = search(query, snapshot, Filter(), calibration)
        again = reranker.reorder(query, found, calibration)
        assert {item.ref for item in again} == {item.ref for item in found}
        assert again[0].probability == pytest.approx(found[0].probability, abs=1e-6)
        shares = [item.probability for item in again]
        assert shares == sorted(shares, reverse=True)
        best = int((np.log([i.probability / (1 - i.probability) for i in found])
                    + 5.0 * reranker.scores(query, found)).argmax())  # fmt: skip
        assert again[0].ref == found[best].ref
        assert reranker.reorder(query, found, replace(calibration, reranker="another")) == found
    exact = make_query("养犬登记", "zh", snapshot, index.encoder)
    found = search(exact, snapshot, Filter(), calibration)
    assert reranker.reorder(exact, found, calibration) == found
    service.close()


def test_a_wrong_folder_stops_the_start(
    tmp_path: Path, opener: Callable[[str], KnowledgeService], copy: Path
) -> None:
    with pytest.raises(CrossEncoderMissing, match=r"city.yml: knowledge.reranker: .*nowhere: no such folder"):
        opener("nowhere")
    (copy / "model.int8.onnx").write_bytes(b"")
    with pytest.raises(CrossEncoderDamaged, match=r"knowledge.reranker: .*model.int8.onnx.*train reranker"):
        opener(str(copy))
    for off in (False, "off", None, ""):
        assert make_settings(tmp_path, reranker=off).knowledge.reranker == ""


def test_auto_takes_the_newest(
    tmp_path: Path, trained: Path, opener: Callable[[str], KnowledgeService]
) -> None:
    service = opener("auto")
    assert service.reranker is None
    folder = tmp_path / "var" / "models" / "reranker"
    for name, created in (("b", "2026-01-01"), ("a", "2026-02-01")):
        shutil.copytree(trained, folder / name)
        manifest = json.loads((folder / name / "manifest.json").read_text("utf-8"))
        (folder / name / "manifest.json").write_text(json.dumps({**manifest, "created": created}), "utf-8")
    assert newest(folder) == folder / "a"
    found = open_reranker(service.settings, service.store)
    assert found is not None and found.fingerprint == CrossEncoder.load(folder / "a").fingerprint
    service.close()
