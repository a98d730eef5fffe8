"""The message parser: every bad input is a problem with a clear detail, never a crash."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.config import Limits
from channels.problem import Problem
from channels.web.parsing import parse_feedback, parse_json, parse_message

LIMITS = Limits(text_chars=50, comment_chars=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["text", "message_id", "language", "x"]), JSON))
def test_any_object_is_a_message_or_a_problem(data: dict[str, object]) -> None:
    try:
        message = parse_message(data, LIMITS)
    except Problem as problem:
        assert problem.kind.status in (400, 413)
        assert problem.zh
        assert problem.en
    else:
        assert 0 < len(message.text) <= LIMITS.text_chars
        assert message.message_id
        assert message.language in (None, "zh", "en")


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_bad_json(body: bytes) -> None:
    try:
        assert isinstance(parse_json(body), dict)
    except Problem as problem:
        assert problem.kind.name == "bad-json"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe", b'{"text":NaN}', b"[" * 100_000, "{'text':'x'}"],
)
def test_bad_json(body: bytes) -> None:
    with pytest.raises(Problem, match="bad-json"):
        parse_json(body)


@pytest.mark.parametrize("text", [None, 5, [], {}, "", "  \n\t", "\u200b\u202e", "\x00\x01"])
def test_empty_or_non_string_text_is_a_bad_request(text: object) -> None:
    with pytest.raises(Problem, match="bad-request"):
        parse_message({"text": text}, LIMITS)


def test_length_counts_cleaned_characters() -> None:
    assert len(parse_message({"text": "图" * 50 + "\u200b" * 50}, LIMITS).text) == 50
    with pytest.raises(Problem, match="text-too-long") as caught:
        parse_message({"text": "图" * 51}, LIMITS)
    assert "51" in caught.value.zh
    assert "51" in caught.value.en


@pytest.mark.parametrize("message_id", ["", "a b", "x" * 129, "号", 7, "a\n"])
def test_bad_message_id(message_id: object) -> None:
    with pytest.raises(Problem, match="message_id"):
        parse_message({"text": "x", "message_id": message_id}, LIMITS)


def test_message_id_is_made_when_none_is_given() -> None:
    first, second = (parse_message({"text": "x"}, LIMITS).message_id for _ in range(2))
    assert first != second


def test_surrogates_survive_json() -> None:
    data = parse_json(json.dumps({"text": "a\ud800b"}).encode())
    assert parse_message(data, LIMITS).text == "a\ufffdb"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"message_id": "m"},
        {"message_id": "m", "rating": "good"},
        {"message_id": "m", "rating": "up", "comment": 3},
    ],
)
def test_bad_feedback(data: dict[str, object]) -> None:
    with pytest.raises(Problem, match="bad-request"):
        parse_feedback(data, LIMITS)


def test_feedback_comment_is_cleaned_and_bounded() -> None:
    assert parse_feedback({"message_id": "m", "rating": "up", "comment": " ok\x00 "}, LIMITS).comment == "ok"
    with pytest.raises(Problem, match="text-too-long"):
        parse_feedback({"message_id": "m", "rating": "up", "comment": "x" * 21}, LIMITS)
