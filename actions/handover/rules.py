"""Data files of the desk: rules that call a person, and canned replies."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Extra, Field, ValidationError, root_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from actions.handover.errors import RulesError
from city.settings import Bilingual

_SCANNED = 1000


class _Item(BaseModel):
    class Config:
        extra = Extra.forbid
        allow_mutation = False


class Words(_Item):
    """Plain words and phrases; English ones are matched as whole words."""

    zh: list[str] = []
    en: list[str] = []


class Rule(_Item):
    """Calls a person, or offers one, when all the conditions that it names hold.

    `do`: "hand_over" leaves the bot out at once, "offer" adds a button to the bot's answer.
    """

    id: str = Field(regex=r"^[a-z][a-z0-9-]{0,30}$")
    words: Words | None = None
    intents: list[str] = []
    channels: list[str] = []
    roles: list[str] = []
    do: Literal["offer", "hand_over"] = "offer"
    team: str = ""
    urgent: bool = False

    @root_validator(skip_on_failure=True)
    def _some_condition(cls, values: dict[str, Any]) -> dict[str, Any]:
        if not any(values[key] for key in ("words", "intents", "channels", "roles")):
            raise ValueError("needs at least one of words, intents, channels, roles")
        if values["intents"] and values["do"] == "hand_over":
            raise ValueError("intents are known after the bot has answered; use do: offer with them")
        return values


class Canned(_Item):
    """One reply ready to be sent. `{operator}` and `{city}` are filled in."""

    id: str = Field(regex=r"^[a-z][a-z0-9-]{0,40}$")
    title: Bilingual
    text: Bilingual


class Rules:
    """The rules, ready to be tried on messages."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = [(rule, _pattern(rule.words)) for rule in rules]

    def match(
        self, text: str, channel: str, role: str, intent: str = "", *, only: str | None = None
    ) -> Rule | None:
        """Return the first rule, of one kind of `do` if `only` names it, whose conditions all hold."""
        sample = unicodedata.normalize("NFKC", text[:_SCANNED]).lower().replace("’", "'")
        for rule, pattern in self._rules:
            if (only and rule.do != only) or (rule.channels and channel not in rule.channels):
                continue
            if (rule.roles and role not in rule.roles) or (rule.intents and intent not in rule.intents):
                continue
            if pattern is None or pattern.search(sample):
                return rule
        return None


def _pattern(words: Words | None) -> re.Pattern[str] | None:
    if words is None:
        return None
    parts = [re.escape(word.lower()) for word in words.zh]
    parts += [rf"(?<!\w){re.escape(word.lower())}(?!\w)" for word in words.en]
    return re.compile("|".join(parts)) if parts else None


def read_rules(file: Path) -> list[Rule]:
    """Read a YAML file `rules: […]`; raises `RulesError`."""
    return [_item(file, "rules", number, Rule, data) for number, data in enumerate(_list(file, "rules"))]


def read_canned(file: Path) -> list[Canned]:
    """Read a YAML file `replies: […]`; raises `RulesError`."""
    return [
        _item(file, "replies", number, Canned, data) for number, data in enumerate(_list(file, "replies"))
    ]


def _list(file: Path, key: str) -> list[Any]:
    try:
        data = YAML(typ="safe", pure=True).load(file.read_text("utf-8"))
    except OSError as error:
        raise _error(file, key, f"cannot be read ({error.strerror})") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise _error(file, key, f"is no valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(data, Mapping) or not isinstance(data.get(key), list):
        raise _error(file, key, f"must hold a list under `{key}`")
    return list(data[key])


def _item(file: Path, key: str, number: int, model: type[Any], data: Any) -> Any:
    if not isinstance(data, Mapping):
        raise _error(file, f"{key}[{number}]", "must hold keys and values")
    try:
        return model(**data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _error(file, f"{key}[{number}].{where}", first["msg"]) from None


def _error(file: Path, key: str, what: str) -> RulesError:
    return RulesError(f"{file}：{key} {what}，请更正。", f"{file}: {key} {what}; mend it")
