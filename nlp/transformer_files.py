"""What sentence encoders and cross-encoders read alike from a transformer's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer


def position_limit(config: Mapping[str, object]) -> int:
    """Return how many tokens a model with this `config.json` can read."""
    positions = config.get("max_position_embeddings")
    if not isinstance(positions, int):
        return 512
    # RoBERTa kinds count positions from pad_token_id + 1.
    return positions - 2 if "roberta" in str(config.get("model_type", "")) else positions


def open_tokenizer(path: Path, limit: int, config: Mapping[str, object]) -> Tokenizer:
    """Open a tokenizer that cuts at `limit` tokens and pads a batch; what the library raises passes through."""
    tokenizer = Tokenizer.from_file(str(path))
    value = config.get("pad_token_id")
    pad = value if isinstance(value, int) else 0
    tokenizer.enable_truncation(limit)
    tokenizer.enable_padding(pad_id=pad, pad_token=tokenizer.id_to_token(pad) or "[PAD]")
    return tokenizer


def clean_text(text: str, most_characters: int) -> str:
    """Cut a text; half of a surrogate pair, which is no valid Unicode and would stop the tokenizer, becomes "?"."""
    return text[:most_characters].encode("utf-8", "replace").decode("utf-8")
