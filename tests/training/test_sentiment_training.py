"""From labelled posts to adapters and to a model that predicts, on a tiny random encoder."""

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from nlp.sentiment import (
    SENTIMENTS,
    SentimentManifest,
    SentimentModel,
    SentimentModelDamaged,
    SentimentModelMissing,
    find_adapter,
    model_dir,
)
from nlp.sentiment_text import head_and_tail
from tests.nlu_fixtures import tiny_base
from training.sentiment.civic import civic_posts
from training.sentiment.data import Labelled, balanced, data_hash, load_posts, split_folds
from training.sentiment.errors import AdapterError, SentimentDataError
from training.sentiment.fitting import FitSettings
from training.sentiment.network import depth, load_adapter, new_network, pooled_rows, shape_of
from training.sentiment.pipeline import ensure_model, export_model, train_adapter
from training.sentiment.topics import TopicMap

SMALL = FitSettings(epochs=2, batch=8, lr=2e-3, lr_head=1e-2, tokens=32, threads=1, precision="fp32")
WORDS = {
    "negative": ("坏了", "太差", "broken", "terrible"),
    "positive": ("很好", "谢谢", "great", "thanks"),
    "neutral": ("几点", "哪里", "when", "where"),
}
MOODS = {"negative": "angry", "positive": "happy", "neutral": "neutral"}


def posts(each: int = 24) -> list[Labelled]:
    found = []
    for label, words in WORDS.items():
        for number in range(each):
            word = words[number % len(words)]
            text = f"bus {number} {word} stop" if word.isascii() else f"{number}路车站{word}"
            found.append(Labelled(text, label, MOODS[label], label == "negative", "mine.tsv"))
    return found


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("sentiment"))


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adapter") / "mine"
    heard: list[float] = []
    made = train_adapter(posts(), base, out, SMALL, civic=False, progress=lambda done, _: heard.append(done))
    assert made.folder == out and made.manifest.version.startswith(made.manifest.created[:10])
    assert set(made.manifest.files) == {
        "adapter.safetensors",
        "adapter.json",
        "ngrams.npz",
        "topics.safetensors",
    }
    assert made.manifest.max_tokens == 32 and made.manifest.training["posts"] > 60
    assert len(made.history) == 2 and all(0 <= done <= 1 for done in heard)
    assert not out.with_name("mine.partial").exists()
    return out


@pytest.fixture(scope="module")
def model(base: Path, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(adapter, base, tmp_path_factory.mktemp("model") / "out")


def test_the_exported_model_has_learned_and_says_so_in_probabilities(model: Path) -> None:
    reader = SentimentModel.load(model)
    bad, good, mixed = reader.predict(["车站坏了，太差", "thanks, great bus", "!!! 😀"])
    assert (bad.sentiment, good.sentiment) == ("negative", "positive")
    assert bad.emotion == "angry" and good.emotion == "happy"
    assert bad.needs_action > good.needs_action
    for feeling in (bad, good, mixed):
        assert abs(feeling.negative + feeling.neutral + feeling.positive - 1) < 1e-4
        assert abs(sum(feeling.emotions) - 1) < 1e-4
    assert mixed.unsure and mixed.needs_action == 0
    assert reader.predict([]) == []
    with pytest.raises(TypeError):
        reader.predict("one text")


def test_a_post_is_read_the_same_alone_and_among_others(model: Path) -> None:
    reader = SentimentModel.load(model)
    texts = ["车站坏了", "when is the bus " * 30, "谢谢", "", "电池" * 900, "é̸̡̢̛͍̗" * 40]
    together = reader.predict(texts)
    for text, feeling in zip(texts, together, strict=True):
        (alone,) = reader.predict([text])
        # Eight-bit layers scale by batch, so the last digits may differ.
        assert abs(alone.negative - feeling.negative) < 0.05


def test_the_same_pass_tells_topics_by_vectors_near_the_bases_own(base: Path, model: Path) -> None:
    texts = ["坏了 2路车站", "3路车站很好", "bus 7 when stop", "bus 9 great stop", "车站太差 " * 40]
    read = SentimentModel.load(model, threads=2).read(texts)
    assert read.feelings == SentimentModel.load(model).predict(texts)
    assert np.allclose(np.linalg.norm(read.topics, axis=1), 1, atol=1e-4)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    ids = [head_and_tail(e.ids, 32) for e in tokenizer.encode_batch(texts)]
    wanted = pooled_rows(new_network(base, shape_of(base)), ids).numpy()
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    own, other = read.topics @ wanted.T, wanted @ wanted.T
    assert np.diag(own).mean() > np.median(other)


def test_a_damaged_topic_map_is_named(adapter: Path, tmp_path: Path) -> None:
    made = TopicMap.read(adapter)
    assert made.weight.shape[0] == len(made.layers) * made.weight.shape[1] and made.layers[-1] >= 1
    (tmp_path / "topics.safetensors").write_bytes(b"no tensors")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(AdapterError, match=r"topics\.safetensors: cannot be read"):
            TopicMap.read(folder)


def test_a_post_without_chinese_characters_has_a_share_and_a_temperature_of_its_own(
    model: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    manifest = SentimentManifest.read(copy)
    texts = ["车站坏了，太差", "terrible broken bus"]
    sure = SentimentModel.load(copy).predict(texts)
    replace(manifest, latin_temperature=50.0).write(copy)
    doubtful = SentimentModel.load(copy).predict(texts)
    assert doubtful[0] == sure[0]
    assert abs(doubtful[1].negative - 1 / 3) < 0.1 < abs(sure[1].negative - 1 / 3)


def test_a_damaged_model_is_named_with_its_mend(model: Path, tmp_path: Path) -> None:
    with pytest.raises(SentimentModelMissing, match="chengda train sentiment"):
        SentimentModel.load(tmp_path / "nowhere")
    for file, spoil in (
        ("ngrams.npz", lambda p: p.write_bytes(b"x")),
        ("model.int8.onnx", lambda p: p.unlink()),
        ("manifest.json", lambda p: p.write_text('{"format": 1}')),
        ("manifest.json", lambda p: p.write_text("[]")),
    ):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(model, copy)
        spoil(copy / file)
        with pytest.raises(SentimentModelDamaged, match=file):
            SentimentModel.load(copy)


def test_a_city_goes_on_from_the_adapters_it_has(base: Path, adapter: Path, tmp_path: Path) -> None:
    own = [Labelled(f"厉害了我的城 {i}", "negative", source="own.tsv") for i in range(12)]
    own += [Labelled(f"路灯亮了 {i}", "positive", source="own.tsv") for i in range(12)]
    out = tmp_path / "models" / "sentiment" / "adapter"
    train_adapter(own, base, out, replace(SMALL, epochs=1), start=adapter, civic=False)
    assert find_adapter(tmp_path, adapter) == out
    folder, new = ensure_model(tmp_path, base, adapter)
    assert new and folder == model_dir(tmp_path, adapter)
    assert ensure_model(tmp_path, base, adapter) == (folder, False)
    assert SentimentModel.load(folder).predict(["厉害了我的城"])[0].sentiment == "negative"


def test_a_network_of_fewer_layers_reads_alike_and_deeper_adapters_are_shortened(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    assert depth(load_adapter(base, adapter)) == 2
    fresh, cut = tmp_path / "fresh", tmp_path / "cut"
    train_adapter(posts(), base, fresh, SMALL, civic=False, layers=1)
    train_adapter(posts(), base, cut, replace(SMALL, epochs=1), civic=False, layers=1, start=adapter)
    for folder in (fresh, cut):
        assert depth(load_adapter(base, folder)) == 1 and TopicMap.read(folder).layers == (1,)
        bad, good = SentimentModel.load(export_model(folder, base, tmp_path / "model")).predict(
            ["车站坏了，太差", "thanks, great bus"]
        )
        assert (bad.sentiment, good.sentiment) == ("negative", "positive")
    # Going on with short adapters keeps them short.
    train_adapter(posts(), base, tmp_path / "on", replace(SMALL, epochs=1), civic=False, start=fresh)
    assert depth(load_adapter(base, tmp_path / "on")) == 1


def test_posts_without_chinese_are_read_by_a_network_of_their_own(base: Path, tmp_path: Path) -> None:
    pair, quick = tmp_path / "pair", replace(SMALL, epochs=1)
    train_adapter(posts(), base, pair, SMALL, civic=False, layers=1, latin_layers=2)
    assert [depth(load_adapter(base, folder)) for folder in (pair, pair / "latin")] == [1, 2]
    both = export_model(pair, base, tmp_path / "both")
    texts = ["车站坏了，太差", "thanks, great bus", "", "terrible broken bus", "很好，谢谢 bus"]
    read = SentimentModel.load(both).read(texts)
    assert [f.sentiment for f in read.feelings if not f.unsure] == [
        "negative",
        "positive",
        "negative",
        "positive",
    ]
    latin = SentimentModel.load(both / "latin").read([texts[1], texts[3]])
    assert np.allclose(read.topics[[1, 3]], latin.topics, atol=0.05)
    assert read.feelings[1].sentiment == latin.feelings[0].sentiment
    assert SentimentModel.load(both).read(texts[:1]).topics.shape == (1, latin.topics.shape[1])
    # Going on with Chinese posts alone leaves the other network as it is; posts of both kinds teach both.
    chinese = [post for post in posts() if not post.text.startswith("bus")]
    for name, more, same in (("zh", chinese, True), ("all", posts(), False)):
        made = train_adapter(more, base, tmp_path / name, quick, civic=False, layers=1, start=pair)
        assert made.manifest.latin == SentimentManifest.read(made.folder / "latin").version
        assert (made.manifest.latin == SentimentManifest.read(pair / "latin").version) is same
    replace(SentimentManifest.read(both), latin="another").write(both)
    with pytest.raises(SentimentModelDamaged, match=r"latin: is version .*, not another"):
        SentimentModel.load(both)


def test_a_run_that_is_killed_leaves_the_last_adapters(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.sentiment.fitting._SAVE_SECONDS", 0.0)

    def killed(done: float, message: str) -> None:
        if "step 40" in message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_adapter(posts(60), base, tmp_path / "a", replace(SMALL, batch=4), civic=False, progress=killed)
    assert not (tmp_path / "a").exists()
    load_adapter(base, tmp_path / "a.partial")


def test_minutes_end_a_run_with_its_warm_down(base: Path, tmp_path: Path) -> None:
    made = train_adapter(posts(), base, tmp_path / "a", replace(SMALL, epochs=50, minutes=0.02), civic=False)
    assert 1 <= len(made.history) < 50


@pytest.mark.parametrize(
    "few", [[], [Labelled("x", "negative")] * 3, [Labelled(f"x{i}", "negative") for i in range(40)]]
)
def test_too_little_to_learn_from_is_refused(base: Path, tmp_path: Path, few: list[Labelled]) -> None:
    with pytest.raises(SentimentDataError, match="20 posts and two polarities"):
        train_adapter(few, base, tmp_path / "a", SMALL)


def test_adapters_of_another_base_and_damaged_ones_are_named(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(adapter, copy)
    shape = json.loads((copy / "adapter.json").read_text())
    (copy / "adapter.json").write_text(json.dumps({**shape, "base": "0" * 16}))
    with pytest.raises(AdapterError, match="belong to base 0000"):
        load_adapter(base, copy)
    (copy / "adapter.safetensors").write_bytes(b"no tensors")
    with pytest.raises(AdapterError, match="cannot be read"):
        load_adapter(base, copy)
    with pytest.raises(AdapterError, match="is missing"):
        load_adapter(base, tmp_path / "nowhere")


def test_labels_in_the_words_that_people_write(tmp_path: Path) -> None:
    table = tmp_path / "a.tsv"
    table.write_text(
        "text\tlabel\treason\n路灯坏了\t负面\tlamp\n谢谢\t积极\t\n几点\tneutral\t\n气死了\tangry\t\n", "utf-8"
    )
    bad, good, plain, angry = load_posts([table])
    assert (bad.sentiment, bad.needs_action) == ("negative", True)
    assert (good.sentiment, good.needs_action) == ("positive", False)
    assert plain.sentiment == "neutral" and (angry.sentiment, angry.emotion) == ("negative", "angry")
    packed = tmp_path / "b.jsonl.gz"
    with gzip.open(packed, "wt", encoding="utf-8") as stream:
        stream.write('{"content": "great", "label": "1", "needs_action": "no"}\n\n')
    assert load_posts([packed])[0] == Labelled("great", "positive", None, False, "b.jsonl.gz")
    plain_lines = tmp_path / "c.tsv"
    plain_lines.write_text("路灯坏了\tneg\n很好\tpos\n", "utf-8")
    assert [p.sentiment for p in load_posts([plain_lines])] == ["negative", "positive"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tsv", b"text\tlabel\n", "holds no labelled post"),
        ("a.tsv", b"text\tlabel\nx\tfoo\ny\tbar\nz\tpos\n", "2 of 3 rows have no known label"),
        ("a.tsv", b"\xff\xfe\x00", "is no UTF-8"),
        ("a.tsv.gz", b"plain", "is no UTF-8"),
        ("a.jsonl", b"{", "line 1: is no JSON"),
        ("a.jsonl", b"[1]\n", "line 1: is no object"),
    ],
)
def test_wrong_label_files_are_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SentimentDataError, match=said):
        load_posts([tmp_path / name])
    with pytest.raises(SentimentDataError, match="no such file"):
        load_posts([tmp_path / "other.tsv"])


def test_folds_are_equal_balanced_and_the_same_again() -> None:
    labelled = posts(25)
    folds = split_folds(labelled, 5, 1)
    assert folds == split_folds(labelled, 5, 1) and sorted(at for fold in folds for at in fold) == list(
        range(75)
    )
    for fold in folds:
        assert all(sum(labelled[at].sentiment == label for at in fold) == 5 for label in SENTIMENTS)
    few = balanced(labelled, 4, 2)
    assert len(few) == 12 and few == balanced(labelled, 4, 2)
    assert data_hash(few) == data_hash(few[::-1]) != data_hash(few[1:])


def test_no_group_of_people_carries_a_label() -> None:
    made = civic_posts()
    assert {p.sentiment for p in made} == set(SENTIMENTS) and len(made) > 300
    assert len({p.text for p in made}) == len(made)
    manifest = SentimentManifest("v")
    assert np.isclose(manifest.temperature, 1)
