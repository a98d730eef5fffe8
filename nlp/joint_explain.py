"""Which words drove a decision: occlusion on the finished model (Zeiler & Fergus 2014; Li et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass

from nlp.joint import JointModel, Prediction
from nlp.joint_decode import softmax
from nlp.joint_text import prepare

_MOST_WORDS = 120


@dataclass(frozen=True)
class WordWeight:
    """A piece of the text and how much of the intent's probability goes when it is left out (-1 to 1)."""

    text: str
    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class Explanation:
    """A prediction with the weight of each of the text's pieces for `intent`."""

    text: str
    intent: str
    prediction: Prediction
    words: tuple[WordWeight, ...]


def explain(model: JointModel, text: str, intent: str | None = None) -> Explanation:
    """Say which words speak for an intent and which against.

    Each piece the tokenizer sees (a word, or a part of one joined again) is left out in turn; its weight is
    the probability that the intent loses by it.

    Args:
        model: a loaded model.
        text: any text; of a long one the first 120 pieces are weighed.
        intent: the one to explain; the predicted one when left out.

    Raises:
        ValueError: when the model has no such intent.
    """
    prediction = model.predict([text])[0]
    chosen = intent or prediction.intent
    if chosen not in model.intents:
        raise ValueError(
            f"{chosen!r} is no intent of this model; known: {', '.join(sorted(model.intents)[:20])}"
        )
    column = model.intents.index(chosen)
    prepared = prepare(text)
    pieces = _pieces(model, prepared)
    temperature = model.manifest.temperature
    whole = float(softmax(model.raw([prepared]).logits, temperature)[0, column])
    words = []
    for start in range(0, len(pieces), 32):
        some = pieces[start : start + 32]
        without = [prepared[:a] + (" " if _spaced(prepared, a, b) else "") + prepared[b:] for a, b in some]
        left = softmax(model.raw(without).logits, temperature)[:, column]
        words += [
            WordWeight(text[a:b], a, b, whole - float(value))
            for (a, b), value in zip(some, left, strict=True)
        ]
    return Explanation(text, chosen, prediction, tuple(words))


def _pieces(model: JointModel, prepared: str) -> list[tuple[int, int]]:
    pieces: list[tuple[int, int]] = []
    for start, end in model.raw([prepared]).encodings[0].offsets:
        while start < end and prepared[start].isspace():
            start += 1
        # Several tokens may stand for one character; it is left out once.
        if end <= start or (pieces and start < pieces[-1][1]):
            continue
        joined = pieces and pieces[-1][1] == start and _latin(prepared[start - 1]) and _latin(prepared[start])
        if joined:
            pieces[-1] = (pieces[-1][0], end)
        else:
            pieces.append((start, end))
    return pieces[:_MOST_WORDS]


def _latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _spaced(text: str, start: int, end: int) -> bool:
    return _latin(text[start]) or _latin(text[end - 1])
