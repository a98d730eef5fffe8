"""The lexicon an index was built with, kept as a file beside it for the edits that follow."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from knowledge.article import Article
from knowledge.files import check, write_atomic
from knowledge.lexicon import Lexicon, learn, shipped

PATTERN = "lexicon-*.json"


class KeptLexicon:
    """The shipped lexicon together with what the city's bilingual articles taught when the index was built.

    Args:
        folder: of the index.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: tuple[str, Lexicon] | None = None

    def learn(self, articles: Sequence[Article]) -> dict[str, Any]:
        """Learn from articles, keep it, and return the file's record for the manifest."""
        learnt = learn(articles)
        path = self.folder / PATTERN.replace("*", f"{time.time_ns():x}")
        record = write_atomic(path, lambda stream: stream.write(learnt.dumps()))
        self._open = (record["file"], shipped().with_layer(learnt))
        return record

    def read(self, record: Mapping[str, Any]) -> Lexicon:
        """Return the lexicon of a record; the shipped one alone when the file is damaged."""
        if self._open is None or self._open[0] != record["file"]:
            lexicon = shipped()
            if not check(self.folder, dict(record)):
                learnt = Lexicon.loads((self.folder / record["file"]).read_bytes())
                lexicon = lexicon.with_layer(learnt)
            self._open = (record["file"], lexicon)
        return self._open[1]
