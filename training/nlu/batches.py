"""Tokenised examples, and batches of like length for training."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from nlp.joint_text import prepare
from training.nlu.data import Example
from training.nlu.tagging import IGNORED, token_tags

_LEAST_TOKENS, _MOST_TOKENS = 24, 128
# Batches that are sorted by length together: the more, the less padding.
_POOL = 100


@dataclass(frozen=True)
class Encoded:
    """One example as numbers: token ids and tags (t,), intent."""

    ids: list[int]
    tags: list[int]
    intent: int


def fitting_length(tokenizer: Tokenizer, texts: Sequence[str]) -> int:
    """Return a token limit that cuts at most one text in two hundred, between 24 and 128."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    lengths = sorted(len(e.ids) for e in tokenizer.encode_batch([prepare(text) for text in texts]))
    longest = lengths[min(len(lengths) - 1, int(0.995 * len(lengths)))] if lengths else _LEAST_TOKENS
    return max(_LEAST_TOKENS, min(_MOST_TOKENS, longest + 8))


def encode(
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    intents: dict[str, int],
    tags: dict[str, int],
    limit: int,
) -> list[Encoded]:
    """Tokenise examples, cut to `limit` tokens; an intent that is not in `intents` becomes -1."""
    tokenizer.enable_truncation(limit)
    tokenizer.no_padding()
    texts = [prepare(example.text) for example in examples]
    return [
        Encoded(
            encoding.ids,
            token_tags(encoding.offsets, example.marks, tags, text),
            intents.get(example.intent, -1),
        )
        for example, text, encoding in zip(examples, texts, tokenizer.encode_batch(texts), strict=True)
    ]


def some_of_each(rows: Sequence[Encoded], count: int) -> list[Encoded]:
    """Return at most `count` examples of each intent, spread evenly over all that it has."""
    places: dict[int, list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        places[row.intent].append(at)
    chosen: list[int] = []
    for found in places.values():
        kept = min(count, len(found))
        chosen += [found[number * len(found) // kept] for number in range(kept)]
    return [rows[at] for at in sorted(chosen)]


class EncodedSet(Dataset[Encoded]):
    """A list of encoded examples as torch wants it; a share of them stands with slips, other ones in every pass."""

    def __init__(
        self,
        rows: Sequence[Encoded],
        noisy: Sequence[Sequence[Encoded]] = (),
        share: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Take the rows.

        Args:
            rows: the examples.
            noisy: damaged versions of all of them, in the same order.
            share: probability that one of these stands in the place of the example.
            seed: of the choice.
        """
        self.rows = rows
        self._noisy, self._share, self._rng = noisy, share, random.Random(seed)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Encoded:
        if self._noisy and self._rng.random() < self._share:
            return self._rng.choice(self._noisy)[index]
        return self.rows[index]


def collate(rows: Sequence[Encoded], pad: int = 0) -> dict[str, Tensor]:
    """Pad a batch: ids, mask and tags (n, t), labels (n,)."""
    width = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    tags = torch.full_like(ids, IGNORED)
    for at, row in enumerate(rows):
        ids[at, : len(row.ids)] = torch.tensor(row.ids)
        mask[at, : len(row.ids)] = 1
        tags[at, : len(row.tags)] = torch.tensor(row.tags)
    labels = torch.tensor([row.intent for row in rows])
    return {"input_ids": ids, "attention_mask": mask, "tags": tags, "labels": labels}


class LengthBatches(Sampler[list[int]]):
    """Shuffled batches whose members are of like length; another order in every epoch, all from one seed."""

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self._lengths, self._batch, self._seed, self._epoch = lengths, batch, seed, 0

    def __len__(self) -> int:
        return -(-len(self._lengths) // self._batch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        rng = random.Random(self._seed * 1000 + self._epoch)
        self._epoch += 1
        order = list(range(len(self._lengths)))
        rng.shuffle(order)
        pool = self._batch * _POOL
        batches: list[list[int]] = []
        for start in range(0, len(order), pool):
            block = sorted(order[start : start + pool], key=lambda row: self._lengths[row])
            batches += [block[at : at + self._batch] for at in range(0, len(block), self._batch)]
        rng.shuffle(batches)
        return iter(batches)
