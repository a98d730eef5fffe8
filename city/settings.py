"""`city.yml`: its schema, loader, and errors that name the file, the key and the mend."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, Extra, Field, ValidationError, validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

SETTINGS_ENV = "CHENGDA_CITY"
Section = TypeVar("Section", bound=BaseModel)


class SettingsError(Exception):
    """`city.yml` is missing, unreadable or wrong; the message names the file, the key and the mend."""


class _Section(BaseModel):
    class Config:
        extra = Extra.forbid
        allow_mutation = False


class Bilingual(_Section):
    """One text in Chinese and in English."""

    zh: str = ""
    en: str = ""

    def get(self, language: str) -> str:
        """Return the text in `language` ("zh" or "en"), or the other one when it is empty."""
        return (self.en or self.zh) if language == "en" else (self.zh or self.en)


class CitySection(_Section):
    id: str = Field(regex=r"^[a-z][a-z0-9-]*$")
    name: Bilingual
    assistant_name: Bilingual = Bilingual(zh="城答", en="Chengda")
    languages: list[Literal["zh", "en"]] = ["zh", "en"]
    default_language: Literal["zh", "en"] = "zh"
    time_zone: str
    website: str = ""

    @validator("time_zone")
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            near = difflib.get_close_matches(value, available_timezones(), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"is no IANA time zone{hint} Use a name such as Asia/Shanghai")
        return value

    @validator("languages")
    def _some_language(cls, value: list[str]) -> list[str]:
        if not value:
            raise ValueError("needs at least one of zh, en")
        return value


class EmergencyNumber(_Section):
    number: str = Field(regex=r"^\+?[0-9 ]{2,20}$")
    zh: str
    en: str
    kinds: list[Literal["general", "crime", "medical", "fire", "traffic", "sea", "mental"]] = ["general"]


class ContactSection(_Section):
    number: str
    zh: str
    en: str
    hours: Bilingual = Bilingual()


class KnowledgeSection(_Section):
    articles: Path = Path("knowledge/articles")
    article_url: str = ""
    store_url: str = ""
    vector_store: str = "faiss"
    stop_words: list[str] = []
    reranker: str = ""

    @validator("reranker", pre=True)
    def _folder_or_off(cls, value: Any) -> Any:
        return "" if value in (None, False, "off", "no") else value


class TransitSection(_Section):
    feed: Path
    places: Path | None = None


class ModelsSection(_Section):
    base: Path = Path("nlp/base")
    threads: int = Field(default=1, ge=1, le=64)


class RateSection(_Section):
    """Messages per second that are let through for good, and how many may come at once."""

    per_s: float = Field(gt=0)
    burst: int = Field(ge=1)


class LimitsSection(_Section):
    conversation: RateSection = RateSection(per_s=1, burst=40)
    address: RateSection = RateSection(per_s=20, burst=400)
    new_conversations: RateSection = RateSection(per_s=1, burst=120)


class TracesSection(_Section):
    """How long staff may look back: conversations with their traces, and anonymous daily counts, in days."""

    keep_days: int = Field(default=90, ge=1, le=3650)
    totals_days: int = Field(default=730, ge=1, le=7300)
    url: str = ""
    waiting: int = Field(default=5000, ge=10, le=1_000_000)
    abandoned_after_s: float = Field(default=1800, ge=1, le=86400)


class ServerSection(_Section):
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    console_port: int = Field(default=8081, ge=0, le=65535)
    allowed_origins: list[str] = []
    max_text_length: int = Field(default=2000, ge=50, le=20000)
    reply_timeout_s: float = Field(default=20.0, gt=0, le=300)
    limits: LimitsSection = LimitsSection()
    conversation_url: str = ""
    tracker_url: str = ""
    replicas: bool = False
    trusted_proxies: list[str] = []

    @validator("trusted_proxies", each_item=True)
    def _network(cls, value: str) -> str:
        try:
            ip_network(value, strict=False)
        except ValueError:
            raise ValueError(f"{value!r} is no network; write it as 10.0.0.0/8 or 127.0.0.1") from None
        return value

    @validator("allowed_origins", each_item=True)
    def _origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if value != "*" and (
            parts.scheme not in {"http", "https"} or not parts.netloc or parts.path not in {"", "/"}
        ):
            raise ValueError(f"{value!r} is no origin; write it as https://www.example.org, without a path")
        return value.rstrip("/")


class Settings(_Section):
    """The whole of `city.yml`, validated. Relative paths are relative to the file's folder."""

    city: CitySection
    emergency: list[EmergencyNumber] = Field(min_items=1)
    contact: ContactSection
    data_dir: Path = Path("var")
    knowledge: KnowledgeSection = KnowledgeSection()
    transit: TransitSection | None = None
    traffic: dict[str, Any] | None = None
    energy: dict[str, Any] | None = None
    opinion: dict[str, Any] | None = None
    channels: dict[str, Any] | None = None
    requests: dict[str, Any] | None = None
    console: dict[str, Any] | None = None
    handover: dict[str, Any] | None = None
    notices: dict[str, Any] | None = None
    hotline: dict[str, Any] | None = None
    models: ModelsSection = ModelsSection()
    server: ServerSection = ServerSection()
    traces: TracesSection = TracesSection()
    notice: Bilingual = Bilingual()
    suggestions: list[Bilingual] = []
    source: Path = Path("city.yml")

    @property
    def zone(self) -> ZoneInfo:
        """The city's time zone."""
        return ZoneInfo(self.city.time_zone)

    @property
    def root(self) -> Path:
        """The folder that relative paths start from."""
        return self.source.resolve().parent

    def path(self, value: Path | str) -> Path:
        """Return `value` as an absolute path, relative ones taken from the settings file's folder."""
        value = Path(value).expanduser()
        return value if value.is_absolute() else self.root / value

    @property
    def data(self) -> Path:
        """The run-time data directory, made when it is missing."""
        folder = self.path(self.data_dir)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def find_settings_file(start: Path | None = None) -> Path:
    """Return the settings file: `$CHENGDA_CITY`, else `city.yml` here or in a folder above, else the shipped one.

    Raises `SettingsError` when there is none.
    """
    named = os.environ.get(SETTINGS_ENV)
    if named:
        return Path(named)
    here = (start or Path.cwd()).resolve()
    for folder in [here, *here.parents, Path(__file__).resolve().parent.parent]:
        if (folder / "city.yml").is_file():
            return folder / "city.yml"
    raise SettingsError(
        f"city.yml: not found in {here} or above; run inside the project or set {SETTINGS_ENV}"
    )


def load_settings(path: Path | str | None = None) -> Settings:
    """Read and validate a settings file.

    Args:
        path: the file; `None` searches as `find_settings_file` does.

    Raises:
        SettingsError: when the file is missing, is no YAML, or a key is unknown, missing or wrong.
    """
    file = Path(path) if path is not None else find_settings_file()
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(f"{file}: no such file; copy the shipped city.yml there and edit it") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror}); check its permissions") from None
    try:
        data = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise SettingsError(f"{file}{where}: is no valid YAML ({problem}); mend that line") from None
    if not isinstance(data, dict):
        raise SettingsError(
            f"{file}: must hold keys such as `city:` and `emergency:`, but holds {type(data).__name__}"
        )
    try:
        return Settings(**{**data, "source": file})
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(file, item) for item in error.errors())) from None
    except TypeError as error:
        raise SettingsError(f"{file}: keys must be plain words ({error})") from None


def current_settings() -> Settings:
    """Return the settings of this process, read again only when the file changed.

    Raises as `load_settings` does.
    """
    file = find_settings_file()
    try:
        changed = file.stat().st_mtime_ns
    except OSError:
        changed = 0
    return _settings_of(file, changed)


@lru_cache(maxsize=4)
def _settings_of(file: Path, changed: int) -> Settings:
    return load_settings(file)


def module_section(settings: Settings, name: str, model: type[Section]) -> Section | None:
    """Return a city module's own section of the settings, validated by the module's model.

    Args:
        settings: the settings.
        name: the section's key, such as "traffic".
        model: the pydantic model that the module keeps for it.

    Returns:
        The section, or `None` when the settings have none.

    Raises:
        SettingsError: when a key of it is unknown, missing or wrong.
    """
    values = getattr(settings, name)
    if values is None:
        return None
    try:
        return model(**values)
    except ValidationError as error:
        lines = [_explain(settings.source, item, model, f"{name}.") for item in error.errors()]
        raise SettingsError("\n".join(lines)) from None
    except TypeError as error:
        raise SettingsError(f"{settings.source}: keys of `{name}` must be plain words ({error})") from None


def _explain(
    file: Path, item: Mapping[str, Any], root: type[BaseModel] | None = None, prefix: str = ""
) -> str:
    location = tuple(item["loc"])
    key = prefix + ".".join(str(part) for part in location)
    kind = item["type"]
    if kind == "value_error.extra":
        known = _known_keys(location[:-1], root or Settings)
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        mend = f"did you mean `{near[0]}`?" if near else f"known keys here: {', '.join(known)}"
        return f"{file}: unknown key `{key}`; {mend}"
    if kind == "value_error.missing":
        return f"{file}: key `{key}` is missing; add it (the shipped city.yml shows how)"
    return f"{file}: key `{key}` {item['msg']}"


def _known_keys(location: tuple[Any, ...], root: type[BaseModel]) -> list[str]:
    model: Any = root
    for part in location:
        if isinstance(part, int):
            continue
        field = model.__fields__.get(part)
        if field is None or not hasattr(field.type_, "__fields__"):
            return []
        model = field.type_
    return sorted(name for name in model.__fields__ if name != "source")
