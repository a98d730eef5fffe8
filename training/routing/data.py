"""Sentences with their category, held-out ones, and the slips and lead-ins that training adds."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from training.nlu.damage import Homophones, change_case, drop_punctuation, typo
from training.nlu.marked_text import MarkedText
from training.routing.errors import RoutingTrainingError

_LEAST = 4
# Real reports say where and how long; none of it tells the category.
_BEFORE = {
    "zh": (
        "你好，", "您好，我想反映一下，", "请问，", "我要投诉，", "我要举报", "麻烦你们，", "我在人民路，", "解放路这边",
        "学府路小学门口", "我们小区", "中心广场旁边", "火车站附近", "我家楼下", "昨天开始", "今天早上", "都一个星期了，",
        "又来了，", "急急急，", "那个，", "就是那个，", "滨河区这里", "在医院对面，", "菜市场那儿",
    ),
    "en": (
        "hello, ", "hi there, ", "I'd like to report that ", "excuse me, ", "please help: ", "um so ", "on Renmin Road: ",
        "near the station ", "in front of the school, ", "at Xuefu Road 12, ", "outside our block ", "next to the hospital, ",
        "since yesterday ", "this morning ", "for a week now ", "again: ", "urgent! ", "by the market ", "in Binhe district ",
    ),
}  # fmt: skip
_AFTER = {
    "zh": (
        "，请尽快处理", "，谢谢", "，在人民路12号", "，好几天了", "，有没有人管", "，你们管不管啊", "，解放路和学府路路口",
        "，太气人了", "，麻烦派人来看看", "，已经反映过了", "，孩子都害怕", "，老人不方便", "，行不行啊", "。就在银行旁边",
    ),
    "en": (
        ", please fix it", ", thanks", " at 12 Renmin Road", ", it's been days", ", who is in charge?", " near the bank",
        ", corner of Jiefang and Xuefu Road", ", really annoying", ", send somebody please", ", I already told you",
        ", my kids are scared", ", old people suffer", ", can you look into it",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Sentence:
    """What somebody says, its category, the category's kind, and the language (`zh` or `en`)."""

    text: str
    category: str
    kind: str
    language: str


def checked(sentences: Sequence[Sentence]) -> list[Sentence]:
    """Return the distinct sentences of kinds with two categories or more, each with enough to learn from.

    Raises:
        RoutingTrainingError: nothing is left to tell apart.
    """
    distinct = list({s.text: s for s in sentences if s.text.strip()}.values())
    by_kind: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for sentence in distinct:
        by_kind[sentence.kind][sentence.category] += 1
    enough = {
        category
        for counts in by_kind.values()
        if sum(count >= _LEAST for count in counts.values()) > 1
        for category, count in counts.items()
        if count >= _LEAST
    }
    if not enough:
        raise RoutingTrainingError(
            f"no kind of request has two categories with {_LEAST} sentences each; "
            "write `examples` in the file of categories, or sentence files"
        )
    return [s for s in distinct if s.category in enough]


def split(sentences: Sequence[Sentence], share: float, seed: int) -> tuple[list[Sentence], list[Sentence]]:
    """Return what to learn from, and a held-out share of every category and language."""
    rng = random.Random(seed)
    groups: dict[tuple[str, str], list[Sentence]] = defaultdict(list)
    for sentence in sentences:
        groups[sentence.category, sentence.language].append(sentence)
    learn: list[Sentence] = []
    held: list[Sentence] = []
    for group in groups.values():
        rng.shuffle(group)
        count = int(len(group) * share) if len(group) > _LEAST else 0
        held += group[:count]
        learn += group[count:]
    return learn, held


class Varied:
    """Writes a sentence as others would: with a lead-in, a place, a second sentence of the kind, slips."""

    def __init__(self, sentences: Sequence[Sentence], seed: int) -> None:
        self._rng = random.Random(seed)
        self._sounds = Homophones(s.text for s in sentences if s.language == "zh")
        self._same: dict[tuple[str, str], list[str]] = defaultdict(list)
        for sentence in sentences:
            self._same[sentence.category, sentence.language].append(sentence.text)

    def text(self, sentence: Sentence) -> str:
        """Return one way to write it; half of the time as it stands."""
        rng, text = self._rng, sentence.text
        if rng.random() < 0.12:
            joint = "，" if sentence.language == "zh" else ", "
            text += joint + rng.choice(self._same[sentence.category, sentence.language])
        if rng.random() < 0.2:
            text = rng.choice(_BEFORE[sentence.language]) + text
        if rng.random() < 0.2:
            text += rng.choice(_AFTER[sentence.language])
        if rng.random() < 0.25:
            marked = MarkedText(list(text), [-1] * len(text), ())
            self._slip(marked, sentence.language)
            text = "".join(marked.chars)
        return text

    def _slip(self, marked: MarkedText, language: str) -> None:
        kind = self._rng.randrange(4)
        if kind == 0:
            drop_punctuation(marked)
        elif kind == 1 and language == "zh":
            self._sounds.apply(marked, self._rng)
        elif kind == 1:
            change_case(marked, self._rng)
        else:
            typo(marked, self._rng)
