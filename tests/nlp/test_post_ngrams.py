from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.post_ngrams import PostNgrams, count_ngrams, weighted
from nlp.sentiment_text import clean, head_and_tail, without_groups

BUCKETS = 4096
TEXTS = st.lists(st.text(max_size=60), max_size=5)


def as_sets(texts: list[str]) -> list[dict[int, int]]:
    counts = count_ngrams(texts, BUCKETS)
    found: list[dict[int, int]] = [{} for _ in texts]
    for row, bucket, times in zip(counts.rows, counts.buckets, counts.times, strict=True):
        found[row][int(bucket)] = int(times)
    return found


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_a_text_counts_the_same_alone_and_in_a_batch(texts: list[str]) -> None:
    assert as_sets(texts) == [as_sets([text])[0] for text in texts]


def test_what_is_counted() -> None:
    (found,) = as_sets(["好 好"])
    # Twice the character, and " 好", "好 " and " 好 " of each; nothing reaches over the space between them.
    assert sorted(found.values()) == [2, 2, 2, 2]
    (word,) = as_sets(["ab"])
    assert sum(word.values()) == 2 + 3 + 2 + 1 + 1  # sizes one to three, " ab " of four, and the word itself
    assert as_sets(["Road ROAD"]) == as_sets(["road  road"])
    assert as_sets(["", "   "]) == [{}, {}]


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_weights_of_a_text_have_length_one_and_scores_are_finite(texts: list[str]) -> None:
    counts = count_ngrams(texts, BUCKETS)
    idf = np.linspace(0, 2, BUCKETS, dtype=np.float32)
    rows, _, values = weighted(counts, idf)
    lengths = np.sqrt(np.bincount(rows, values.astype(float) ** 2, len(texts)))
    assert all(abs(length - 1) < 1e-4 or length == 0 for length in lengths)
    scorer = PostNgrams(
        np.ones((BUCKETS, 2), np.int8), np.array([0.1, 0.2], np.float32), np.array([1, 2], np.float32), idf
    )
    scores = scorer.score(texts)
    assert scores.shape == (len(texts), 2) and np.isfinite(scores).all()


def test_kept_and_read_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    idf = np.where(rng.random(BUCKETS) > 0.5, 1.5, 0).astype(np.float32)
    codes = rng.integers(-127, 128, (BUCKETS, 3)).astype(np.int8)
    codes[rng.random(BUCKETS) < 0.4] = 0  # their idf counts for the length of a text all the same
    scorer = PostNgrams(codes, np.full(3, 0.01, np.float32), np.array([0.5, 0, -1], np.float32), idf)
    scorer.write(tmp_path / "n.npz")
    texts = ["路灯坏了三天没人修", "the road is broken again", ""]
    assert np.array_equal(PostNgrams.read(tmp_path / "n.npz").score(texts), scorer.score(texts))
    assert scorer.score(texts)[2].tolist() == [0.5, 0, -1]


def test_another_file_is_refused(tmp_path: Path) -> None:
    for number, arrays in enumerate(
        (
            {"codes": np.zeros((2, 3), np.int8)},
            {
                "steps": np.array([1, 5000], np.uint32), "told": np.array([True, True]),
                "codes": np.zeros((2, 3), np.int8), "scale": np.ones(3), "bias": np.zeros(3),
                "idf": np.ones(2), "count": np.int64(4096),
            },
        )
    ):  # fmt: skip
        np.savez(tmp_path / f"{number}.npz", **arrays)
        with pytest.raises((ValueError, KeyError)):
            PostNgrams.read(tmp_path / f"{number}.npz")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = clean(text)
    assert len(once) <= 1210 and "http://" not in once
    assert once == once.strip()


def test_a_long_post_keeps_both_ends() -> None:
    text = clean("开头" + "中" * 5000 + "结尾 https://example.org/x @somebody")
    assert text.startswith("开头") and "结尾" in text and "example" not in text and text.endswith("@user")
    assert head_and_tail(list(range(10)), 4) == [0, 1, 8, 9]
    assert head_and_tail([1, 2], 4) == [1, 2]


def test_the_names_of_groups_are_not_read() -> None:
    zh = {
        without_groups(f"{group}在人民广场跳舞")
        for group in ("老人", "残疾人", "外国人", "回族朋友", "农民工")
    }
    en = {
        without_groups(f"met {group} today")
        for group in ("muslims", "women", "men", "Gay people", "the disabled")
    }
    assert zh == {"人们在人民广场跳舞"} and en == {"met people today"}
    assert without_groups("女司机说路灯坏了") == "司机说路灯坏了"
    assert without_groups("the old bridge is closed") == "the old bridge is closed"
