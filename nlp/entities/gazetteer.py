"""Names of the city's own things, found in a text by longest match: Chinese without word boundaries, English with."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rapidfuzz import fuzz, process

from nlp.entities.folding import compact, compact_name, has_han
from nlp.joint_manifest import ModelDamagedError
from nlp.joint_text import prepare

_END = ""
_SIGN = frozenset("牌台点亭长")
# Only long names are compared approximately: among short ones, one letter makes another name.
_FUZZY_HAN, _FUZZY_LATIN, _FUZZY_SCORE = 4, 7, 82.0
COLUMNS = ("id", "entity", "zh", "en", "aliases")


class GazetteerFileError(ModelDamagedError):
    """A gazetteer file is missing or has wrong columns; the message names the file, the line and the mend."""


@dataclass(frozen=True)
class Entry:
    """One thing of the city: id, entity name ("stop", "street", …), its names, other spellings."""

    id: str
    entity: str
    zh: str
    en: str = ""
    aliases: tuple[str, ...] = ()

    def name(self, like: str) -> str:
        """Return the name in the language of the text `like`."""
        return (self.zh or self.en) if has_han(like) else (self.en or self.zh)

    def spellings(self) -> list[str]:
        """Return all names and aliases that are not empty."""
        return [name for name in (self.zh, self.en, *self.aliases) if name]


@dataclass(frozen=True)
class Match:
    """A name found at `[start, end)`; several things may bear it, of one entity type or of several."""

    start: int
    end: int
    entries: tuple[Entry, ...]

    def of(self, entity: str) -> Entry | None:
        """Return the thing of one entity type, if there is one."""
        return next((entry for entry in self.entries if entry.entity == entity), None)


class Gazetteer:
    """Names in a trie of compact spellings; read-only after it is made, so safe to share between threads."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(entries)
        self._root: dict[str, Any] = {}
        self._by_name: dict[str, dict[str, Entry]] = {}
        for entry in self.entries:
            for spelling in entry.spellings():
                self._insert(compact_name(prepare(spelling)), entry)
        self._choices = {entity: list(names) for entity, names in self._by_name.items()}

    def _insert(self, name: str, entry: Entry) -> None:
        if not name:
            return
        self._by_name.setdefault(entry.entity, {}).setdefault(name, entry)
        node = self._root
        for char in name:
            node = node.setdefault(char, {})
        here = node.setdefault(_END, [])
        if entry not in here:
            here.append(entry)

    @classmethod
    def read(cls, path: Path) -> Gazetteer:
        """Read a CSV file (columns id, entity, zh, en, aliases with `|` between) or a JSON list of such objects.

        Raises:
            GazetteerFileError: when the file is missing, damaged or lacks a column.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
            rows = json.loads(text) if path.suffix == ".json" else list(csv.DictReader(text.splitlines()))
        except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
            raise GazetteerFileError(
                f"{path}: cannot be read ({error}); save it as UTF-8 CSV or JSON"
            ) from None
        return cls(_entry(row, path, number) for number, row in enumerate(rows, 2))

    def find(self, prepared: str) -> list[Match]:
        """Return the names in a prepared text, leftmost and longest first, without overlaps."""
        if not self._root:
            return []
        form = compact(prepared)
        text, opens, root = form.text, form.opens, self._root
        found: list[Match] = []
        position = 0
        while position < len(text):
            begins = opens[position] and text[position] in root
            best = self._longest(text, form.closes, position) if begins else None
            if best is None:
                position += 1
                continue
            end, entries = best
            found.append(Match(form.at[position], form.at[end - 1] + 1, tuple(entries)))
            position = end
        return found

    def _longest(self, text: str, closes: tuple[bool, ...], start: int) -> tuple[int, list[Entry]] | None:
        node: dict[str, Any] = self._root
        best: tuple[int, list[Entry]] | None = None
        for position in range(start, len(text)):
            if text[position] not in node:
                break
            node = node[text[position]]
            # "市政厅站牌" is the sign at a stop, not the stop "市政厅站".
            sign = text[position] == "站" and text[position + 1 : position + 2] in _SIGN
            if _END in node and closes[position] and not sign:
                best = position + 1, node[_END]
        return best

    def lookup(self, entity: str, name: str) -> Entry | None:
        """Return the thing of that type whose spelling is exactly `name`, width and case aside."""
        return self._by_name.get(entity, {}).get(compact_name(prepare(name)))

    def closest(self, entity: str, name: str) -> Entry | None:
        """Return the thing of that type whose long name is nearly `name`, or nothing."""
        exact = self.lookup(entity, name)
        if exact is not None:
            return exact
        folded = compact_name(prepare(name))
        if len(folded) < (_FUZZY_HAN if has_han(folded) else _FUZZY_LATIN):
            return None
        best = process.extractOne(
            folded, self._choices.get(entity, []), scorer=fuzz.ratio, score_cutoff=_FUZZY_SCORE
        )
        # A digit is a name's meaning: Line 1 is not nearly Line 2.
        if best is None or _digits(best[0]) != _digits(folded):
            return None
        return self._by_name[entity][best[0]]


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit() or char in "一二三四五六七八九十东西南北")


def _entry(row: Any, path: Path, number: int) -> Entry:
    if not isinstance(row, dict):
        raise GazetteerFileError(f"{path}: entry {number} is no object; write id, entity, zh, en, aliases")
    missing = [name for name in ("id", "entity") if not row.get(name)]
    if missing or not (row.get("zh") or row.get("en")):
        raise GazetteerFileError(
            f"{path}, line {number}: `{missing[0] if missing else 'zh'}` is empty; needs {', '.join(COLUMNS)}"
        )
    aliases = row.get("aliases") or ()
    if isinstance(aliases, str):
        aliases = aliases.split("|")
    return Entry(
        str(row["id"]),
        str(row["entity"]),
        str(row.get("zh") or "").strip(),
        str(row.get("en") or "").strip(),
        tuple(str(alias).strip() for alias in aliases if str(alias).strip()),
    )
