"""The run-time encoder on the shipped base: parity, odd inputs, named errors."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlp.encoder import BASE_DIR, Encoder, EncoderFileDamaged, EncoderFileMissing

ODD = [
    "",
    " ",
    "😀",
    "好" * 10_000,
    "word " * 2000,
    "臺灣的捷運怎麼搭？",
    "帮我book一个room",
    "５号线１２：３０",
    "\ud800x",
    "\x00\u200b",
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The shipped encoder."""
    return Encoder.load(BASE_DIR)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.dot(a, b))


def test_unit_vectors_of_the_stated_shape(encoder: Encoder) -> None:
    vectors = encoder.encode(["你好", "hello"])
    assert vectors.shape == (2, encoder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert encoder.encode([]).shape == (0, encoder.dimension)


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_inputs_give_finite_unit_vectors(encoder: Encoder, text: str) -> None:
    vector = encoder.encode_one(text)
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=80))
def test_any_text_is_accepted(encoder: Encoder, text: str) -> None:
    assert np.isfinite(encoder.encode_one(text)).all()


def test_batch_and_single_agree_and_order_is_kept(encoder: Encoder) -> None:
    texts = [
        "今天天气怎么样？",
        "a",
        "Where can I pay my water bill in the city centre?",
        "垃圾分类",
        "b" * 300,
    ]
    together = encoder.encode(texts, batch_size=2)
    for row, text in enumerate(texts):
        # Dynamic quantisation shares one scale in a batch, so a small difference is expected.
        assert cosine(together[row], encoder.encode_one(text)) > 0.985


def test_full_width_case_and_spaces_do_not_matter(encoder: Encoder) -> None:
    assert encoder.tokens("ＢＵＳ　１２") == encoder.tokens("bus 12")
    assert encoder.tokens("打开wifi")[-3:] == encoder.tokens("打开 wifi")[-3:]


def test_translations_are_near_and_others_far(encoder: Encoder) -> None:
    zh = encoder.encode(["今天天气怎么样？", "地铁站在哪里？", "我要投诉噪音"])
    en = encoder.encode(
        ["What is the weather like today?", "Where is the metro station?", "I want to complain about noise"]
    )
    assert (np.argmax(zh @ en.T, axis=1) == np.arange(3)).all()


def test_traditional_characters_read_as_simplified(encoder: Encoder) -> None:
    assert encoder.tokens("臺灣的捷運怎麼搭？") == encoder.tokens("台湾的捷运怎么搭？")
    assert cosine(encoder.encode_one("圖書館幾點開門"), encoder.encode_one("图书馆几点开门")) > 0.999


def test_fingerprint_changes_with_content(encoder: Encoder, tmp_path: Path) -> None:
    copy = _copy(tmp_path)
    assert Encoder.load(copy).fingerprint == encoder.fingerprint
    (copy / "config.json").write_text(
        (copy / "config.json").read_text(encoding="utf-8") + " ", encoding="utf-8"
    )
    assert Encoder.load(copy).fingerprint != encoder.fingerprint


def test_length_limit_is_kept(encoder: Encoder) -> None:
    short = Encoder.load(BASE_DIR, max_tokens=8)
    assert len(short.tokens("好人" * 100)) == 8
    assert len(Encoder.load(BASE_DIR, max_tokens=100_000).tokens("a b " * 2000)) == 512


def test_wrong_arguments(encoder: Encoder) -> None:
    with pytest.raises(TypeError):
        encoder.encode("one text")
    with pytest.raises(ValueError, match="batch_size"):
        encoder.encode(["a"], batch_size=0)


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "model.int8.onnx"])
def test_missing_and_damaged_files_are_named(tmp_path: Path, name: str) -> None:
    copy = _copy(tmp_path)
    (copy / name).write_bytes(b"{broken")
    with pytest.raises(EncoderFileDamaged, match=name):
        Encoder.load(copy)
    (copy / name).unlink()
    with pytest.raises(EncoderFileMissing, match=name):
        Encoder.load(copy)


def _copy(folder: Path) -> Path:
    for name in ("tokenizer.json", "config.json", "model.int8.onnx"):
        shutil.copy2(BASE_DIR / name, folder / name)
    return folder


def test_run_time_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['transformers'] = None\n"
        "from nlp.encoder import Encoder, BASE_DIR\n"
        "assert Encoder.load(BASE_DIR).encode_one('你好').shape"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=BASE_DIR.parent.parent
    )
    assert done.returncode == 0, done.stderr


def test_shipped_sizes() -> None:
    assert (BASE_DIR / "model.safetensors").stat().st_size <= 60e6
    assert (BASE_DIR / "model.int8.onnx").stat().st_size <= 30e6
