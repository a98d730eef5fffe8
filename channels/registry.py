"""From names in city.yml to channels: a channel is one module with `CHANNEL`, named in credentials.yml."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
import uuid
from collections.abc import Mapping

from pydantic import ValidationError

from channels import apps
from channels.app import AppChannel, Surroundings
from channels.http import PlatformClient
from channels.queue.base import InboundQueue
from channels.queue.rabbitmq import RabbitQueue
from channels.queue.redis_streams import RedisQueue
from channels.settings import ChannelsSection, expand, read_credentials
from city.settings import Settings, SettingsError

_NO_CHANNELS = {"meta"}


def shipped_kinds() -> list[str]:
    """Return the names of the channels that come with Chengda."""
    return sorted(m.name for m in pkgutil.iter_modules(apps.__path__) if m.name not in _NO_CHANNELS)


def channel_class(kind: str, where: str) -> type[AppChannel]:
    """Return the class of a kind: one of ours by its short name, another by its dotted module name.

    Raises:
        SettingsError: there is no such module, or it has no `CHANNEL`.
    """
    module_name = kind if "." in kind else f"channels.apps.{kind}"
    known = re.fullmatch(r"[A-Za-z_][\w.]*", module_name) is not None
    try:
        found = known and importlib.util.find_spec(module_name) is not None
    except ModuleNotFoundError:
        found = False
    if not found:
        raise SettingsError(
            f"{where}: there is no channel {kind!r}; use `kind:` with one of {', '.join(shipped_kinds())}, "
            "or the dotted name of a module of your own"
        )
    made = getattr(importlib.import_module(module_name), "CHANNEL", None)
    if not isinstance(made, type) or not issubclass(made, AppChannel):
        raise SettingsError(f"{where}: module {module_name} must set CHANNEL to a subclass of AppChannel")
    return made


def load_channels(
    settings: Settings,
    section: ChannelsSection,
    client: PlatformClient | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[AppChannel]:
    """Return the enabled channels.

    Args:
        client: shared by all of them; made here when left out.
        environment: where secrets come from; the process's own when left out.

    Raises:
        SettingsError: names the file, the key and the mend.
    """
    file = settings.path(section.credentials)
    entries = read_credentials(file, section.enabled, environment)
    surroundings = Surroundings(client or PlatformClient(), section.public_url, settings.data / "charts")
    channels = []
    for name, entry in entries.items():
        made = channel_class(str(entry.pop("kind", name)), f"{file}: key `{name}.kind`")
        try:
            credentials = made.credentials_model(**entry)
        except ValidationError as error:
            lines = [_explain(f"{file}: key `{name}", item, made) for item in error.errors()]
            raise SettingsError("\n".join(lines)) from None
        channels.append(made(name, credentials, surroundings))
    return channels


def _explain(where: str, item: Mapping[str, object], made: type[AppChannel]) -> str:
    location = item["loc"]
    assert isinstance(location, tuple)
    key = ".".join(str(part) for part in location if part != "__root__")
    full = f"{where}.{key}`" if key else f"{where}`"
    if item["type"] == "value_error.extra":
        return f"{full} is unknown; known keys: {', '.join(sorted(made.credentials_model.__fields__))}"
    if item["type"] == "value_error.missing":
        return f"{full} is missing; add it"
    return f"{full} {item['msg']}"


def make_queue(section: ChannelsSection, environment: Mapping[str, str] | None = None) -> InboundQueue | None:
    """Return the inbound queue that the settings name; `None` for the gateway's own database."""
    kind = section.queue.kind
    if kind == "sql":
        return None
    url = expand(section.queue.url, "city.yml: key `channels.queue.url`", environment)
    return RedisQueue(url, uuid.uuid4().hex) if kind == "redis" else RabbitQueue(url)
