"""Fold traditional characters to simplified ones inside the tokenizer.

The map is character by character, so offsets into the user's text stay exact. It travels in `tokenizer.json`
as a SentencePiece character map, which the fast tokenizer applies in one pass.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import opencc
import sentencepiece
from tokenizers import normalizers

_HAN_BLOCKS = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x2A6E0))


def traditional_to_simplified() -> dict[str, str]:
    """Return every character whose simplified form is another single character."""
    convert = opencc.OpenCC("t2s").convert
    pairs = (
        (chr(code), str(convert(chr(code)))) for first, last in _HAN_BLOCKS for code in range(first, last)
    )
    return {old: new for old, new in pairs if len(new) == 1 and new != old}


def folding_normalizer() -> normalizers.Normalizer:
    """Build the tokenizer's normaliser step from OpenCC's character table."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.tsv"
        lines = (f"{ord(old):X}\t{ord(new):X}\n" for old, new in traditional_to_simplified().items())
        rules.write_text("".join(lines), encoding="utf-8")
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c d e f g"]),
            model_writer=model,
            model_type="char",
            vocab_size=12,
            hard_vocab_limit=False,
            normalization_rule_tsv=str(rules),
            minloglevel=2,
        )
    specification = _field(model.getvalue(), 3)
    return normalizers.Precompiled(_field(specification, 2))


def _field(message: bytes, wanted: int) -> bytes:
    """Return a length-delimited field of a protobuf message (normalizer_spec is 3, its character map 2).

    Read by hand because the generated classes of sentencepiece need a newer protobuf than Rasa allows.
    Raises ValueError when the field is missing.
    """
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == 2:
            size, place = _varint(message, place)
            if number == wanted:
                return message[place : place + size]
            place += size
        elif kind == 0:
            _, place = _varint(message, place)
        else:
            place += 4 if kind == 5 else 8
    raise ValueError(f"SentencePiece wrote no field {wanted}; its model format has changed")


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
