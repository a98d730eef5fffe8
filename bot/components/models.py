"""Where the graph components find the finished NLU model, and when they take up a newer one."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path

from city.settings import load_settings
from nlp.joint import JointModel
from nlp.registry import ModelRegistry

# Where the parse of a message names the version of the language model that made it.
MODEL = "nlu_model"


class ModelSource:
    """A model directory, fixed or the registry's current one; loads it once and again when it changes."""

    def __init__(self, fixed: Path | None, registry: ModelRegistry | None, threads: int) -> None:
        self._fixed = fixed
        self._registry = registry
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: tuple[Path, JointModel] | None = None

    def directory(self) -> Path:
        """Return the model directory to use now.

        Raises:
            ModelNotFoundError: when no model was trained yet.
        """
        if self._fixed is not None:
            return self._fixed
        assert self._registry is not None
        return self._registry.current()

    def fingerprint(self) -> str:
        """Return the content hash of the model directory."""
        return self.model().fingerprint

    def model(self) -> JointModel:
        """Return the loaded model; a newly promoted one is taken up without a restart."""
        return self.loaded()[1]

    def loaded(self) -> tuple[Path, JointModel]:
        """Return the loaded model with the directory that it came from."""
        directory = self.directory()
        loaded = self._loaded
        if loaded is not None and loaded[0] == directory:
            return loaded
        with self._lock:
            if self._loaded is None or self._loaded[0] != directory:
                self._loaded = (directory, JointModel.load(directory, threads=self._threads))
            return self._loaded


@lru_cache(maxsize=8)
def source(fixed: Path | None = None) -> ModelSource:
    """Return the shared model source; `None` means the current model below the data directory."""
    settings = load_settings()
    registry = None if fixed is not None else ModelRegistry(settings.data / "models" / "nlu")
    return ModelSource(fixed, registry, settings.models.threads)
