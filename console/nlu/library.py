"""What the section's pages stand on: the utterances, the suggestions, the models and the jobs of this console."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from aiohttp import web

from bot.training import BOT_DIR
from channels.traces.reading import TraceReader
from city.jobs import Jobs
from city.settings import Settings
from console.nlu.examples import Examples
from console.nlu.suggestions import Suggestion, suggest
from console.prepared import Prepared
from console.state import per_app
from console.web import need, services
from knowledge.text import fold
from nlp.registry import ModelRegistry

RECENT_TURNS = 5_000
# Suggestions are made anew after so many further turns, not after each.
EVERY_TURNS = 25


class Aside:
    """Sentences that staff do not want suggested again, in their folded form.

    Args:
        file: a text file, one sentence a line.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = Lock()

    def texts(self) -> set[str]:
        """Return the sentences put aside."""
        return set(self.file.read_text("utf-8").split("\n")) if self.file.is_file() else set()

    def add(self, text: str) -> None:
        """Put a sentence aside."""
        with self._lock:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(" ".join(fold(text).split()) + "\n")


@dataclass(frozen=True)
class Library:
    """Everything about the language model that staff work on."""

    settings: Settings
    examples: Examples
    aside: Aside
    registry: ModelRegistry
    jobs: Jobs

    @property
    def city(self) -> str:
        """The settings file, for jobs."""
        return str(self.settings.source.resolve())


def library_of(request: web.Request) -> Library:
    """Return this console's library; the page 503 when it runs without settings."""
    settings = need(services(request).settings, "settings")
    return per_app(request, Library, lambda: make_library(settings))


def make_library(settings: Settings, shipped: Path = BOT_DIR / "data" / "nlu") -> Library:
    """Return the library of a city."""
    folder = settings.data / "nlu"
    return Library(
        settings,
        Examples(shipped, folder / "examples"),
        Aside(folder / "aside.txt"),
        ModelRegistry(settings.data / "models" / "nlu"),
        Jobs(settings.data / "jobs"),
    )


def examples_of(request: web.Request) -> Examples:
    """Return the utterances."""
    return library_of(request).examples


class Suggestions:
    """The suggestions, prepared in the background."""

    def __init__(self, prepared: Prepared[list[Suggestion]]) -> None:
        self.prepared = prepared


def suggestions_of(request: web.Request) -> Suggestions:
    """Return this console's suggestions; the page 503 when it runs without traces or knowledge."""
    library = library_of(request)
    store = need(services(request).traces, "traces")
    knowledge = need(services(request).knowledge, "the knowledge base")
    reader = TraceReader(store.engine)

    def compute() -> list[Suggestion]:
        known = {fold(text) for text in library.examples.known()} | library.aside.texts()
        return suggest(reader.recent(RECENT_TURNS), known, knowledge.index.encoder.encode)

    def state() -> int:
        return reader.newest() // EVERY_TURNS

    return per_app(request, Suggestions, lambda: Suggestions(Prepared(compute, state)))
