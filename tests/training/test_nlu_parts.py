"""The small parts of NLU training: tags, augmentation, calibration, measures, settings."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from nlp.joint_decode import decode_tags
from nlp.joint_ngrams import NgramScorer
from nlp.joint_spelling import Counts
from training.nlu.augment import Augmenter
from training.nlu.batches import Encoded, EncodedSet
from training.nlu.calibration import calibrate, fit_novelty, fit_temperature
from training.nlu.config import TrainingConfigError, read_settings
from training.nlu.damage import change_case, drop_punctuation, typo
from training.nlu.data import DataSet, Example, Mark
from training.nlu.export import loses
from training.nlu.marked_text import MarkedText
from training.nlu.metrics import calibration_error, entity_scores, reliability, separation
from training.nlu.ngrams import train_ngrams
from training.nlu.noise import Suspect, find_suspects, mended
from training.nlu.settings import Augmentation, TrainSettings
from training.nlu.spelling import with_repair
from training.nlu.tagging import tag_names, token_tags

CITY = Path(__file__).resolve().parents[2] / "bot" / "data" / "gazetteer" / "city.csv"


def test_tags_there_and_back() -> None:
    text, marks = "去人民广场坐12路", (Mark(1, 5, "place"), Mark(6, 9, "line"))
    offsets = [(0, 0), (0, 1), (1, 3), (3, 5), (5, 6), (6, 8), (8, 9), (0, 0)]
    names = tag_names(["line", "place"])
    numbers = {name: at for at, name in enumerate(names)}
    tags = token_tags(offsets, marks, numbers, text)
    assert [names[t] if t >= 0 else "-" for t in tags] == [
        "-",
        "O",
        "B-place",
        "I-place",
        "O",
        "B-line",
        "I-line",
        "-",
    ]
    probabilities = np.eye(len(names), dtype=np.float32)[[max(tag, 0) for tag in tags]]
    spans = decode_tags(probabilities, names, offsets, text, 0.5)
    assert [(s.entity, s.start, s.end) for s in spans] == [("place", 1, 5), ("line", 6, 9)]


EXAMPLE = Example("去人民广场坐12路公交几点有车", "departures", (Mark(1, 5, "place"), Mark(6, 9, "line")))


@given(st.integers(0, 500), st.sampled_from([typo, change_case]))
def test_damage_keeps_entities_in_their_places(seed: int, change: object) -> None:
    text = MarkedText.of(EXAMPLE)
    change(text, random.Random(seed))  # type: ignore[operator]
    made = text.example(EXAMPLE)
    if made is not None:
        assert [made.text[m.start : m.end] for m in made.marks] == ["人民广场", "12路"]


def test_punctuation_goes_but_not_inside_numbers() -> None:
    text = MarkedText.of(Example("Hi, at 8:30? ok!", "x"))
    drop_punctuation(text)
    assert "".join(text.chars) == "Hi at 8:30 ok"


def test_augmentation_is_seeded_switchable_and_keeps_labels() -> None:
    data = DataSet(
        [EXAMPLE, Example("which bus goes to the zoo, please", "line", (Mark(22, 25, "place"),))] * 20
    )
    first = Augmenter(Augmentation(), data, CITY, 7).extra(data.examples)
    assert first == Augmenter(Augmentation(), data, CITY, 7).extra(data.examples)
    assert first and {e.intent for e in first} <= {"departures", "line"}
    assert all(e.text[m.start : m.end] for e in first for m in e.marks)
    assert Augmenter(Augmentation.off(), data, CITY, 7).extra(data.examples) == []
    assert len(Augmenter(Augmentation(most=6), data, CITY, 7).extra(data.examples)) <= 8 < len(first)


def test_temperature_cools_an_overconfident_model() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    logits = rng.normal(0, 1, (600, 3)).astype(np.float32)
    logits[np.arange(600), labels] += 1.5
    assert fit_temperature(logits * 6, labels) == pytest.approx(6 * fit_temperature(logits, labels), rel=0.05)


def test_novelty_is_larger_far_from_every_class() -> None:
    rng = np.random.default_rng(1)
    pooled = np.concatenate([rng.normal(c, 0.3, (50, 8)) for c in (-2, 2)]).astype(np.float32)
    novelty = fit_novelty(pooled, np.repeat([0, 1], 50))
    near, far = novelty.distance(np.array([[2.0] * 8, [9.0] * 8], np.float32))
    assert far > 3 * near


def test_calibration_without_outside_examples_refuses_few_inside() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, 400)
    logits = rng.normal(0, 1, (400, 4)).astype(np.float32)
    logits[np.arange(400), labels] += 4
    found = calibrate(logits, rng.normal(1, 0.2, 400).astype(np.float32), labels, [])
    assert found.measures["dev_refused_in_scope"] <= 0.025
    assert 0 < found.thresholds.accept <= 0.5


def test_measures_on_known_values() -> None:
    table = reliability([0.9, 0.9, 0.9, 0.9], [True, True, True, False])
    assert calibration_error(table) == pytest.approx(0.15)
    found = separation([0.1, 0.2, 0.3], [0.8, 0.9])
    assert found is not None and found["auroc"] == 1.0 and found["fpr95"] == 0.0
    assert separation([0.1], []) is None
    gold, guess = [frozenset({("a", 0, 2), ("b", 3, 5)})], [frozenset({("a", 0, 2), ("b", 3, 6)})]
    total, each = entity_scores(gold, guess)
    assert total.f1 == 0.5 and each["a"].f1 == 1.0 and each["b"].f1 == 0.0


def test_settings_file_with_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "train.yml"
    path.write_text("epoch: 3\n", encoding="utf-8")
    with pytest.raises(TrainingConfigError, match="did you mean `epochs`"):
        read_settings(path, own_data=True, base=Path("b"))
    with pytest.raises(TrainingConfigError, match="method"):
        read_settings(None, own_data=True, base=Path("b"), method="magic")


def test_layers_are_kept_for_our_own_data_only_and_the_file_has_the_last_word(tmp_path: Path) -> None:
    assert read_settings(None, own_data=True, base=Path("b")).kept_layers == 2
    assert read_settings(None, own_data=False, base=Path("b")).kept_layers == 0
    path = tmp_path / "train.yml"
    path.write_text("frozen_layers: 1\n", encoding="utf-8")
    assert {read_settings(path, own_data=own, base=Path("b")).kept_layers for own in (True, False)} == {1}


def test_settings_fit_the_size_of_the_data() -> None:
    settings = TrainSettings(base=Path("b"))
    small, large = settings.fitted(200, 10), settings.fitted(100_000, 150)
    assert (small.epochs or 0) > (large.epochs or 0)
    assert large.dev_share is not None and large.dev_share * 100_000 <= 1000


def test_confidently_contradicted_labels_are_replaced_and_unlikely_ones_dropped() -> None:
    probabilities = np.array([[0.9, 0.05, 0.05], [0.9, 0.05, 0.05], [0.48, 0.49, 0.03], [0.4, 0.3, 0.3]])
    suspects = find_suspects(probabilities, np.array([0, 1, 2, 1]))
    assert suspects == [Suspect(1, 0), Suspect(2, None)]
    rows = [Encoded([1], [0], intent) for intent in (0, 1, 2, 1)]
    assert [row.intent if row else None for row in mended(rows, suspects)] == [0, 0, None, 1]


def test_ngram_scores_tell_classes_apart_and_survive_the_disk(tmp_path: Path) -> None:
    texts = ["充电宝扔哪", "废电池扔哪", "几点发车", "末班车几点"] * 5
    scorer = train_ngrams(texts, [0, 0, 1, 1] * 5, 2, seed=1)
    scorer.write(tmp_path / "ngrams.npz")
    again = NgramScorer.read(tmp_path / "ngrams.npz")
    scores = again.score(["旧电池扔哪个桶", "首班车几点", ""])
    assert scores.argmax(1)[:2].tolist() == [0, 1]
    assert not scores[2].any()


def test_graph_is_worse_only_beyond_chance() -> None:
    before = np.ones(600, bool)
    after = before.copy()
    after[:3] = False
    assert loses(before, after)
    after[:1] = True
    before[10:14] = False
    assert not loses(before, after)


def test_slips_take_turns_and_keep_length_order_and_labels() -> None:
    data = DataSet([EXAMPLE, Example("which bus goes to the zoo, please", "line")] * 10)
    augmenter = Augmenter(replace(Augmentation.off(), noise=0.5), data, None, 7)
    versions = augmenter.noisy(data.examples, 2)
    assert [[e.intent for e in version] for version in versions] == [[e.intent for e in data.examples]] * 2
    changed = [a.text != b.text for version in versions for a, b in zip(version, data.examples, strict=True)]
    assert sum(changed) > 30 and versions[0] != versions[1]
    assert Augmenter(Augmentation.off(), data, None, 7).noisy(data.examples, 2) == []
    rows, other = [Encoded([1], [0], 0)] * 100, [Encoded([2], [0], 0)] * 100
    drawn = EncodedSet(rows, [other], 0.3, 1)
    shares = sum(drawn[at].ids[0] == 2 for at in range(100))
    assert 15 < shares < 45
    assert all(row.ids == [1] for row in (EncodedSet(rows)[at] for at in range(100)))


def test_spelling_repair_is_kept_only_where_it_costs_no_accuracy() -> None:
    counts = Counts.of(["old batteries", "street light"] * 9)
    tokenizer = Tokenizer(models.Unigram([("[UNK]", 0.0)], unk_id=0))
    texts = ["old baterries", "street light"] * 20
    labels = np.array([0, 1] * 20)
    wrong = np.array([[0.0, 1.0], [0.0, 1.0]] * 20, np.float32)
    far = np.zeros(40, np.float32)

    def right(asked: object) -> tuple[np.ndarray, np.ndarray]:
        assert asked == ["old batteries"] * 20
        return np.array([[4.0, 0.0]] * 20, np.float32), far[:20]

    found = with_repair(counts, tokenizer, texts, (wrong, far), labels, right)
    assert found is not None and (found[0].argmax(1) == labels).all()
    assert (
        with_repair(
            counts, tokenizer, texts, (found[0], far), labels, lambda _: (-9 * found[0][::2], far[:20])
        )
        is None
    )
