"""An encoder that reads each text once, for work that asks the same questions again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from knowledge.index import SentenceEncoder
from knowledge.text import clean


class RememberingEncoder:
    """Keeps every vector it has computed; for one thread.

    Args:
        encoder: computes them.
        texts: questions that are going to be asked, read in batches now.
    """

    def __init__(self, encoder: SentenceEncoder, texts: Sequence[str] = ()) -> None:
        self.encoder = encoder
        self.fingerprint, self.dimension = encoder.fingerprint, encoder.dimension
        if hasattr(encoder, "tokens"):
            self.tokens = encoder.tokens
        cleaned = list(dict.fromkeys(clean(text) for text in texts))
        vectors = encoder.encode(cleaned) if cleaned else ()
        self._known = dict(zip(cleaned, vectors, strict=True))

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return one unit vector a text."""
        vectors = [self.encode_one(text) for text in texts]
        return np.stack(vectors) if vectors else np.zeros((0, self.dimension), np.float32)

    def encode_one(self, text: str) -> npt.NDArray[np.float32]:
        """Return the unit vector of one text."""
        if text not in self._known:
            self._known[text] = self.encoder.encode_one(text)
        return self._known[text]
