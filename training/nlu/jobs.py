"""What the command line and the console start: training into a folder or the registry, and continuing."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nlp.joint import JointModel
from nlp.joint_manifest import MANIFEST
from nlp.registry import ModelRegistry, alive
from training.nlu.data import DataSet, Example, load_data
from training.nlu.errors import GateRefusedError, NluTrainingError
from training.nlu.fitting import Progress
from training.nlu.gate import GateResult, compare
from training.nlu.pipeline import Trained, train
from training.nlu.rehearsal import load_examples
from training.nlu.settings import TrainSettings
from training.nlu.split import split


class DiskFullError(NluTrainingError):
    """There is no room for the model."""


@dataclass(frozen=True)
class Registered:
    """A version in the registry: its name, how it was trained, and the gate's verdict where there was one."""

    version: str
    trained: Trained
    gate: GateResult | None
    promoted: bool


def train_to_directory(
    data: Sequence[Path] | Path,
    out: Path,
    settings: TrainSettings,
    *,
    dev: Path | None = None,
    gazetteer: Path | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train a model into `out`; what stood there before stays until the new one is complete.

    Args:
        data: files or folders, TSV or Rasa NLU YAML.
        out: the model directory to write; an existing one is replaced, any other non-empty folder refused.
        settings, dev, gazetteer, progress: see `training.nlu.pipeline.train`.

    Raises:
        NluTrainingError: with the file and the mend.
    """
    out = out.resolve()
    _sweep(out)
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MANIFEST).is_file())):
        raise NluTrainingError(f"{out}: exists and is no model directory; name another folder with --out")
    examples = load_data(data)
    held = load_data(dev) if dev is not None else None
    with disk_errors(out), _beside(out) as part:
        trained = train(examples, part, settings, dev=held, gazetteer=gazetteer, progress=progress)
        old = out.with_name(f".{out.name}.old-{os.getpid()}-")
        if out.exists():
            out.rename(old)
        part.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    return replace(trained, directory=out)


def train_into_registry(
    data: Sequence[Path] | Path,
    registry: ModelRegistry,
    settings: TrainSettings,
    *,
    gazetteer: Path | None = None,
    metadata: Mapping[str, Any] | None = None,
    promote: bool = True,
    progress: Progress | None = None,
) -> Registered:
    """Train afresh, add the model as a new version and promote it unless told not to.

    Raises:
        NluTrainingError: with the file and the mend; the previous model stays current.
    """
    examples = load_data(data)
    with disk_errors(registry.root), registry.staging() as part:
        trained = train(examples, part, settings, gazetteer=gazetteer, progress=progress)
        version = registry.add(part, _record(trained, metadata))
    if promote:
        registry.promote(version)
    return Registered(version, replace(trained, directory=registry.root / version), None, promote)


def continue_in_registry(
    data: Sequence[Path] | Path,
    registry: ModelRegistry,
    settings: TrainSettings,
    *,
    regression: Path | None = None,
    margin: float = 0.005,
    intent_margin: float = 0.05,
    force: bool = False,
    metadata: Mapping[str, Any] | None = None,
    promote: bool = True,
    progress: Progress | None = None,
) -> Registered:
    """Go on from the current model with new examples, rehearsing its old ones, and promote behind the gate.

    The old model's own held-out examples are never trained with: they are the regression set when no other is
    given. A refused model stays in the registry, not current, so that it can be looked at.

    Args:
        data: new labelled examples; new intents are allowed.
        registry: its current model is the one to go on from.
        settings: epochs and rate default to gentler ones than for a fresh start.
        regression: labelled file that decides the promotion.
        margin, intent_margin: see `training.nlu.gate.compare`.
        force: promote in spite of the gate.
        promote: `False` leaves the current model in place whatever the gate says, which then raises nothing.
        metadata, progress: as in `train_into_registry`.

    Raises:
        GateRefusedError: when the new model is worse; the previous one stays current.
        ModelNotFoundError: when there is no current model.
    """
    current = registry.current()
    new = load_data(data)
    merged, held = rehearsed(new, current, settings.seed)
    fixed = load_data(regression).examples if regression is not None else load_examples(current)[1]
    gentle = replace(settings, epochs=settings.epochs or 4, lr=settings.lr or 5e-5)
    gazetteer = current / "gazetteer.csv"
    with disk_errors(registry.root), registry.staging() as part:
        trained = train(
            merged,
            part,
            gentle,
            dev=DataSet(held),
            gazetteer=gazetteer if gazetteer.is_file() else None,
            start=current,
            parent=current.name,
            progress=progress,
        )
        version = registry.add(part, _record(trained, metadata))
    trained = replace(trained, directory=registry.root / version)
    result = compare(
        JointModel.load(current),
        JointModel.load(trained.directory),
        fixed,
        margin=margin,
        intent_margin=intent_margin,
    )
    if not promote:
        return Registered(version, trained, result, False)
    if not result.passed and not force:
        raise GateRefusedError(
            f"{version}: not promoted: {'; '.join(result.reasons)}. {current.name} stays current; mend the new "
            f"examples, or run `chengda model promote {version}` if this is wanted"
        )
    registry.promote(version)
    return Registered(version, trained, result, True)


def rehearsed(new: DataSet, current: Path, seed: int) -> tuple[DataSet, list[Example]]:
    """Join new examples with a model's old ones; return those to train on and those held out.

    A text with another label in the new data takes the new one.
    """
    old_train, old_held = load_examples(current)
    new_train, new_held = split(new.examples, 0.1, seed)
    if new_held == new.examples:
        new_held = []
    relabelled = {e.text.strip().lower() for e in new.examples}
    kept = [e for e in old_train if e.text.strip().lower() not in relabelled]
    held = [e for e in old_held if e.text.strip().lower() not in relabelled]
    # A set too small to hold anything out was trained and measured with the same texts.
    held_texts = {e.text.strip().lower() for e in old_held} - {e.text.strip().lower() for e in old_train}
    # What the old model was measured with stays unseen, or the gate would measure memory.
    fresh = [e for e in new_train if e.text.strip().lower() not in held_texts]
    data = DataSet([*kept, *fresh], dict(new.synonyms), dict(new.lookups), list(new.notes))
    return data, [*held, *new_held]


def _record(trained: Trained, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "data_hash": trained.manifest.data_hash,
        "metrics": trained.manifest.metrics,
        "parent": trained.manifest.parent,
        **(metadata or {}),
    }


def _sweep(out: Path) -> None:
    """Undo what killed trainings left beside `out`; a model that was just moved away comes back."""
    for kind in ("old", "part"):
        for left in sorted(out.parent.glob(f".{glob.escape(out.name)}.{kind}-*")):
            owner = left.name.rsplit(f".{kind}-", 1)[1].split("-")[0]
            if not owner.isdigit() or alive(int(owner)):
                continue
            if kind == "old" and not out.exists():
                left.rename(out)
            else:
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Give an empty folder on the same disk as `out`, removed afterwards unless it was renamed away."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.part-{os.getpid()}-", dir=out.parent))
    part.chmod(0o755)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn "no space left" and "read-only" into a named error; nothing half-written is left."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        if full:
            raise DiskFullError(
                f"{place}: the disk is full; free about 300 MB (`chengda model list` shows old versions) and "
                "train again; the previous model is untouched"
            ) from None
        if getattr(error, "errno", None) in (errno.EACCES, errno.EROFS):
            raise NluTrainingError(f"{place}: cannot be written ({error}); check its permissions") from None
        raise
