"""Labelled posts: TSV and JSONL files, plain or gzipped, with any of the three labels."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nlp.sentiment import EMOTIONS, SENTIMENTS
from nlp.sentiment_text import clean
from training.sentiment.errors import SentimentDataError

_SENTIMENT_WORDS = {
    **{name: name for name in SENTIMENTS},
    "0": "negative", "1": "positive", "-1": "negative", "neg": "negative", "pos": "positive",
    "负面": "negative", "消极": "negative", "中性": "neutral", "正面": "positive", "积极": "positive",
}  # fmt: skip
_EMOTION_WORDS = {
    **{name: name for name in EMOTIONS if name != "neutral"},
    "neural": "neutral", "joy": "happy", "anger": "angry", "sadness": "sad", "calm": "neutral",
    "愤怒": "angry", "恐惧": "fear", "高兴": "happy", "悲伤": "sad", "惊讶": "surprise", "平静": "neutral",
}  # fmt: skip
# What an emotion says about the polarity; surprise says nothing.
_POLARITY = {
    "angry": "negative",
    "fear": "negative",
    "sad": "negative",
    "happy": "positive",
    "neutral": "neutral",
}
_TRUE = {
    "1": True,
    "yes": True,
    "true": True,
    "是": True,
    "0": False,
    "no": False,
    "false": False,
    "否": False,
}
_TEXT_COLUMNS, _LABEL_COLUMNS = ("text", "review", "content", "post"), ("label", "sentiment")
_VAGUE_REASONS = {"", "can't tell", "none"}


@dataclass(frozen=True)
class Labelled:
    """One post; a label that is not known is `None`. `source` names the file."""

    text: str
    sentiment: str | None = None
    emotion: str | None = None
    needs_action: bool | None = None
    source: str = ""


def load_posts(paths: Sequence[Path]) -> list[Labelled]:
    """Read labelled posts.

    A TSV file has a header with `text` and any of `label` (or `sentiment`), `emotion`, `needs_action`, `reason`; or
    no header and lines `text<TAB>label`. A JSONL file has the same keys. A label is a polarity or an emotion,
    whose polarity follows from it. A stated `reason` of a negative post means that somebody can act on it.

    Raises:
        SentimentDataError: a file is missing, is no UTF-8, or holds no known label.
    """
    found: list[Labelled] = []
    for path in paths:
        part = list(_read(path))
        if not part:
            raise SentimentDataError(
                f"{path}: holds no labelled post; write a header `text<TAB>label` and labels such as negative"
            )
        found += part
    return found


def _read(path: Path) -> Iterator[Labelled]:
    name = path.name.removesuffix(".gz")
    rows = _jsonl(path) if name.endswith((".jsonl", ".ndjson")) else _tsv(path)
    wrong = total = 0
    example = ""
    for row in rows:
        total += 1
        label = row_label(row, path.name)
        if label is None:
            wrong, example = wrong + 1, example or str(row)[:80]
        else:
            yield label
    if wrong > max(1, total // 20):
        raise SentimentDataError(
            f"{path}: {wrong} of {total} rows have no known label (first: {example}); use "
            f"{', '.join(SENTIMENTS)} or {', '.join(EMOTIONS)}"
        )


def row_label(row: dict[str, Any], source: str) -> Labelled | None:
    """Return one row as a labelled post; `None` without text or a known label."""
    values = {str(key).strip().lower(): value for key, value in row.items() if key is not None}
    text = clean(str(next((values[c] for c in _TEXT_COLUMNS if values.get(c)), "")))
    label = (
        str(next((values[c] for c in _LABEL_COLUMNS if values.get(c) not in (None, "")), "")).strip().lower()
    )
    emotion_word = str(values.get("emotion") or "").strip().lower()
    emotion = _EMOTION_WORDS.get(emotion_word) or ("neutral" if emotion_word == "neutral" else None)
    sentiment = _SENTIMENT_WORDS.get(label)
    if sentiment is None and label in _EMOTION_WORDS:
        emotion = _EMOTION_WORDS[label]
    if sentiment is None and emotion is not None:
        sentiment = _POLARITY.get(emotion)
    action = _TRUE.get(str(values.get("needs_action", "")).strip().lower())
    if action is None and "reason" in values:
        stated = str(values["reason"] or "").strip().lower() not in _VAGUE_REASONS
        action = True if stated and sentiment == "negative" else False if sentiment == "positive" else None
    if not text or (sentiment is None and emotion is None and action is None):
        return None
    return Labelled(text, sentiment, emotion, action, source)


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise SentimentDataError(f"{path}: no such file; check the name given to --data")
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            yield from stream
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise SentimentDataError(f"{path}: is no UTF-8 text ({error}); save it as UTF-8") from None


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise SentimentDataError(f"{path}, line {number}: is no JSON ({error}); mend that line") from None
        if not isinstance(row, dict):
            raise SentimentDataError(f'{path}, line {number}: is no object; write {{"text": …, "label": …}}')
        yield row


def _tsv(path: Path) -> Iterator[dict[str, Any]]:
    rows = csv.reader(_lines(path), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(rows, [])
    names = [name.strip().lower() for name in header]
    if not set(names) & set(_TEXT_COLUMNS):
        names = ["text", "label"]
        yield dict(zip(names, header, strict=False))
    for row in rows:
        if row:
            yield dict(zip(names, row, strict=False))


def split_folds(posts: Sequence[Labelled], folds: int, seed: int) -> list[list[int]]:
    """Return row numbers of each fold, balanced by label, the same for the same seed."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, post in enumerate(posts):
        groups[post.source, str(post.emotion or post.sentiment)].append(row)
    rng, found = random.Random(seed), [[] for _ in range(folds)]  # type: tuple[random.Random, list[list[int]]]
    for key in sorted(groups):
        rows = groups[key]
        rng.shuffle(rows)
        for at, row in enumerate(rows):
            found[at % folds].append(row)
    return found


def balanced(posts: Sequence[Labelled], most: int, seed: int) -> list[Labelled]:
    """Keep at most `most` posts of each source and label, drawn at random."""
    rng = random.Random(seed)
    groups: dict[tuple[str, str | None, str | None], list[Labelled]] = defaultdict(list)
    for post in posts:
        groups[post.source, post.sentiment, post.emotion].append(post)
    kept: list[Labelled] = []
    for key in sorted(groups, key=str):
        group = groups[key]
        kept += group if len(group) <= most else rng.sample(group, most)
    return kept


def even_draw(posts: Sequence[Labelled], most: int, seed: int) -> list[int]:
    """Return rows of up to `most` posts, drawn so that a large source does not crowd out a small one."""
    rng, groups = random.Random(seed), defaultdict(list)
    for row, post in enumerate(posts):
        groups[post.source].append(row)
    found: list[int] = []
    for left, rows in zip(range(len(groups), 0, -1), sorted(groups.values(), key=len), strict=True):
        found += rng.sample(rows, min(len(rows), (most - len(found)) // left))
    rng.shuffle(found)
    return found


def data_hash(posts: Iterable[Labelled]) -> str:
    """Return a hash of all posts whatever their order, 32 hexadecimal digits."""
    rows = sorted(json.dumps([p.text, p.sentiment, p.emotion, p.needs_action]) for p in posts)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:32]


def without_source(post: Labelled, source: str) -> Labelled:
    """Return the post under another source name."""
    return replace(post, source=source)
