"""More examples from our own: other entities, slips, lost punctuation, mixed languages, fillers.

Everything is drawn from the training examples, the city's gazetteer and the short lists below.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import opencc

from nlp.entities.folding import has_han
from nlp.entities.gazetteer import Entry, Gazetteer
from training.nlu.damage import Homophones, change_case, drop_punctuation, typo
from training.nlu.data import DataSet, Example
from training.nlu.marked_text import MarkedText
from training.nlu.settings import Augmentation

_BEFORE_ZH = (
    "请问",
    "你好，",
    "那个，",
    "麻烦问下，",
    "我想问一下，",
    "嗯，",
    "您好，请问",
    "帮忙看下，",
    "师傅，",
    "哎，",
    "不好意思，",
    "想了解一下",
)
_AFTER_ZH = ("，谢谢", "，急", "啊", "呢", "，麻烦了", "，谢谢啦", "哈", "，在线等", "，多谢")
_BEFORE_EN = (
    "hi, ",
    "hello, ",
    "um, ",
    "please, ",
    "excuse me, ",
    "hey there, ",
    "so, ",
    "quick question: ",
    "ok so ",
    "sorry, ",
)
_AFTER_EN = (", thanks", " please", ", thank you", " asap", ", cheers", " if you don't mind", " thx")
# Words that people mix into the other language.
_WORDS = (
    ("公交站", "bus stop"), ("公交", "bus"), ("地铁", "metro"), ("停车", "parking"), ("几点", "what time"), ("垃圾", "trash"),
    ("投诉", "complain"), ("建议", "suggestion"), ("路灯", "street light"), ("堵车", "traffic jam"), ("明天", "tomorrow"),
    ("今天", "today"), ("附近", "nearby"), ("停电", "power cut"), ("停水", "water cut"), ("护照", "passport"), ("申请", "apply"),
    ("谢谢", "thanks"), ("帮我", "help me"), ("怎么", "how to"), ("预测", "forecast"), ("能耗", "energy use"), ("用电", "electricity"),
    ("红绿灯", "traffic light"), ("人工", "human"), ("客服", "agent"), ("城市", "city"), ("办理", "handle"), ("查询", "check"),
)  # fmt: skip
# An intent whose words are nearly all filler ("thank", "greet") would be drowned by more of it.
_LEAST_CHARS_FOR_FILLER = {True: 5, False: 12}


class Augmenter:
    """Makes extra examples for one training run; the same ones for the same seed."""

    def __init__(self, shares: Augmentation, data: DataSet, gazetteer: Path | None, seed: int) -> None:
        self._shares, self._seed = shares, seed
        self._homophones = (
            Homophones(example.text for example in data.examples)
            if shares.homophones or shares.noise
            else None
        )
        self._traditional = opencc.OpenCC("s2t") if shares.traditional else None
        self._names: dict[tuple[str, bool], list[str]] = defaultdict(list)
        self._entries: dict[str, Gazetteer] = {}
        if gazetteer is not None:
            loaded = Gazetteer.read(gazetteer)
            for entry in loaded.entries:
                self._offer(entry)
            self._known: Gazetteer | None = loaded
        else:
            self._known = None
        for example in data.examples:
            for mark in example.marks:
                surface = example.text[mark.start : mark.end]
                self._names[mark.entity, has_han(surface)].append(surface)
        for entity, values in data.lookups.items():
            for value in values:
                self._names[entity, has_han(value)].append(value)

    def _offer(self, entry: Entry) -> None:
        if entry.zh:
            self._names[entry.entity, True].append(entry.zh)
        if entry.en:
            self._names[entry.entity, False].append(entry.en)

    def extra(self, examples: Sequence[Example]) -> list[Example]:
        """Return the extra examples that the settings ask for, without repeating any."""
        kinds: list[tuple[float, Callable[[MarkedText, random.Random], None]]] = [
            (self._shares.entities, self.swap_entities),
            (self._shares.typos, typo),
            (self._shares.homophones, self.sound_alike),
            (self._shares.punctuation, lambda text, rng: drop_punctuation(text)),
            (self._shares.case, change_case),
            (self._shares.code_switching, self.mix_languages),
            (self._shares.fillers, self.add_filler),
            (self._shares.traditional, self.write_traditional),
        ]
        seen = {example.text for example in examples}
        found: list[Example] = []
        asked = len(examples) * sum(share for share, _ in kinds)
        scale = min(1.0, self._shares.most / asked) if asked else 0.0
        for number, (share, change) in enumerate(kinds):
            rng = random.Random(f"{self._seed}-{number}")
            wanted = round(scale * share * len(examples))
            for _ in range(3 * wanted):
                if wanted <= 0 or not examples:
                    break
                example = rng.choice(examples)
                text = MarkedText.of(example)
                change(text, rng)
                made = text.example(example)
                if made is not None and made.text not in seen:
                    seen.add(made.text)
                    found.append(made)
                    wanted -= 1
        return found

    def noisy(self, examples: Sequence[Example], copies: int) -> list[list[Example]]:
        """Return so many damaged versions of all examples, each with one or two slips or homophones.

        An example that cannot be damaged stands there as it is.
        """
        if not self._shares.noise:
            return []
        rng = random.Random(f"{self._seed}-noise")
        return [[self._slip(example, rng) for example in examples] for _ in range(copies)]

    def _slip(self, example: Example, rng: random.Random) -> Example:
        text = MarkedText.of(example)
        for _ in range(rng.choice((1, 1, 2))):
            if has_han(example.text) and rng.random() < 0.6:
                self.sound_alike(text, rng)
            else:
                typo(text, rng)
        return text.example(example) or example

    def swap_entities(self, text: MarkedText, rng: random.Random) -> None:
        """Put other names of the same kind and language in the place of every entity."""
        for number, mark in enumerate(text.marks):
            start, end = text.span(number)
            surface = "".join(text.chars[start:end])
            choices = self._names.get((mark.entity, has_han(surface)), [])
            if len(choices) > 1 and end > start:
                text.replace(start, end, rng.choice(choices), number)

    def sound_alike(self, text: MarkedText, rng: random.Random) -> None:
        """Replace characters by homophones."""
        if self._homophones is not None:
            self._homophones.apply(text, rng)

    def mix_languages(self, text: MarkedText, rng: random.Random) -> None:
        """Say a name or a word in the other language."""
        if self._known is not None and text.marks and rng.random() < 0.5:
            number = rng.randrange(len(text.marks))
            start, end = text.span(number)
            surface = "".join(text.chars[start:end])
            entry = self._known.lookup(text.marks[number].entity, surface)
            if entry is not None:
                text.replace(start, end, entry.en if has_han(surface) else entry.zh, number)
                return
        whole = "".join(text.chars).lower()
        to_english = has_han(whole)
        pairs = [(zh, en) if to_english else (en, zh) for zh, en in _WORDS]
        present = [(a, b) for a, b in pairs if a in whole and b]
        if not present:
            return
        old, new = rng.choice(present)
        start = whole.index(old)
        if len(set(text.owner[start : start + len(old)])) == 1:
            text.replace(start, start + len(old), new)

    def add_filler(self, text: MarkedText, rng: random.Random) -> None:
        """Begin or end with a polite or hesitant word."""
        han = has_han("".join(text.chars))
        if len(text.chars) < _LEAST_CHARS_FOR_FILLER[han]:
            return
        if rng.random() < 0.5:
            text.replace(0, 0, rng.choice(_BEFORE_ZH if han else _BEFORE_EN), -1)
        else:
            text.replace(len(text.chars), len(text.chars), rng.choice(_AFTER_ZH if han else _AFTER_EN), -1)

    def write_traditional(self, text: MarkedText, rng: random.Random) -> None:
        """Write Chinese in traditional characters."""
        if self._traditional is not None:
            converted = str(self._traditional.convert("".join(text.chars)))
            if len(converted) == len(text.chars):
                text.chars[:] = list(converted)
