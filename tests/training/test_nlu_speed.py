"""What makes training and the exported graph quick must not change what they compute."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from transformers import BertConfig, BertModel

from benchmarks.nlu_page import write_page
from nlp.joint_ngrams import NgramScorer, buckets, weighted
from tests.nlu_fixtures import tiny_base
from training.nlu.batches import Encoded, LengthBatches, collate, some_of_each
from training.nlu.calibration import fit_novelty
from training.nlu.data import load_data
from training.nlu.device import Compute
from training.nlu.export import export, outputs
from training.nlu.fitting import fit, run
from training.nlu.network import JointNetwork, QuickDropout, freeze_lower, load_body, quick_dropout
from training.nlu.pipeline import _adapted
from training.nlu.settings import TrainSettings
from training.nlu.small_table import used_rows


def _rows(count: int, seed: int = 1, least: int = 40) -> list[Encoded]:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        ids = [2, *(int(i) for i in rng.integers(least, least + 12, rng.integers(1, 9))), 3]
        rows.append(Encoded(ids, [0] * len(ids), number % 3))
    return rows


@pytest.fixture
def network(tmp_path: Path) -> JointNetwork:
    return JointNetwork(load_body(tiny_base(tmp_path)), 3, 2, "mean", 0.1)


def test_a_small_table_reads_alike_and_only_its_rows_change(network: JointNetwork) -> None:
    rows, compute = _rows(9), Compute("cpu", None)
    whole = network.body.get_input_embeddings()
    before, read = whole.weight.detach().clone(), run(network, rows, compute)["logits"]
    with used_rows(network.body, [rows[:5], rows[5:]]) as renumber:
        small = network.body.get_input_embeddings()
        assert len(small.weight) < len(before) and small.weight.requires_grad
        assert np.allclose(run(network, renumber(rows), compute)["logits"], read, atol=1e-6)
        with torch.no_grad():
            small.weight += 1.0
    assert network.body.get_input_embeddings() is whole
    changed = (whole.weight - before).abs().amax(1) > 0.5
    used = {number for row in rows for number in row.ids} | {0}
    assert {int(at) for at in changed.nonzero()} == used


def test_a_frozen_table_stays_whole(network: JointNetwork) -> None:
    network.body.get_input_embeddings().weight.requires_grad_(False)
    rows = _rows(3)
    with used_rows(network.body, [rows]) as renumber:
        assert renumber(rows) == rows


@pytest.mark.parametrize(
    ("layers", "asked", "frozen"), [(6, 2, 2), (6, 9, 2), (4, 2, 1), (2, 2, 0), (6, 0, 0)]
)
def test_the_lower_third_of_an_encoder_stays_as_the_base_has_it(layers: int, asked: int, frozen: int) -> None:
    config = BertConfig(
        vocab_size=60, hidden_size=16, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=32
    )
    torch.manual_seed(2)
    body = BertModel(config, add_pooling_layer=False)
    quick_dropout(body)
    assert freeze_lower(body, asked) == frozen
    network = JointNetwork(body, 3, 2, "mean", 0.1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    settings = TrainSettings(base=Path("tiny"), epochs=2, batch=4, lr=1e-2)
    fit(network, _rows(9), _rows(9), settings, Compute("cpu", None))
    numbers = {layer: f"encoder.layer.{layer}." for layer in range(layers)}
    for name, value in network.state_dict().items():
        low = "body.embeddings" in name or any(numbers[layer] in name for layer in range(frozen))
        if name.endswith("weight"):
            assert torch.equal(value, before[name]) == (low and frozen > 0), name
    body.train()
    ids = torch.tensor([[2, 41, 42, 3]])
    first, second = (body(ids, output_hidden_states=True).hidden_states for _ in range(2))
    assert torch.equal(first[frozen], second[frozen]) == (frozen > 0)
    assert not torch.equal(first[-1], second[-1])


def test_adversarial_training_keeps_the_word_table_trained(tmp_path: Path) -> None:
    base = tmp_path / "six"
    tiny_base(base)
    config = json.loads((base / "base" / "config.json").read_text())
    config["num_hidden_layers"] = 6
    (base / "base" / "config.json").write_text(json.dumps(config))
    body = load_body(base / "base")
    network = JointNetwork(body, 3, 2, "mean", 0.1)
    kept = _adapted(network, TrainSettings(base=base / "base", frozen_layers=2, fgm=0.5), 1)
    assert kept.body.get_input_embeddings().weight.requires_grad
    kept = _adapted(network, TrainSettings(base=base / "base", frozen_layers=2), 1)
    assert not kept.body.get_input_embeddings().weight.requires_grad


def test_a_failed_training_gives_the_whole_table_back(network: JointNetwork) -> None:
    whole = network.body.get_input_embeddings()
    with pytest.raises(KeyError), used_rows(network.body, [_rows(3)]) as renumber:
        renumber([Encoded([1_000_000], [0], 0)])
    assert network.body.get_input_embeddings() is whole


def test_quick_dropout_leaves_out_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    layer = QuickDropout(0.1)
    values = torch.ones(333, 301, requires_grad=True)
    found = layer(values)
    assert abs(float((found == 0).float().mean()) - 26 / 256) < 0.003
    assert abs(float(found.detach().mean()) - 1) < 0.005
    found.sum().backward()
    assert torch.equal(values.grad, found.detach())
    assert torch.equal(layer.eval()(values), values)


def test_the_exported_graph_has_fused_attention_and_computes_the_same(
    network: JointNetwork, tmp_path: Path
) -> None:
    rows = _rows(12)
    read = run(network, rows, Compute("cpu", None))
    novelty = fit_novelty(read["pooled"], np.array([row.intent for row in rows]))
    exported = export(network.eval(), novelty, tmp_path / "graph.onnx", rows, quantise=False)
    kinds = [node.op_type for node in onnx.load(str(tmp_path / "graph.onnx")).graph.node]
    assert exported.precision == "fp32" and kinds.count("Attention") == 2 and "Softmax" not in kinds
    # Batches of unlike lengths: padding must not be read.
    logits = outputs(tmp_path / "graph.onnx", rows, ["intent_logits"])[0]
    assert np.allclose(logits, read["logits"], atol=1e-4)
    assert type(network.body.encoder.layer[0].attention.self).__name__ == "BertSelfAttention"


def test_examples_of_each_intent_are_spread_over_all() -> None:
    rows = [Encoded([at], [0], at % 2) for at in range(100)] + [Encoded([200], [0], 7)]
    chosen = some_of_each(rows, 5)
    assert [row.ids[0] for row in chosen if row.intent == 0] == [0, 20, 40, 60, 80]
    assert [row.ids[0] for row in chosen if row.intent == 7] == [200]


def test_batches_hold_every_row_once_with_little_padding() -> None:
    rows = _rows(900)
    batches = list(LengthBatches([len(row.ids) for row in rows], 32, 5))
    assert sorted(at for batch in batches for at in batch) == list(range(900))
    cells = sum(collate([rows[at] for at in batch])["input_ids"].numel() for batch in batches)
    assert cells < 1.03 * sum(len(row.ids) for row in rows)


def test_ngrams_of_a_text_are_those_of_its_words() -> None:
    sentence = "公交车站在哪里呢请问一下附近有没有啊"
    counts = buckets(f"Bus bus {sentence}")
    assert sum(counts.values()) == 2 * (5 + 4 + 3 + 2) + sum(len(sentence) + 3 - size for size in range(1, 5))
    at, values = weighted(counts, np.ones(1 << 15, np.float32))
    assert len(at) == len(counts) and abs(float((values**2).sum()) - 1) < 1e-5
    assert NgramScorer(
        np.ones((1 << 15, 2), np.int8), np.ones(2, np.float32), np.zeros(1 << 15, np.float32)
    ).score(["bus"]).tolist() == [[0.0, 0.0]]


def test_a_hundred_thousand_rows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "many.tsv"
    path.write_text("".join(f"text number {n}\tintent_{n % 400}\n" for n in range(100_000)), encoding="utf-8")
    data = load_data(path)
    assert len(data.examples) == 100_000 and len(data.intents) == 400


def test_notes_on_the_page_of_figures_are_kept(tmp_path: Path) -> None:
    page = tmp_path / "nlu.md"
    page.write_text("# Old\n\nold figures\n\n## Notes\n\nWritten by a person.\n", encoding="utf-8")
    figures = {
        "texts": 10, "train_texts": 20, "accuracy": 0.9, "macro_f1": 0.8, "ece": 0.01, "p50_ms": 3.0, "train_s": 5.0,
        "train_cpu_s": 6.0,
    }  # fmt: skip
    row = {
        "accuracy": 0.9, "zh": 0.9, "en": 0.8, "noise": {"typo": 0.7}, "entity_f1": 0.6, "ece": 0.02, "p50_ms": 3.0,
        "graph_mb": 25.0, "train_cpu_s": 7.0, "train_texts": 20, "texts": 10,
    }  # fmt: skip
    for _ in range(2):
        write_page(page, {"own test_en": {"chengda": figures}}, {"no typos": row})
    text = page.read_text(encoding="utf-8")
    assert (
        "old figures" not in text
        and "| own test_en | **Chengda** |" in text
        and "| no typos | 90.0 |" in text
    )
    assert text.count("## Notes") == 1 and text.endswith("Written by a person.\n")
