"""The fine-tuned router's encoder at run time: where it lies and how far its confidence can be trusted; no torch.

An exported folder is an encoder folder for `nlp.encoder.Encoder` whose vectors of like service requests lie together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ADAPTER_DIR: Path = Path(__file__).parent / "adapters" / "routing"
ADAPTER, SHAPE, MANIFEST = "adapter.safetensors", "adapter.json", "manifest.json"
FORMAT = 1
_MEND = "make it again with `chengda train routing --fresh`"


class RoutingModelError(Exception):
    """The fine-tuned router cannot be used; the message names the file and the mend."""


class RoutingModelMissing(RoutingModelError):
    """There is no fine-tuned router where one was looked for."""


class RoutingModelDamaged(RoutingModelError):
    """A file of the fine-tuned router is unreadable."""


@dataclass(frozen=True)
class RoutingManifest:
    """Everything about a fine-tuned router except its weights.

    `base` is the fingerprint of the base it belongs to, `categories` what it was tuned to tell apart, `held_out` the
    marks (`mark_of`) of sentences that it did not learn from: by these the router sets its confidence.
    """

    version: str
    base: str
    categories: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    format: int = FORMAT

    def write(self, directory: Path) -> None:
        """Write `manifest.json` below `directory`."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> RoutingManifest:
        """Read it; raises RoutingModelMissing or RoutingModelDamaged."""
        path = directory / MANIFEST
        if not path.is_file():
            raise RoutingModelMissing(f"{path}: no fine-tuned router here; {_MEND}")
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data.get("format") != FORMAT:
                raise ValueError(f"has format {data.get('format')!r}, this version reads {FORMAT}")
            lists = {name: tuple(data.get(name, ())) for name in ("categories", "held_out")}
            return cls(**{**data, **lists})
        except (ValueError, TypeError, AttributeError, UnicodeDecodeError) as error:
            raise RoutingModelDamaged(f"{path}: is no manifest ({error}); {_MEND}") from None


@dataclass(frozen=True)
class TunedRouter:
    """An exported encoder folder with its manifest, ready for `nlp.encoder.Encoder.load`."""

    folder: Path
    manifest: RoutingManifest


def base_mark(base: Path) -> str:
    """Return the fingerprint of a base's weights and tokenizer, 16 hexadecimal digits; "" when a file is missing."""
    digest = hashlib.sha256()
    for name in ("model.safetensors", "tokenizer.json"):
        if not (base / name).is_file():
            return ""
        digest.update((base / name).read_bytes())
    return digest.hexdigest()[:16]


def find_tuned(data_dir: Path, base: Path, categories: Collection[str]) -> TunedRouter | None:
    """Return the fine-tuned router that fits, `None` where the frozen base serves better.

    It fits when it was exported, belongs to this base, and was tuned on half of the categories at least: a city
    that added some keeps it, one with a list of its own goes back to the base until it fine-tunes.

    Raises RoutingModelDamaged when a manifest cannot be read.
    """
    try:
        folder = model_dir(data_dir)
        manifest = RoutingManifest.read(folder)
    except RoutingModelMissing:
        return None
    known = sum(category in manifest.categories for category in categories)
    if 2 * known < len(categories) or manifest.base != base_mark(base):
        return None
    return TunedRouter(folder, manifest)


def mark_of(text: str) -> str:
    """Return a short mark of a sentence."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:10]


def find_adapter(data_dir: Path, shipped: Path = ADAPTER_DIR) -> Path:
    """Return the city's own adapters below the data directory when it trained some, else the shipped ones."""
    own = data_dir / "models" / "routing" / "adapter"
    return own if (own / MANIFEST).is_file() else shipped


def heads_dir(data_dir: Path) -> Path:
    """Return the folder of what routers learned from a city's categories."""
    return data_dir / "models" / "routing" / "heads"


def model_dir(data_dir: Path, shipped: Path = ADAPTER_DIR) -> Path:
    """Return the exported encoder's folder of the adapters in use.

    Raises RoutingModelMissing or RoutingModelDamaged when there are no adapters.
    """
    version = RoutingManifest.read(find_adapter(data_dir, shipped)).version
    return data_dir / "models" / "routing" / version
