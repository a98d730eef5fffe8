"""The bilingual lexicon: learnt, shipped, kept, and used for articles that exist in one language only."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.alignment import align
from knowledge.lexicon import SHIPPED, Lexicon, from_alignment, learn, shipped
from knowledge.lexicon.build import dictionary_texts, lexicon_of, save, sentence_texts
from knowledge.service import KnowledgeService
from tests.knowledge.conftest import article, small_base

Opener = Callable[..., KnowledgeService]
words = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5)


def probability(pairs: list[tuple[list[str], list[str]]], first: str, second: str) -> tuple[float, float]:
    found = align(pairs)
    for number, pair in enumerate(zip(found.first, found.second, strict=True)):
        if pair == (first, second):
            return float(found.forth[number]), float(found.back[number])
    return 0.0, 0.0


def test_words_that_occur_together_translate_each_other() -> None:
    pairs = [(["图书馆", "时间"], ["librari", "hour"]), (["图书馆", "地址"], ["librari", "address"])] * 3
    assert min(probability(pairs, "图书馆", "librari")) > 0.7
    assert max(probability(pairs, "图书馆", "address")) < 0.3


def test_nothing_is_learnt_from_nothing() -> None:
    assert list(align([]).first) == []
    assert from_alignment(align([]), {}).translations("狗", "zh") == ()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=8))
def test_translations_of_a_word_are_a_distribution(pairs: list[tuple[list[str], list[str]]]) -> None:
    found = align(pairs)
    for names, values in ((found.first, found.forth), (found.second, found.back)):
        totals: dict[str, float] = {}
        for name, value in zip(names, values.tolist(), strict=True):
            assert 0 <= value <= 1
            totals[name] = totals.get(name, 0.0) + value
        assert all(total <= 1 + 1e-9 for total in totals.values())


def test_shipped_lexicon_knows_everyday_words() -> None:
    found = shipped()
    assert found.translations("护照", "zh")[0][0] == "passport"
    assert "狗" in [word for word, _ in found.translations("dog", "en")]
    assert "library" in found.spellings(["图书馆"], "zh")
    assert found.translations("没有这个词", "zh") == ()


def test_city_teaches_its_own_words() -> None:
    found = learn(small_base())
    assert "licenc" in [word for word, _ in found.translations("养犬", "zh")]
    again = Lexicon.loads(found.dumps())
    assert again.expand({"养犬": 2.0}, "zh") == found.expand({"养犬": 2.0}, "zh")
    assert (
        learn([article(title={"zh": "只有中文"}, questions={}, answer={"zh": "一句话。"})]).layers[0]["zh"]
        == {}
    )


def test_expansion_keeps_numbers_and_gives_chinese_bigrams() -> None:
    lexicon = Lexicon({"zh": {}, "en": {"dog": [("养犬证", 0.5)]}, "forms": {}})
    assert lexicon.expand({"dog": 2.0, "cat": 1.0}, "en") == {"养犬证": 1.0, "_养犬": 1.0, "_犬证": 1.0}
    assert lexicon.expand({"12345": 3.0, "狗": 1.0}, "zh") == {"12345": 3.0}


def test_layers_are_merged_and_the_larger_weight_counts() -> None:
    first = Lexicon({"zh": {"狗": [("dog", 0.4), ("hound", 0.2)]}, "en": {}, "forms": {}})
    second = Lexicon({"zh": {"狗": [("dog", 0.9), ("pet", 0.3)]}, "en": {}, "forms": {"dog": ["dogs"]}})
    both = first.with_layer(second)
    assert both.translations("狗", "zh") == [("dog", 0.9), ("pet", 0.3), ("hound", 0.2)]
    assert both.spellings(["狗"], "zh") == ["dogs"]


def test_lexicon_is_built_from_a_dictionary_and_sentences(tmp_path: Path) -> None:
    entries = [
        "# comment",
        "護照 护照 [hu4 zhao4] /passport/CL:本[ben3],個|个[ge4]/",
        "狗 狗 [gou3] /dog/(slang) to stay home/",
        "broken line",
    ]
    texts = [*dictionary_texts(iter(entries)), *sentence_texts(iter(["The dogs bark.\t狗叫。"]))]
    assert ("护照", "passport") in texts
    assert not any("CL" in right or "个" in right for _, right in texts)
    path = tmp_path / "lexicon.tsv.gz"
    assert save(lexicon_of(texts), path) > 3
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    assert any(line.startswith("zh\t护照\tpassport\t") for line in lines)
    assert any(line.startswith("forms\tdog\t") for line in lines)


def test_shipped_file_holds_words_only() -> None:
    with gzip.open(SHIPPED, "rt", encoding="utf-8") as stream:
        assert all(
            len(cell) <= 40 and " " not in cell for line in stream for cell in line.rstrip().split("\t")
        )


def test_article_in_one_language_is_found_by_the_words_of_the_other(open_service: Opener) -> None:
    service = open_service()
    hits = service.search("dancing music noise", "en", mode="lexical")
    assert hits and hits[0].facts.id == "only-chinese"
    new = article(
        "fishing", title={"en": "Fishing permit"}, questions={}, answer={"en": "Free on the river."}
    )
    service.publish(new, author="a", base_version=None)
    hits = service.search("钓鱼许可", "zh", mode="lexical")
    assert hits and hits[0].facts.id == "fishing"


def test_misspelt_question_finds_an_article_in_the_other_language(open_service: Opener) -> None:
    hits = open_service().search("dancing musik niose", "en", mode="lexical")
    assert hits and hits[0].facts.id == "only-chinese"


def test_damaged_lexicon_is_no_obstacle(open_service: Opener) -> None:
    service = open_service()
    record = service.index.snapshot.manifest["lexicon"]
    (service.index.folder / record["file"]).write_bytes(b"{")
    other = open_service()
    new = article(
        "fishing", title={"en": "Fishing permit"}, questions={}, answer={"en": "Free on the river."}
    )
    other.publish(new, author="a", base_version=None)
    assert other.search("河边钓鱼", "zh", mode="lexical")[0].facts.id == "fishing"
