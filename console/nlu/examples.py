"""Utterances per intent: the shipped ones, read only, and those that staff add below the data directory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import yaml
from filelock import FileLock

from city.masking import mask
from knowledge.text import fold, has_han

MAX_CHARS = 500
MAX_AT_ONCE = 200
_INTENT = re.compile(r"[a-z][a-z0-9_]{0,79}")
_MARKED = re.compile(r"\[([^\]\[]+?)\](?:\([^()]+?\)|\{[^{}]+\})")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ExampleError(ValueError):
    """An utterance or an intent cannot be taken; the message says which and why."""


@dataclass(frozen=True)
class Utterance:
    """One utterance of an intent; `added` says that staff added it, `line` is as it stands in the file."""

    text: str
    line: str
    added: bool

    @property
    def language(self) -> str:
        return "zh" if has_han(self.text) else "en"


def read_utterances(folder: Path, added: bool = False) -> dict[str, list[Utterance]]:
    """Return the utterances of all Rasa NLU files of a folder by intent; files that cannot be read are left out."""
    found: dict[str, list[Utterance]] = {}
    for file in sorted(folder.glob("*.yml")):
        try:
            document = yaml.load(file.read_text("utf-8"), Loader=_Loader)
        except (OSError, ValueError, yaml.YAMLError):
            # Training refuses such a file with its line; a list of what there is need not.
            continue
        for item in (document or {}).get("nlu") or () if isinstance(document, dict) else ():
            if isinstance(item, dict) and item.get("intent"):
                lines = _lines(item.get("examples"))
                found.setdefault(str(item["intent"]), []).extend(
                    Utterance(plain(line), line, added) for line in lines
                )
    return found


def plain(line: str) -> str:
    """Return an annotated line without its annotations."""
    return _MARKED.sub(r"\1", line)


def _lines(examples: Any) -> list[str]:
    if not isinstance(examples, str):
        return []
    lines = (line.strip().removeprefix("-").strip() for line in examples.splitlines())
    return [line for line in lines if line]


class Examples:
    """All utterances, kept in memory until a file changes. Safe to share between threads and processes.

    Args:
        shipped: folder of the project's own NLU files; never written to.
        added: folder of the files that staff's utterances are kept in, one per intent.
    """

    def __init__(self, shipped: Path, added: Path) -> None:
        self.shipped, self.added = shipped, added
        self._lock = Lock()
        self._cached: tuple[tuple[Any, ...], dict[str, list[Utterance]]] = ((), {})
        self._folded: tuple[object, frozenset[str]] = (None, frozenset())

    def by_intent(self) -> Mapping[str, Sequence[Utterance]]:
        """Return the utterances of every intent, those that staff added last."""
        with self._lock:
            state = (*_state(self.shipped), *_state(self.added))
            if self._cached[0] != state or not state:
                merged = read_utterances(self.shipped)
                for intent, utterances in read_utterances(self.added, added=True).items():
                    merged.setdefault(intent, []).extend(utterances)
                self._cached = (state, merged)
            return self._cached[1]

    def known(self) -> frozenset[str]:
        """Return all texts in the form in which equal ones are equal."""
        merged = self.by_intent()
        of, folded = self._folded
        if of is not merged:
            folded = frozenset(fold(item.text) for items in merged.values() for item in items)
            self._folded = (merged, folded)
        return folded

    def add(self, intent: str, texts: Iterable[str]) -> list[str]:
        """Add utterances of an intent that there is; return those that were not there before.

        Personal data is masked: what is trained with stays in a model for good.

        Raises:
            ExampleError: when the intent is unknown or nothing is left of a text.
        """
        if intent not in self.by_intent() or not _INTENT.fullmatch(intent):
            raise ExampleError(f"intent {intent!r}: there is none of this name")
        wanted = [clean(text) for text in texts]
        if not wanted or len(wanted) > MAX_AT_ONCE:
            raise ExampleError(f"{len(wanted)} utterances: add between 1 and {MAX_AT_ONCE} at once")
        with self._writing():
            lines = self._read(intent)
            seen = {fold(plain(line)) for line in lines}
            seen |= {fold(item.text) for item in self.by_intent()[intent]}
            fresh = []
            for text in wanted:
                if fold(text) not in seen:
                    seen.add(fold(text))
                    fresh.append(text)
            if fresh:
                self._write(intent, [*lines, *fresh])
        return fresh

    def remove(self, intent: str, line: str) -> bool:
        """Take out an utterance that staff added; return whether it was there."""
        if not _INTENT.fullmatch(intent):
            return False
        with self._writing():
            lines = self._read(intent)
            left = [item for item in lines if item != line]
            if len(left) == len(lines):
                return False
            self._write(intent, left)
        return True

    def _writing(self) -> FileLock:
        self.added.mkdir(parents=True, exist_ok=True)
        return FileLock(self.added / ".lock", timeout=10)

    def _read(self, intent: str) -> list[str]:
        file = self.added / f"{intent}.yml"
        if not file.is_file():
            return []
        return [item.line for item in read_utterances(self.added, added=True).get(intent, [])]

    def _write(self, intent: str, lines: Sequence[str]) -> None:
        file = self.added / f"{intent}.yml"
        if not lines:
            file.unlink(missing_ok=True)
            return
        part = file.with_name(f".{file.name}.{os.getpid()}")
        body = "".join(f"    - {line}\n" for line in lines)
        part.write_text(f'version: "3.1"\n\nnlu:\n- intent: {intent}\n  examples: |\n{body}', "utf-8")
        os.replace(part, file)


def clean(text: str) -> str:
    """Return a text as a line of a training file: one line, no annotation, personal data masked.

    Raises:
        ExampleError: when nothing is left, or too much.
    """
    masked = re.sub(r"\[(?:email|id|card|phone|plate|name|number)\]", " ", mask(text))
    shown = "".join(char if char.isprintable() else " " for char in masked)
    line = " ".join(re.sub(r"[][(){}]", " ", shown).split()).lstrip("-# ").strip()
    if not line:
        raise ExampleError("the utterance is empty")
    if len(line) > MAX_CHARS:
        raise ExampleError(f"the utterance has {len(line)} characters; {MAX_CHARS} are the most")
    return line


def _state(folder: Path) -> list[tuple[str, int, int]]:
    found = []
    for file in sorted(folder.glob("*.yml")):
        status = file.stat()
        found.append((file.name, status.st_mtime_ns, status.st_size))
    return found
