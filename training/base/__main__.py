"""Command line of the base pipeline: `python -m training.base all --source … --work …`."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import fields
from pathlib import Path

import torch

from training.base import pipeline
from training.base.corpus import CorpusError
from training.base.export import ExportError
from training.base.parents import ParentMissing
from training.base.settings import BaseSettings

STAGES = ("corpus", "vocabulary", "teacher", "distil", "evaluate", "export", "all")


def parser() -> argparse.ArgumentParser:
    """Build the argument parser; every number of BaseSettings is an option."""
    result = argparse.ArgumentParser(prog="python -m training.base", description=__doc__)
    result.add_argument("stage", choices=STAGES, help="`all` runs every stage but `teacher`, each resumable")
    result.add_argument(
        "--source", type=Path, required=True, help="folder with zh.txt.gz, en.txt.gz, parallel.en-zh.txt.gz"
    )
    result.add_argument(
        "--work", type=Path, required=True, help="folder for corpus, caches, checkpoints, TensorBoard logs"
    )
    result.add_argument(
        "--evaluation", type=Path, nargs="*", default=[], help="files whose sentences must not be trained on"
    )
    result.add_argument("--nlu", type=Path, help="folder with cic_zh, clinc150 and xsid files for the probes")
    result.add_argument(
        "--model", type=Path, help="model folder to measure or export (default: work/run/model)"
    )
    result.add_argument("--out", type=Path, default=Path("nlp/base"), help="where `export` writes")
    for field in fields(BaseSettings):
        if field.name in ("source", "work", "evaluation"):
            continue
        kind = type(field.default)
        result.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen stage; return the exit status (1 with a clear message for a known mistake)."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    values = {field.name: getattr(options, field.name) for field in fields(BaseSettings)}
    settings = BaseSettings(**{**values, "evaluation": tuple(options.evaluation)})
    if settings.threads:
        # On a shared machine one thread wastes less than two that wait for each other.
        torch.set_num_threads(settings.threads)
    model = options.model or settings.work / "run" / "model"
    try:
        _run(options.stage, settings, options.nlu, model, options.out)
    except (CorpusError, ExportError, ParentMissing) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _run(stage: str, settings: BaseSettings, nlu: Path | None, model: Path, out: Path) -> None:
    everything = stage == "all"
    if everything or stage == "corpus":
        pipeline.corpus(settings)
    if everything or stage == "vocabulary":
        pipeline.vocabulary(settings)
    if stage == "teacher":
        pipeline.teacher(settings)
    if everything or stage == "distil":
        pipeline.distil(settings)
    if everything or stage == "evaluate":
        pipeline.evaluate(settings, nlu, model)
    if everything or stage == "export":
        pipeline.export(settings, model, out)


if __name__ == "__main__":
    sys.exit(main())
