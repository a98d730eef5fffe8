"""Fine-tunes only those rows of the word table that the data use.

Rows of other pieces get no gradient anyway, but an optimiser, a moving average and a norm over the whole table
walk through all of them at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from training.nlu.batches import Encoded

Renumber = Callable[[Sequence[Encoded]], list[Encoded]]


@contextmanager
def used_rows(body: nn.Module, sets: Sequence[Sequence[Encoded]]) -> Iterator[Renumber]:
    """Give an encoder a table of the used pieces only; afterwards their trained vectors stand in the whole one.

    Yields a function that gives examples the numbers of the small table.

    Args:
        body: encoder, changed while the context lasts.
        sets: all examples that it will read in that time.
    """
    table = body.get_input_embeddings()
    if not table.weight.requires_grad:
        yield list
        return
    # Padding keeps its number: batches are filled with 0, and some encoders count positions by their own one.
    fixed = range((table.padding_idx or 0) + 1)
    kept = [*fixed, *sorted({number for rows in sets for row in rows for number in row.ids} - set(fixed))]
    new = {old: at for at, old in enumerate(kept)}
    at = torch.tensor(kept, device=table.weight.device)
    small = nn.Embedding(len(kept), table.weight.shape[1], padding_idx=table.padding_idx)
    small.weight = nn.Parameter(table.weight.detach()[at].clone())
    body.set_input_embeddings(small)
    try:
        yield lambda rows: [replace(row, ids=[new[number] for number in row.ids]) for row in rows]
    finally:
        body.set_input_embeddings(table)
        with torch.no_grad():
            table.weight[at] = small.weight
