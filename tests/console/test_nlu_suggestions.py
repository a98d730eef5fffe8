"""Suggestions: unsure before sure, different before alike, never what is known or masked."""

from __future__ import annotations

from typing import Any

import numpy as np

from console.nlu.suggestions import suggest, uncertainty


def turn(text: str, confidence: float = 0.5, second: float = 0.45, **more: Any) -> dict[str, Any]:
    return {
        "text": text,
        "language": "zh",
        "intent": "ask_knowledge",
        "confidence": confidence,
        "runner_up": "report_problem",
        "runner_up_confidence": second,
        "decision": "answer",
        "rating": "",
        "conversation_id": "c",
        **more,
    }


def encode(texts: list[str]) -> Any:
    """Unit vectors of which letters a text has."""
    rows = np.zeros((len(texts), 64), np.float32)
    for row, text in enumerate(texts):
        for char in text:
            rows[row, ord(char) % 64] = 1
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def texts(*turns: dict[str, Any], known: set[str] | None = None, limit: int = 10) -> list[str]:
    return [item.text for item in suggest(turns, known or set(), encode, limit)]


def test_the_unsure_come_first() -> None:
    assert texts(turn("sure", 0.99, 0.01), turn("unsure"), turn("half", 0.7, 0.2)) == [
        "unsure",
        "half",
        "sure",
    ]


def test_what_was_not_understood_is_most_unsure() -> None:
    lost = turn("xyz", 0.8, 0.1, intent="nlu_fallback", runner_up="bus")
    assert uncertainty(lost) > uncertainty(turn("abc", 0.6, 0.3))
    (found,) = suggest([lost], set(), encode)
    assert (found.intent, found.confidence, found.runner_up) == ("bus", 0.1, "")


def test_alike_sentences_do_not_crowd_out_others() -> None:
    alike = [turn("abcd" + "abcd" * n, 0.5, 0.49) for n in range(4)]
    found = texts(*alike, turn("wxyz", 0.6, 0.3), limit=2)
    assert "wxyz" in found


def test_known_masked_and_endless_texts_are_left_out() -> None:
    turns = [turn("known"), turn("my phone is [phone]"), turn("x" * 300), turn("k"), turn("fresh", None)]  # type: ignore[arg-type]
    assert texts(*turns, turn("good"), known={"known"}) == ["good"]


def test_equal_sentences_count_together() -> None:
    (found,) = suggest([turn("Bins"), turn("bins"), turn("bins ")], set(), encode)
    assert found.count == 3


def test_nothing_gives_nothing() -> None:
    assert suggest([], set(), encode) == []
