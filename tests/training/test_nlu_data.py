"""Labelled data in: encodings, formats, and named errors for what cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.nlu.checks import check_labels
from training.nlu.data import DataSet, Example, Mark, load_data
from training.nlu.errors import DataFileError, LabelError
from training.nlu.rasa_yaml import parse_marked
from training.nlu.split import split

LINES = "今天天气\tweather\n几点了\ttime\nhow warm is it\tweather\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("header", ["", "text\tintent\n"])
def test_tsv_in_any_encoding(tmp_path: Path, encoding: str, header: str) -> None:
    path = tmp_path / "data.tsv"
    path.write_bytes((header + LINES).encode(encoding))
    data = load_data(path)
    assert [(e.text, e.intent) for e in data.examples] == [
        ("今天天气", "weather"),
        ("几点了", "time"),
        ("how warm is it", "weather"),
    ]


def test_tsv_with_other_columns_windows_ends_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "data.tsv"
    path.write_text('id\tlabel\ttext\r\n1\ta\t"say ""hi"""\r\n2\tb\tbye\r\n', encoding="utf-8")
    assert [(e.text, e.intent) for e in load_data(path).examples] == [('say "hi"', "a"), ("bye", "b")]


def test_rows_without_label_or_text_are_left_out_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "data.tsv"
    path.write_text("a\tx\nb\tNaN\n\ty\nno tab here\nc\ty\n", encoding="utf-8")
    data = load_data(path)
    assert len(data.examples) == 2
    assert any("2 line(s) without text or label" in note and "line 2" in note for note in data.notes)
    assert any("without a tab" in note and "line 4" in note for note in data.notes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.tsv", b"", "is empty"),
        ("blank.tsv", b" \n\n", "is empty"),
        ("commas.tsv", b"hello,greet\nbye,goodbye\n", "no tab"),
        ("binary.tsv", bytes(range(128, 256)) * 9 + b"\t\xff", "no known encoding"),
        ("broken.yml", b"nlu:\n- intent: [a\n", "line 3"),
        ("list.yml", b"- a\n- b\n", "nlu:"),
        ("noname.yml", b"nlu:\n- intent:\n  examples: |\n    - hi\n", "no name"),
        ("number.yml", b"nlu:\n- intent: a\n  examples: 3\n", "examples: |"),
    ],
)
def test_unreadable_files_are_named_with_the_mend(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataFileError) as error:
        load_data(path)
    assert name in str(error.value)
    assert message.replace("|", "") in str(error.value).replace("|", "")


def test_missing_file_and_folder_without_data(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="no such file"):
        load_data(tmp_path / "none.tsv")
    with pytest.raises(DataFileError, match="holds no"):
        load_data(tmp_path)


def test_rasa_yaml_with_entities_synonyms_and_lookups(tmp_path: Path) -> None:
    path = tmp_path / "nlu.yml"
    path.write_text(
        'version: "3.1"\nnlu:\n- intent: go\n  examples: |\n    - 到[图书馆]{"entity": "place", "value": "市图书馆"}\n'
        "    - to the [zoo](place) by [bus 5](line:5路)\n- synonym: 动物园\n  examples: |\n    - Zoo\n- lookup: place\n"
        "  examples: |\n    - 东湖\n- intent: stop\n  examples:\n  - text: |\n      stop now\n",
        encoding="utf-8",
    )
    data = load_data(tmp_path)
    assert [(e.text, e.intent) for e in data.examples] == [
        ("到图书馆", "go"),
        ("to the zoo by bus 5", "go"),
        ("stop now", "stop"),
    ]
    assert data.examples[1].marks == (Mark(7, 10, "place"), Mark(14, 19, "line", "5路"))
    assert data.synonyms == {"图书馆": "市图书馆", "bus 5": "5路", "zoo": "动物园"}
    assert data.lookups == {"place": ["东湖"]}


@given(st.text(alphabet='ab [](){}":,人', max_size=40))
def test_marks_always_stand_inside_the_plain_text(line: str) -> None:
    text, marks = parse_marked(line)
    assert all(0 <= mark.start < mark.end <= len(text) for mark in marks)


def labelled(*labels: str) -> DataSet:
    return DataSet([Example(f"text {number}", label) for number, label in enumerate(labels)])


def test_one_class_cannot_be_learned() -> None:
    with pytest.raises(LabelError, match="one intent only"):
        check_labels(labelled("a", "a", "a"))


def test_a_label_for_every_text_is_the_wrong_column() -> None:
    with pytest.raises(LabelError, match="second column"):
        check_labels(labelled(*(f"label{n}" for n in range(50))))


def test_four_hundred_classes_are_fine() -> None:
    assert (
        check_labels(
            labelled(*(f"intent number {n}" for n in range(400)), *(f"intent number {n}" for n in range(400)))
        )
        == []
    )


def test_odd_labels_are_noted() -> None:
    notes = check_labels(labelled(*["book_flight"] * 10, "book_fligth", *["cancel"] * 5))
    assert any("single example" in note for note in notes)
    assert any("'book_fligth' (1) for 'book_flight' (10)" in note for note in notes)
    both = DataSet([Example("hi", "a"), Example("Hi", "b"), Example("x", "a")])
    assert any("more than one intent" in note for note in check_labels(both))


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 30)), min_size=2, max_size=60),
    st.floats(0, 0.5),
)
def test_split_keeps_every_intent_trained_and_no_text_on_both_sides(
    rows: list[tuple[str, int]], share: float
) -> None:
    examples = [Example(f"{intent} {number}", intent) for intent, number in rows]
    training, held = split(examples, share, 1)
    assert {e.intent for e in training} == {e.intent for e in examples}
    if held != examples:
        assert not {e.text for e in training} & {e.text for e in held}
    assert split(examples, share, 1) == (training, held)
