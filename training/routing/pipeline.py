"""From labelled sentences to an adapter folder, and from that to an encoder folder for the router."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from tokenizers import Tokenizer

from nlp.routing import ADAPTER, ADAPTER_DIR, MANIFEST, RoutingManifest, find_adapter, mark_of, model_dir
from training.base.export import COPIED, INT8_NAME, export_onnx
from training.routing.data import Sentence, checked, split
from training.routing.fitting import FitSettings, Progress, fit
from training.routing.network import merged_body, new_network, save_adapter, shape_of

log = logging.getLogger(__name__)
_HELD_OUT = 0.12  # share of every category and language that calibrates the router's confidence


def train_adapter(
    sentences: Sequence[Sentence],
    base: Path,
    out: Path,
    settings: FitSettings,
    progress: Progress | None = None,
) -> RoutingManifest:
    """Fine-tune adapters so that sentences of one category lie together, and write `out`, replaced as a whole.

    A share of the sentences is not learned from; the manifest names them, and the router sets its confidence by them.

    Raises:
        RoutingTrainingError: there is nothing to tell apart.
        BaseModelError: the base cannot be loaded.
    """
    used = checked(sentences)
    learn, held = split(used, _HELD_OUT, settings.seed)
    categories = sorted({s.category for s in used})
    shape = shape_of(base, settings.rank)
    network = new_network(base, shape, len(categories))
    fit(network, learn, categories, Tokenizer.from_file(str(base / "tokenizer.json")), settings, progress)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".adapter-") as name:
        folder = Path(name) / out.name
        folder.mkdir()
        save_adapter(network, shape, folder)
        created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        digest = hashlib.sha256((folder / ADAPTER).read_bytes()).hexdigest()[:8]
        manifest = RoutingManifest(
            version=f"{created[:10]}-{digest}",
            base=shape.base,
            categories=tuple(categories),
            held_out=tuple(sorted(mark_of(s.text) for s in held)),
            training={
                **asdict(settings),
                "sentences": dict(Counter(s.language for s in learn)),
                "held_out": dict(Counter(s.language for s in held)),
            },
            created=created,
        )
        manifest.write(folder)
        if (out / "README.md").is_file():
            shutil.copyfile(out / "README.md", folder / "README.md")
        old = out.with_name(f".{out.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if out.exists():
            out.rename(old)
        folder.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    return manifest


def export_model(adapter: Path, base: Path, out: Path) -> Path:
    """Fold the adapters into the base and write an encoder folder; written aside and renamed.

    Raises:
        RoutingTrainingError: the adapters are missing, damaged or belong to another base.
        RoutingModelError: their manifest is.
    """
    manifest = RoutingManifest.read(adapter)
    body = merged_body(base, adapter)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".part-") as name:
        whole, folder = Path(name) / "whole", Path(name) / "model"
        folder.mkdir()
        body.save_pretrained(whole)
        if (base / "1_Pooling").is_dir():
            shutil.copytree(base / "1_Pooling", whole / "1_Pooling")
        # onnxruntime warns through the root logger of a step that a dynamic int8 graph does not need.
        logging.disable(logging.WARNING)
        try:
            export_onnx(whole, folder / INT8_NAME)
        finally:
            logging.disable(logging.NOTSET)
        for copied in COPIED:
            if (base / copied).is_file():
                shutil.copyfile(base / copied, folder / copied)
        manifest.write(folder)
        shutil.rmtree(out, ignore_errors=True)
        folder.rename(out)
    return out


def ensure_model(data_dir: Path, base: Path, shipped: Path = ADAPTER_DIR) -> tuple[Path, bool]:
    """Return the encoder folder of the adapters in use, exported on first use, and whether that was now."""
    out = model_dir(data_dir, shipped)
    if (out / MANIFEST).is_file():
        return out, False
    return export_model(find_adapter(data_dir, shipped), base, out), True
