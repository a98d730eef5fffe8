"""The `channels:` section of city.yml, and the file with the platforms' credentials."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Extra, Field, validator

from city.settings import Settings, SettingsError, module_section

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Keys whose value is a secret; one of these in plain text would end up in a backup or a repository.
_SECRET = re.compile(r"(?:^|_)(?:token|secret|password|aes_key|encrypt_key)$")
ROLES = ("viewer", "editor", "publisher", "operator", "admin")


class _Section(BaseModel):
    class Config:
        extra = Extra.forbid
        allow_mutation = False


class QueueSection(_Section):
    """Where accepted messages wait: "sql" is the gateway's own database; others need a `url`."""

    kind: Literal["sql", "redis", "rabbitmq"] = "sql"
    url: str = ""

    @validator("url", always=True)
    def _needed(cls, value: str, values: dict[str, Any]) -> str:
        if values.get("kind", "sql") != "sql" and not value:
            raise ValueError("is missing; write it as ${CHENGDA_QUEUE_URL} and set that in the environment")
        return value


class RetriesSection(_Section):
    """How often and how soon a send is tried again."""

    attempts: int = Field(16, ge=1, le=100)
    first_s: float = Field(1.0, gt=0, le=60)
    longest_s: float = Field(600.0, gt=0, le=86_400)


class RoleEntry(_Section):
    """One channel identity that is a member of staff."""

    channel: str
    sender: str
    role: Literal["viewer", "editor", "publisher", "operator", "admin"]


class ChannelsSection(_Section):
    """Which chat apps are on, and what they share.

    `enabled` names entries of the `credentials` file. `public_url` is the address under which the platforms
    and the citizens reach this server.
    """

    enabled: list[str] = []
    credentials: Path = Path("credentials.yml")
    public_url: str = ""
    queue: QueueSection = QueueSection()
    retries: RetriesSection = RetriesSection(attempts=16, first_s=1.0, longest_s=600.0)
    roles: list[RoleEntry] = []

    @validator("enabled", each_item=True)
    def _name(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", value):
            raise ValueError(f"{value!r} is no channel name; use small letters, digits, - and _")
        return value

    @validator("public_url")
    def _http(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^/\s]+(/[^\s?#]*)?", value):
            raise ValueError(f"{value!r} is no address; write it as https://chat.city.example")
        return value.rstrip("/")

    def roles_by_identity(self) -> Mapping[tuple[str, str], str]:
        """Return the staff role of each mapped identity."""
        return {(entry.channel, entry.sender): entry.role for entry in self.roles}


def channels_section(settings: Settings) -> ChannelsSection:
    """Return the `channels:` section, an empty one where city.yml has none; raise `SettingsError`."""
    return module_section(settings, "channels", ChannelsSection) or ChannelsSection()


def expand(value: str, where: str, environment: Mapping[str, str] | None = None) -> str:
    """Return `value` with each `${NAME}` replaced from the environment; raise `SettingsError` if one is unset."""
    known = os.environ if environment is None else environment

    def replace(match: re.Match[str]) -> str:
        found = known.get(match.group(1))
        if not found:
            raise SettingsError(f"{where}: the environment variable {match.group(1)} is not set; set it")
        return found

    return _VARIABLE.sub(replace, value)


def read_credentials(
    file: Path, names: list[str], environment: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the entries of the credentials file for `names`, with secrets from the environment.

    Raises:
        SettingsError: the file or an entry is missing or malformed, a variable is not set, or a secret
            stands in the file itself.
    """
    if not names:
        return {}
    try:
        # Not ruamel.yaml: once Rasa is imported, that puts values in the place of `${NAME}` in every file
        # (rasa/shared/utils/io.py), and a secret from the environment could not be told from one in the file.
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{file}: no such file; copy credentials.example.yml there and edit it") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{file}: cannot be read as YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(data, dict):
        raise SettingsError(f"{file}: must hold one entry per channel, such as `telegram:`")
    entries: dict[str, dict[str, Any]] = {}
    for name in names:
        entry = data.get(name)
        if not isinstance(entry, dict):
            raise SettingsError(f"{file}: there is no entry `{name}`, but city.yml enables it; add it")
        entries[name] = {str(key): _value(file, name, str(key), v, environment) for key, v in entry.items()}
    return entries


def _value(file: Path, name: str, key: str, value: Any, environment: Mapping[str, str] | None) -> Any:
    if not isinstance(value, str):
        return value
    if _SECRET.search(key) and value and not _VARIABLE.fullmatch(value):
        variable = f"{name}_{key}".upper().replace("-", "_")
        raise SettingsError(
            f"{file}: key `{name}.{key}` is a secret; write it as ${{{variable}}} and set that in the environment"
        )
    return expand(value, f"{file}: key `{name}.{key}`", environment)
