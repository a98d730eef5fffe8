"""The shipped base is one model in four dresses: HF tokenizer, torch, ONNX float32, ONNX int8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer

from nlp.encoder import BASE_DIR, Encoder
from training.base.export import export_onnx, load_sentence_encoder, read_pooling
from training.base.student import embed, load_student, save_student

TEXTS = [
    "今天天气怎么样？", "What is the weather like today?", "K12路公交几点收班", "帮我book一个room", "臺灣的捷運怎麼搭",
    "５号线１２：３０", "", "😀", "I don't know…", "路灯坏了，请派人来修", "How do I renew my residence permit?",
    "打开wifi", "naïve café", "1,234.56元", "《办事指南》在哪里下载", "好" * 400,
]  # fmt: skip


def test_hf_tokenizer_equals_the_run_time_tokenizer() -> None:
    ours = Tokenizer.from_file(str(BASE_DIR / "tokenizer.json"))
    theirs = AutoTokenizer.from_pretrained(str(BASE_DIR))
    for text in TEXTS:
        assert theirs(text)["input_ids"] == ours.encode(text).ids
    assert theirs.pad_token_id == 0
    assert theirs.mask_token == "[MASK]"


def test_tokens_point_back_into_the_text() -> None:
    tokenizer = Tokenizer.from_file(str(BASE_DIR / "tokenizer.json"))
    encoding = tokenizer.encode("我要坐K12路去北京站!")
    text = "我要坐K12路去北京站!"
    pieces = [text[a:b] for a, b in encoding.offsets[1:-1]]
    assert "".join(pieces) == text
    assert pieces[-1] == "!"


@pytest.fixture(scope="module")
def torch_vectors() -> np.ndarray:
    """Float32 torch vectors of TEXTS."""
    tokenizer = Tokenizer.from_file(str(BASE_DIR / "tokenizer.json"))
    tokenizer.enable_truncation(128)
    model = load_sentence_encoder(BASE_DIR)
    rows = []
    with torch.inference_mode():
        for text in TEXTS:
            ids = torch.tensor([tokenizer.encode(text).ids])
            rows.append(model(ids, torch.ones_like(ids))[0].numpy())
    return np.stack(rows)


def test_onnx_float32_equals_torch(torch_vectors: np.ndarray, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "config.json"):
        (tmp_path / name).write_bytes((BASE_DIR / name).read_bytes())
    export_onnx(BASE_DIR, tmp_path / "model.onnx", quantise=False)
    vectors = Encoder.load(tmp_path).encode(TEXTS, batch_size=4)
    assert np.abs(vectors - torch_vectors).max() < 1e-4


def test_int8_is_near_torch_and_ranks_alike(torch_vectors: np.ndarray) -> None:
    vectors = Encoder.load(BASE_DIR).encode(TEXTS, batch_size=4)
    cosines = np.sum(vectors * torch_vectors, axis=1)
    assert cosines.min() > 0.96
    assert cosines.mean() > 0.98
    far = ~np.eye(len(TEXTS), dtype=bool)
    assert np.abs((vectors @ vectors.T - torch_vectors @ torch_vectors.T)[far]).max() < 0.12


def test_auto_model_is_an_ordinary_float32_bert() -> None:
    model = AutoModel.from_pretrained(str(BASE_DIR))
    assert model.config.model_type == "bert"
    assert model.dtype == torch.float32
    batch = AutoTokenizer.from_pretrained(str(BASE_DIR))(["你好", "hello"], padding=True, return_tensors="pt")
    assert model(**batch).last_hidden_state.shape[-1] == 384
    assert read_pooling(BASE_DIR) == "mean"


def test_save_and_load_round_trip(tmp_path: Path) -> None:
    student = load_student(BASE_DIR)
    save_student(student, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == (BASE_DIR / "model.safetensors").read_bytes()
    again = load_student(tmp_path)
    for head in (False, True):
        assert np.allclose(
            embed(student, TEXTS[:4], head=head), embed(again, TEXTS[:4], head=head), atol=1e-6
        )
