"""What a conversation about transit remembers between turns: a plain dictionary of JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

VERSION = 1
MAX_AGE_S = 30 * 60


@dataclass(frozen=True)
class Memory:
    """The subject of the last turns.

    `line`: route_id; `stop`, `to`: a stop group's key; `place`, `to_place`: a landmark's name; `sign`: a headsign;
    `direction`: direction_id, -1 unknown; `last`, `first`: POSIX seconds of the last and first departure shown;
    `kind`: what was answered; `pending`: what was being asked for when something was missing; `which`: first, last
    or both; `said_when`: the words about time of a question that still lacks something; `at`: when, POSIX seconds.
    """

    line: str = ""
    stop: str = ""
    place: str = ""
    to: str = ""
    to_place: str = ""
    sign: str = ""
    direction: int = -1
    first: int = 0
    last: int = 0
    kind: str = ""
    pending: str = ""
    which: str = ""
    said_when: str = ""
    at: int = 0

    @property
    def way(self) -> bool:
        """Whether the last answer was about the way from one stop to another, by whatever line."""
        return self.kind in ("line", "departures") and bool(self.stop and self.to) and not self.line

    def to_state(self) -> dict[str, Any]:
        """Return the dictionary to keep in a slot."""
        return {"version": VERSION, **{k: v for k, v in asdict(self).items() if v != _DEFAULTS[k]}}


_DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(Memory)}


def recall(state: Mapping[str, Any] | None, now_s: int) -> Memory:
    """Return the memory of a state; an empty one when it is absent, old, of another version or not ours."""
    if not isinstance(state, Mapping) or state.get("version") != VERSION:
        return Memory()
    values: dict[str, Any] = {}
    for name, default in _DEFAULTS.items():
        value = state.get(name, default)
        if isinstance(value, bool) or not isinstance(value, type(default)):
            return Memory()
        values[name] = value
    memory = Memory(**values)
    return memory if 0 <= now_s - memory.at <= MAX_AGE_S else Memory()
