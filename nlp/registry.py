"""Trained models on disk: versioned directories, one of them current, switched atomically."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nlp.joint_manifest import MANIFEST, ModelError, ModelNotFoundError, fingerprint, read_manifest

_POINTER = "current.json"
_RECORD = "version.json"
_GATE = "gate.json"
_PART = ".part-"
_HISTORY = 50


class RegistryError(ModelError):
    """A version cannot be added, promoted or rolled back; the message names it and the mend."""


@dataclass(frozen=True)
class ModelVersion:
    """One trained model of the registry; `created` is ISO 8601 in UTC, `parent` the version it continued from,
    `sources` the fingerprint of the shipped data when it was trained from them."""

    version: str
    path: Path
    created: str
    data_hash: str
    metrics: Mapping[str, Any]
    parent: str | None
    current: bool
    sources: str | None = None


class ModelRegistry:
    """Versioned model directories below `root`, with a small pointer file that names the current one."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._seen: tuple[tuple[int, int, int], Path] | None = None

    def current(self) -> Path:
        """Return the directory of the current model; costs one `stat` while nothing changes.

        Raises:
            ModelNotFoundError: when no model was promoted yet, or its directory is gone.
        """
        pointer = self.root / _POINTER
        try:
            status = os.stat(pointer)
        except OSError:
            raise ModelNotFoundError(
                f"{self.root}: no trained language model; train one with `chengda train nlu`"
            ) from None
        key = (status.st_mtime_ns, status.st_ino, status.st_size)
        seen = self._seen
        if seen is not None and seen[0] == key:
            return seen[1]
        version = self._pointer()["current"]
        path = self.root / str(version)
        if not (path / MANIFEST).is_file():
            raise ModelNotFoundError(
                f"{path}: the current model is gone; run `chengda model rollback` or `chengda train nlu`"
            )
        self._seen = (key, path)
        return path

    def versions(self) -> list[ModelVersion]:
        """Return all versions, newest first."""
        current = self._pointer().get("current")
        found = []
        for path in sorted(self.root.glob("*/" + _RECORD), reverse=True):
            if path.parent.name.startswith("."):
                continue
            record = _read_json(path)
            found.append(
                ModelVersion(
                    version=path.parent.name,
                    path=path.parent,
                    created=str(record.get("created", "")),
                    data_hash=str(record.get("data_hash", "")),
                    metrics=dict(record.get("metrics") or {}),
                    parent=record.get("parent"),
                    current=path.parent.name == current,
                    sources=record.get("sources"),
                )
            )
        return sorted(found, key=lambda item: (item.created, item.version), reverse=True)

    def add(self, directory: Path, metadata: Mapping[str, Any]) -> str:
        """Take a finished model directory in as a new version, and return the version's name.

        A directory from `staging()` is renamed, any other copied. The new version is not current until it is
        promoted.

        Args:
            directory: a complete model directory.
            metadata: kept in the version's record: `data_hash`, `metrics`, `parent` and what else is wanted.

        Raises:
            ModelNotFoundError, ModelDamagedError: when the directory is no model.
        """
        manifest = read_manifest(directory)
        now = datetime.now(timezone.utc)
        name = f"{now:%Y%m%d-%H%M%S}-{fingerprint(manifest)[:8]}"
        while (self.root / name).exists():
            name += "x"
        record = {
            "created": now.isoformat(timespec="milliseconds"),
            "data_hash": manifest.data_hash,
            "parent": manifest.parent,
            "metrics": manifest.metrics,
            **metadata,
        }
        self.root.mkdir(parents=True, exist_ok=True)
        staged = directory.resolve().parent == self.root.resolve() and directory.name.startswith(_PART)
        if staged:
            _write_json(directory / _RECORD, record)
            directory.rename(self.root / name)
            return name
        with self.staging() as part:
            shutil.copytree(directory, part, dirs_exist_ok=True)
            _write_json(part / _RECORD, record)
            part.rename(self.root / name)
        return name

    def promote(self, version: str) -> Path:
        """Make a version the current one, for running servers too, and return its directory.

        Raises:
            RegistryError: when there is no such version.
        """
        path = self._version(version)
        pointer = self._pointer()
        history = [str(item) for item in pointer.get("history", [])]
        if pointer.get("current") and pointer["current"] != version:
            history.append(str(pointer["current"]))
        self._point(version, history)
        return path

    def rollback(self) -> str:
        """Make the version before the current one current again, and return its name.

        Raises:
            RegistryError: when there is none.
        """
        history = [str(item) for item in self._pointer().get("history", [])]
        while history:
            version = history.pop()
            if (self.root / version / MANIFEST).is_file():
                self._point(version, history)
                return version
        raise RegistryError(f"{self.root}: no earlier model to go back to; see `chengda model list`")

    def write_gate(self, version: str, report: Mapping[str, Any]) -> None:
        """Keep the report of a version's comparison with another beside it; the newest one only.

        Raises:
            RegistryError: when there is no such version.
        """
        folder = self._version(version)
        part = folder / f".{_GATE}.{os.getpid()}"
        _write_json(part, report)
        os.replace(part, folder / _GATE)

    def gate(self, version: str) -> dict[str, Any] | None:
        """Return the report of a version's last comparison, `None` when it was never compared.

        Raises:
            RegistryError: when there is no such version.
        """
        path = self._version(version) / _GATE
        return _read_json(path) if path.is_file() else None

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Give an empty directory on the registry's own disk; what is left in it afterwards is removed."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._sweep()
        part = Path(tempfile.mkdtemp(prefix=f"{_PART}{os.getpid()}-", dir=self.root))
        part.chmod(0o755)
        try:
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def remove(self, version: str) -> None:
        """Delete a version that is not current.

        Raises:
            RegistryError: when it is current or unknown.
        """
        if self._pointer().get("current") == version:
            raise RegistryError(f"{version}: is the current model; promote another one first")
        path = self.root / version
        if Path(version).name != version or not (path / _RECORD).is_file():
            raise RegistryError(f"{version}: no such model version; see `chengda model list`")
        shutil.rmtree(path)

    def _version(self, version: str) -> Path:
        path = self.root / version
        if not version or Path(version).name != version or not (path / MANIFEST).is_file():
            known = ", ".join(item.version for item in self.versions()[:5]) or "none yet"
            raise RegistryError(f"{version}: no such model version; known: {known} (`chengda model list`)")
        return path

    def _sweep(self) -> None:
        """Remove what a killed training left behind."""
        for part in self.root.glob(_PART + "*"):
            owner = part.name[len(_PART) :].split("-")[0]
            if owner.isdigit() and not alive(int(owner)):
                shutil.rmtree(part, ignore_errors=True)

    def _pointer(self) -> dict[str, Any]:
        path = self.root / _POINTER
        return _read_json(path) if path.is_file() else {}

    def _point(self, version: str, history: list[str]) -> None:
        part = self.root / f".{_POINTER}.{os.getpid()}"
        _write_json(part, {"current": version, "history": history[-_HISTORY:]})
        os.replace(part, self.root / _POINTER)


def alive(pid: int) -> bool:
    """Return whether a process with this number runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        json.dump(data, stream, ensure_ascii=False, indent=1)
        stream.flush()
        os.fsync(stream.fileno())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise RegistryError(
            f"{path}: cannot be read ({error}); delete it and run `chengda model promote VERSION`"
        ) from None
    return data if isinstance(data, dict) else {}
