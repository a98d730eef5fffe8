"""Labelled utterances: their types, and the way into them from TSV and Rasa NLU YAML files."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training.nlu.errors import DataFileError

OOS_LABELS = frozenset({"out_of_scope", "oos", "nlu_fallback"})


@dataclass(frozen=True)
class Mark:
    """An annotated entity: `[start, end)` in characters, its name, and the value when it differs from the text."""

    start: int
    end: int
    entity: str
    value: str | None = None


@dataclass(frozen=True)
class Example:
    """One utterance with its intent and entities; `source` says where it stands, for messages."""

    text: str
    intent: str
    marks: tuple[Mark, ...] = ()
    source: str = ""


@dataclass
class DataSet:
    """Examples plus what Rasa files may add: synonyms (entity-free, as in Rasa) and lookup tables."""

    examples: list[Example]
    synonyms: dict[str, str] = field(default_factory=dict)
    lookups: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def intents(self) -> list[str]:
        """The labels, sorted."""
        return sorted({example.intent for example in self.examples})

    @property
    def entities(self) -> list[str]:
        """The entity names, sorted."""
        return sorted({mark.entity for example in self.examples for mark in example.marks})

    def counts(self) -> Counter[str]:
        """Return the number of examples of each intent."""
        return Counter(example.intent for example in self.examples)

    def hash(self) -> str:
        """Return a hash of all examples whatever their order, 32 hexadecimal digits."""
        rows = sorted(
            json.dumps([e.intent, e.text, [[m.start, m.end, m.entity, m.value] for m in e.marks]])
            for e in self.examples
        )
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:32]


def load_data(paths: Path | Sequence[Path]) -> DataSet:
    """Read labelled utterances from files and folders, TSV or Rasa NLU YAML by their names.

    Args:
        paths: a file, a folder (its `*.yml` and `*.tsv` files), or several of them.

    Raises:
        DataFileError: when a file is missing, empty, unreadable or holds no example.
        LabelError: when a label is missing or no number of classes can be made of the labels.
    """
    from training.nlu.rasa_yaml import read_rasa_yaml
    from training.nlu.tsv import read_tsv

    merged = DataSet([])
    for file in _files([paths] if isinstance(paths, Path) else paths):
        yaml = file.suffix.lower() in (".yml", ".yaml")
        part = read_rasa_yaml(file) if yaml else read_tsv(file)
        merged.examples += part.examples
        merged.synonyms.update(part.synonyms)
        merged.notes += part.notes
        for name, values in part.lookups.items():
            merged.lookups.setdefault(name, []).extend(values)
    if not merged.examples:
        raise DataFileError(f"{paths}: holds no labelled example; write lines `text<TAB>intent`")
    return merged


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(f for f in path.rglob("*") if f.suffix.lower() in (".yml", ".yaml", ".tsv"))
            if not inside:
                raise DataFileError(f"{path}: holds no .yml or .tsv file; name the folder of your NLU data")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise DataFileError(f"{path}: no such file; check the name given to --data")
    return found
