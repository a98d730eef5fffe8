"""What is remembered of one call, what was heard, and what is to be said next."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any


class Kind(enum.Enum):
    """What the caller's turn was."""

    SPEECH = "speech"
    DIGITS = "digits"
    SILENCE = "silence"
    NOISE = "noise"


@dataclass(frozen=True)
class Heard:
    """One turn of the caller. `confidence` of recognised speech is between 0 and 1; 1 when the engine tells none."""

    kind: Kind
    text: str = ""
    confidence: float = 1.0


class Then(enum.Enum):
    """What follows after something was said."""

    LISTEN = "listen"
    TRANSFER = "transfer"
    HANG_UP = "hang_up"


@dataclass(frozen=True)
class Say:
    """One text in one language, ready to be spoken."""

    text: str
    language: str


@dataclass(frozen=True)
class Step:
    """What to say, and what then. `rate` is the speed of speech, 1 as usual; `summary` is for who takes the call over."""

    says: Sequence[Say]
    then: Then = Then.LISTEN
    language: str = "zh"
    rate: float = 1.0
    summary: Sequence[Say] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "says": [asdict(say) for say in self.says],
            "then": self.then.value,
            "language": self.language,
            "rate": self.rate,
            "summary": [asdict(say) for say in self.summary],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Step:
        """Build a step from plain data."""
        return cls(
            tuple(Say(**say) for say in data["says"]),
            Then(data["then"]),
            data["language"],
            data["rate"],
            tuple(Say(**say) for say in data["summary"]),
        )


@dataclass
class Call:
    """The state of a call between turns; plain data, so that a restart or another process goes on with it.

    `chosen`: the caller chose the language. `rest`: parts of the last answer not said yet; `last`: what was said
    last. `options`: payloads of the choices offered, by their number. `confirming`: a text that waits for "yes".
    `calling_back`: the next text is a message for staff; `caller`: the number for them to call, only while the call runs.
    `misses`: turns in a row in which nothing usable was heard. `topics`: what was asked, masked. `notices`: the ids of
    the notices to all citizens that were said.
    """

    id: str
    conversation_id: str
    language: str = "zh"
    chosen: bool = False
    rate: float = 1.0
    turn: int = 0
    misses: int = 0
    rest: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    options: list[list[str]] = field(default_factory=list)
    confirming: str = ""
    topics: list[str] = field(default_factory=list)
    outcome: str = ""
    calling_back: bool = False
    caller: str = ""
    notices: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Call:
        """Build a call from plain data; keys of other versions are left out."""
        known = {f.name for f in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})
