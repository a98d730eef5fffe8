"""Spelling repair: slips and homophones towards known words, everything else untouched."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.joint import JointModel, ModelDamagedError
from nlp.joint_decode import between
from nlp.joint_manifest import SPELLING, hash_file, read_manifest
from nlp.joint_spelling import Counts, Speller, sounds
from tests.nlu_fixtures import train_tiny

TEXTS = [
    "when does the next bus leave",
    "which bin for old batteries",
    "report a broken street light",
    "我要投诉噪音",
    "公交站在哪里",
    "路灯坏了怎么报修",
] * 4
SPELLER = Speller(Counts.of(TEXTS), {"light", "house", "kitten", "the"}.__contains__)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("which bin for old baterries", "which bin for old batteries"),
        ("Wich bin for old batteries?", "which bin for old batteries?"),
        ("the next bus laeve", "the next bus leave"),
        ("report a brokenn street ligth", "report a broken street light"),
        ("我药投诉噪音", "我要投诉噪音"),
        ("公交战在哪里", "公交站在哪里"),
        ("陆灯坏了怎么报休", "路灯坏了怎么报修"),
    ],
)
def test_slips_and_homophones_are_repaired(written: str, meant: str) -> None:
    assert SPELLER.repair(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        *TEXTS[:6],
        "",
        "   ",
        "12:30!",
        "my kitten sits in the house",
        "bus 12, stop 7",
        "熊猫吃竹子",
        "\ud800 x",
    ],
)
def test_what_is_known_or_far_from_everything_stays(text: str) -> None:
    assert SPELLER.repair(text) == text


@given(st.text(alphabet="abcdelnoprstuwh 我药要投诉苏12,.'！\n", max_size=60))
def test_only_words_change_and_signs_and_spaces_stay(text: str) -> None:
    fixed = SPELLER.repair(text)

    def signs(value: str) -> str:
        return "".join(char for char in value if not char.isalpha() and char != "'")

    assert signs(fixed) == signs(text)
    assert fixed.count("\n") == text.count("\n")


def test_counts_survive_the_disk_with_the_same_bytes(tmp_path: Path) -> None:
    counts = Counts.of(TEXTS)
    counts.write(tmp_path / "a.gz")
    Counts.read(tmp_path / "a.gz").write(tmp_path / "b.gz")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert Counts.read(tmp_path / "a.gz") == counts


def test_readings_of_a_character_have_no_tones() -> None:
    assert set(sounds("行")) >= {"hang", "xing"}


def test_a_repaired_text_is_read_both_ways() -> None:
    plain = np.array([[0.0, 2.0], [4.0, 0.0]], np.float32)
    assert between(plain, np.array([[0.0, 4.0]], np.float32), [1]).tolist() == [[0.0, 2.0], [2.0, 2.0]]
    assert between(plain, np.zeros((0, 2), np.float32), []).tolist() == plain.tolist()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny(tmp_path_factory.mktemp("spelling"), epochs=30).directory


def test_a_model_reads_a_slip_both_ways_and_tags_what_was_written(directory: Path, tmp_path: Path) -> None:
    model, plain = JointModel.load(directory), JointModel.load(without_counts(directory, tmp_path))
    texts = ["店池扔那个同", "which bin for batteries", "is a banana peal food waste"]
    mixed = model.raw(texts)
    written = plain.raw(texts).logits
    meant = plain.raw(["电池扔哪个桶", texts[1], "is a banana peel food waste"]).logits
    assert np.allclose(mixed.logits, (written + meant) / 2, atol=0.06)
    assert np.abs(written - meant)[[0, 2]].max(1).min() > 0.1
    assert len(mixed.tags) == len(mixed.encodings) == 3
    text = "12路几店到市政厅"
    line, stop = model.predict([text])[0].entities
    assert (text[line.start : line.end], text[stop.start : stop.end]) == ("12路", "市政厅")


def without_counts(directory: Path, folder: Path) -> Path:
    """Copy a model, its word counts left out."""
    copy = folder / "plain"
    shutil.copytree(directory, copy)
    (copy / SPELLING).unlink()
    values = json.loads((copy / "manifest.json").read_text("utf-8"))
    del values["files"][SPELLING]
    (copy / "manifest.json").write_text(json.dumps(values), "utf-8")
    assert SPELLING not in read_manifest(copy).files
    return copy


@pytest.mark.parametrize(
    "content",
    [b"x", gzip.compress(b"[]"), gzip.compress(b'{"words": {"a": 0}, "pairs": {}}')],
    ids=["no gzip", "a list", "a count of zero"],
)
def test_damaged_word_counts_are_named(directory: Path, tmp_path: Path, content: bytes) -> None:
    copy = tmp_path / "model"
    shutil.copytree(directory, copy)
    (copy / SPELLING).write_bytes(content)
    with pytest.raises(ModelDamagedError, match="was altered"):
        JointModel.load(copy)
    values = json.loads((copy / "manifest.json").read_text("utf-8"))
    values["files"][SPELLING] = hash_file(copy / SPELLING)
    (copy / "manifest.json").write_text(json.dumps(values), "utf-8")
    with pytest.raises(ModelDamagedError, match=SPELLING):
        JointModel.load(copy)


def test_an_unsure_repair_rescues_nothing(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, text = JointModel.load(directory), "店池扔那个同"
    assert model.raw([text]).repaired == {0}
    sure = model.predict([text])[0].confidence
    for bound, accepted in ((sure - 0.01, True), (sure + 0.01, False)):
        monkeypatch.setattr("nlp.joint._SURE_REPAIR", bound)
        monkeypatch.setattr(model, "oos_scores", lambda raw: np.zeros(len(raw.logits), np.float32))
        assert model.predict([text])[0].accepted is accepted
