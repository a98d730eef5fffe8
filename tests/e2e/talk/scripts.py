"""Reads scripted conversations and says whether replies are what they expect."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML

from city.messages import Reply
from tests.e2e.servers import ROOT


def scripts(folder: str) -> list[tuple[str, dict[str, Any]]]:
    """Return (language, conversation) of every script in a folder of `tests/data`."""
    reader = YAML(typ="safe", pure=True)
    return [
        (file.stem, item)
        for file in sorted((ROOT / "tests" / "data" / folder).glob("*.yml"))
        for item in reader.load(file.read_text("utf-8"))
    ]


def problem(expected: str, replies: list[Reply]) -> str:
    """Return why the replies are not what a script expects, empty when they are.

    `> a|b`: one of the texts occurs; `! a`: it does not occur; `= a|b`: a reply has one of the sources.
    """
    kind, _, wanted = expected.partition(" ")
    said = "\n".join(reply.text for reply in replies)
    options = wanted.split("|")
    if kind == "=":
        return "" if any(r.source in options for r in replies) else f"no reply of {wanted}"
    found = any(option in said for option in options)
    return "" if found == (kind == ">") else f"{'missing' if kind == '>' else 'must not say'}: {wanted}"
