"""Reads Rasa NLU YAML: intents with annotated entities, synonyms and lookup tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from training.nlu.data import DataSet, Example, Mark
from training.nlu.errors import DataFileError
from training.nlu.tsv import decode, read_bytes

_MARKED = re.compile(r"\[(?P<text>[^\]\[]+?)\](?:\((?P<entity>[^()]+?)\)|(?P<json>\{[^{}]+\}))")


def read_rasa_yaml(path: Path) -> DataSet:
    """Read one Rasa NLU file. Retrieval intents (`faq/hours`) keep their full name.

    Raises:
        DataFileError: when the file is empty, no YAML, or has no `nlu:` list, naming the line.
    """
    text = decode(read_bytes(path), str(path))
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise DataFileError(
            f"{path}{where}: is no valid YAML ({getattr(error, 'problem', None) or error}); mend that line"
        ) from None
    items = document.get("nlu") if isinstance(document, dict) else None
    if items is None and isinstance(document, dict) and set(document) & {"rules", "stories", "responses"}:
        return DataSet([], notes=[f"{path}: holds no `nlu:` list and was passed over"])
    if not isinstance(items, list):
        raise DataFileError(f"{path}: has no `nlu:` list; begin it with `nlu:` and `- intent: name`")
    data = DataSet([])
    for item in items:
        if not isinstance(item, dict):
            raise DataFileError(f"{path}: `nlu:` holds {item!r}; write `- intent: name` with `examples: |`")
        lines = list(_lines(item.get("examples"), path, item))
        if "intent" in item:
            if item["intent"] is None or not str(item["intent"]).strip():
                raise DataFileError(f"{path}: an intent has no name; write `- intent: name`")
            intent = str(item["intent"]).strip()
            data.examples += [_example(line, intent, path) for line in lines]
        elif "synonym" in item:
            data.synonyms.update({line.lower(): str(item["synonym"]) for line in lines})
        elif "lookup" in item:
            data.lookups.setdefault(str(item["lookup"]), []).extend(lines)
    for example in data.examples:
        for mark in example.marks:
            if mark.value is not None:
                data.synonyms.setdefault(example.text[mark.start : mark.end].lower(), mark.value)
    return data


def parse_marked(line: str) -> tuple[str, tuple[Mark, ...]]:
    """Split an annotated line such as `到[人民广场](place)` into its plain text and its entities."""
    plain: list[str] = []
    marks: list[Mark] = []
    length = at = 0
    for match in _MARKED.finditer(line):
        before = line[at : match.start()]
        at = match.end()
        text, entity, value = match["text"], match["entity"], None
        if match["json"]:
            try:
                fields = json.loads(match["json"])
            except ValueError:
                fields = {}
            entity, value = fields.get("entity"), fields.get("value")
        elif entity and ":" in entity:
            entity, value = entity.split(":", 1)
        plain.append(before)
        length += len(before)
        plain.append(text)
        if entity:
            marks.append(Mark(length, length + len(text), str(entity), None if value is None else str(value)))
        length += len(text)
    plain.append(line[at:])
    return "".join(plain), tuple(marks)


def _example(line: str, intent: str, path: Path) -> Example:
    text, marks = parse_marked(line)
    return Example(text, intent, marks, path.name)


def _lines(examples: Any, path: Path, item: dict[str, Any]) -> Iterator[str]:
    if examples is None:
        return
    if isinstance(examples, str):
        for raw in examples.splitlines():
            line = raw.strip()
            if line.startswith("- ") or line == "-":
                line = line[1:].strip()
            if line:
                yield line
        return
    if isinstance(examples, list):
        for entry in examples:
            text = entry.get("text") if isinstance(entry, dict) else entry
            if text is not None and str(text).strip():
                yield str(text).strip().removeprefix("- ")
        return
    name = item.get("intent") or item.get("synonym") or item.get("lookup")
    raise DataFileError(f"{path}: examples of `{name}` are {type(examples).__name__}; write `examples: |`")
