"""Staff's utterances: kept as training files that training reads, whatever is typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.nlu.examples import MAX_CHARS, ExampleError, Examples, clean, read_utterances
from training.nlu.data import load_data

SHIPPED = """version: "3.1"
nlu:
- intent: greet
  examples: |
    - 你好
    - hello
- intent: bus
  examples: |
    - 到[人民广场](place)
"""


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "all.yml").write_text(SHIPPED, "utf-8")
    return Examples(tmp_path / "shipped", tmp_path / "var" / "examples")


def test_shipped_and_added_stand_side_by_side(examples: Examples) -> None:
    assert examples.add("greet", ["早上好", "Hello", "早上好", "[good](x) day"]) == ["早上好", "good x day"]
    greet = examples.by_intent()["greet"]
    assert [(u.text, u.language, u.added) for u in greet][-2:] == [
        ("早上好", "zh", True),
        ("good x day", "en", True),
    ]
    assert examples.by_intent()["bus"][0].text == "到人民广场"
    assert {"你好", "早上好"} <= {item.text for item in greet}


def test_training_reads_what_staff_added(examples: Examples) -> None:
    examples.add("greet", ["早上好", "- # good morning: {all}"])
    data = load_data([examples.shipped, examples.added])
    assert {e.text for e in data.examples if e.intent == "greet"} == {
        "你好",
        "hello",
        "早上好",
        "good morning: all",
    }


def test_removing_leaves_the_others_and_then_no_file(examples: Examples) -> None:
    examples.add("greet", ["早上好", "晚上好"])
    assert examples.remove("greet", "早上好")
    assert not examples.remove("greet", "早上好")
    assert not examples.remove("greet", "你好")
    assert not examples.remove("../../etc/passwd", "x")
    assert examples.remove("greet", "晚上好")
    assert [file.name for file in examples.added.glob("*.yml")] == []


@pytest.mark.parametrize(
    ("intent", "texts"),
    [
        ("unknown", ["x"]),
        ("../greet", ["x"]),
        ("greet", []),
        ("greet", ["   "]),
        ("greet", ["[](){}"]),
        ("greet", ["13812345678"]),
        ("greet", ["x" * (MAX_CHARS + 1)]),
        ("greet", ["x"] * 1000),
    ],
)
def test_what_cannot_be_taken_is_refused_and_nothing_kept(
    examples: Examples, intent: str, texts: list[str]
) -> None:
    with pytest.raises(ExampleError):
        examples.add(intent, texts)
    assert not list(examples.added.glob("*.yml"))


def test_personal_data_is_not_trained_with(examples: Examples) -> None:
    assert examples.add("greet", ["你好，我的电话是13812345678"]) == ["你好，我的电话是"]


def test_a_damaged_file_does_not_hide_the_others(examples: Examples) -> None:
    (examples.shipped / "bad.yml").write_text("nlu: [", "utf-8")
    (examples.shipped / "odd.yml").write_text("- 1", "utf-8")
    assert set(examples.by_intent()) == {"greet", "bus"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=80))
def test_any_text_comes_back_as_it_was_cleaned(examples: Examples, text: str) -> None:
    try:
        wanted = clean(text)
    except ExampleError:
        return
    added = examples.add("greet", [text])
    assert added in ([wanted], [])
    if added:
        assert wanted in {u.text for u in read_utterances(examples.added, True)["greet"]}
        assert wanted in {e.text for e in load_data(examples.added).examples}
        examples.remove("greet", wanted)
