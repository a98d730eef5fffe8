"""The resolver: model tags, names of the city and rules settled into one list."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.entities.gazetteer import Gazetteer, GazetteerFileError
from nlp.entities.resolver import Resolver
from nlp.entities.rules import RULES
from nlp.joint_decode import Span
from nlp.joint_text import prepare

CITY = Path(__file__).resolve().parents[2] / "bot" / "data" / "gazetteer" / "city.csv"
RESOLVER = Resolver(Gazetteer.read(CITY), tuple(RULES), {"": {"英语": "英文"}})


def resolve(text: str, *spans: Span) -> list[tuple[str, str, str | None]]:
    return [(e.entity, e.text, e.canonical_id) for e in RESOLVER.resolve(text, prepare(text), list(spans))]


def test_line_112_is_not_line_12() -> None:
    assert resolve("112路几点来") == [("line", "112路", "112路")]
    assert resolve("12路几点来") == [("line", "12路", "line:B12")]


def test_two_names_without_a_space_between_them() -> None:
    assert resolve("人民广场市政厅哪个近") == [
        ("place", "人民广场", "place:peoples-square"),
        ("place", "市政厅", "place:city-hall"),
    ]


def test_longest_name_wins() -> None:
    assert resolve("东湖路堵吗") == [("street", "东湖路", "street:donghu-road")]
    assert resolve("东湖好玩吗") == [("place", "东湖", "place:east-lake")]


@pytest.mark.parametrize(
    "text", ["peoples square", "People's Square", "人民廣場", "renmin guangchang", "中心广场"]
)
def test_spellings_of_one_place(text: str) -> None:
    ((_, surface, identifier),) = resolve(text)
    assert surface == text
    assert identifier == "place:peoples-square"


def test_model_says_which_kind_of_thing_a_name_is() -> None:
    text = "下一班从火车站出发的车"
    assert resolve(text, Span("stop", 4, 7, 0.9)) == [("stop", "火车站", "stop:railway-station")]


def test_model_span_that_cuts_a_name_is_mended() -> None:
    assert resolve("人民广场附近", Span("place", 0, 3, 0.8)) == [
        ("place", "人民广场", "place:peoples-square")
    ]


def test_model_span_of_half_a_word_is_widened() -> None:
    assert resolve("near Willowbank please", Span("place", 5, 9, 0.8)) == [("place", "Willowbank", None)]


def test_span_as_long_as_a_sentence_is_dropped() -> None:
    text = "我想问一下那个什么地方到底应该怎么走才会比较近"
    assert resolve(text, Span("place", 0, len(text), 0.6)) == []


def test_typing_slip_in_a_long_name_still_finds_it() -> None:
    text = "Conventoin Centre"
    assert resolve(text, Span("place", 0, len(text), 0.8)) == [("place", text, "place:convention-centre")]


def test_crossing_of_two_streets() -> None:
    assert resolve("请优化人民路和解放路路口的信号") == [
        ("intersection", "人民路和解放路路口", "street:jiefang-road × street:renmin-road")
    ]
    assert resolve("人民路和解放路哪个堵") == [
        ("street", "人民路", "street:renmin-road"),
        ("street", "解放路", "street:jiefang-road"),
    ]


def test_sign_at_a_stop_is_not_part_of_its_name() -> None:
    assert resolve("市政厅站牌倒了")[0][1] == "市政厅"


def test_english_words_inside_words_are_no_names() -> None:
    assert resolve("zoology and carpark") == []


def test_synonym_gives_the_value() -> None:
    (found,) = RESOLVER.resolve("用英语说", "用英语说", [Span("language", 1, 3, 0.9)])
    assert (found.text, found.value, found.source) == ("英语", "英文", "model")


def test_everyday_words_need_the_model() -> None:
    assert resolve("我的手机电池坏了") == []
    assert resolve("电池扔哪", Span("waste_item", 0, 2, 0.7)) == [
        ("waste_item", "电池", "waste_item:battery")
    ]


@given(st.text(max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_any_text_and_span_gives_ordered_disjoint_entities(text: str, a: int, b: int) -> None:
    prepared = prepare(text)
    start, end = sorted((min(a, len(prepared)), min(b, len(prepared))))
    spans = [Span("place", start, end, 0.9)] if start < end else []
    found = RESOLVER.resolve(text, prepared, spans)
    assert all(x.end <= y.start for x, y in itertools.pairwise(found))
    assert all(text[e.start : e.end] == e.text for e in found)


@pytest.mark.parametrize(
    ("content", "message"),
    [("id,entity,zh,en,aliases\n,stop,甲,A,\n", "line 2"), ("[1]", "entry 2"), ("{", "cannot be read")],
)
def test_damaged_gazetteer_names_the_place(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / ("names.csv" if content.startswith("id") else "names.json")
    path.write_text(content, encoding="utf-8")
    with pytest.raises(GazetteerFileError, match=message):
        Gazetteer.read(path)
