"""Smaller models: a vocabulary of only the pieces that the data use."""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import nn

from nlp.joint_text import prepare
from training.nlu.errors import NluTrainingError


def trim_vocabulary(body: nn.Module, tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Tokenizer, int]:
    """Leave out the pieces that none of the texts uses; single characters and special tokens stay.

    A trimmed model reads new words as smaller pieces, so it is meant for closed domains. The word table of
    `body` is cut in place.

    Args:
        body: encoder with the whole table.
        tokenizer: of the Unigram kind.
        texts: everything the model should read well.

    Returns:
        The smaller tokenizer, and how many pieces went.

    Raises:
        NluTrainingError: for another kind of tokenizer.
    """
    state = json.loads(tokenizer.to_str())
    if state["model"].get("type") != "Unigram":
        raise NluTrainingError(
            "trim_vocabulary: only Unigram tokenizers can be trimmed; leave the option out"
        )
    used = {
        number for encoding in tokenizer.encode_batch([prepare(t) for t in texts]) for number in encoding.ids
    }
    special = {item["id"] for item in state["added_tokens"]}
    pieces = state["model"]["vocab"]
    kept = [
        number
        for number, (piece, _) in enumerate(pieces)
        if number in used
        or number in special
        or len(piece.lstrip("▁")) <= 1
        or number == state["model"]["unk_id"]
    ]
    new = {old: at for at, old in enumerate(kept)}
    state["model"]["vocab"] = [pieces[number] for number in kept]
    state["model"]["unk_id"] = new[state["model"]["unk_id"]]
    for item in state["added_tokens"]:
        item["id"] = new[item["id"]]
    for token in (state.get("post_processor") or {}).get("special_tokens", {}).values():
        token["ids"] = [new[number] for number in token["ids"]]
    table = body.get_input_embeddings()
    smaller = nn.Embedding(len(kept), table.weight.shape[1], padding_idx=new.get(table.padding_idx))
    with torch.no_grad():
        smaller.weight.copy_(table.weight[kept])
    body.set_input_embeddings(smaller)
    body.config.vocab_size = len(kept)
    return Tokenizer.from_str(json.dumps(state)), len(pieces) - len(kept)
