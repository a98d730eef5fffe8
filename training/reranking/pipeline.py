"""From questions and passages to a folder for `nlp.cross_encoder.CrossEncoder`."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType
from tokenizers import Tokenizer

from nlp.cross_encoder import CONFIG, TOKENIZER, CrossEncoder, CrossEncoderManifest, mark_of
from nlp.encoder import ONNX_NAMES
from nlp.routing import base_mark
from training.base.export import RowQuantised
from training.nlu.export import quantise_quietly
from training.reranking.data import Asked, data_hash, divided
from training.reranking.fitting import FitSettings, Progress, fit
from training.reranking.network import RerankingNetwork, new_network

_GRAPH = ONNX_NAMES[0]


def train_reranker(
    asked: Sequence[Asked],
    base: Path,
    settings: FitSettings,
    *,
    out: Path | None = None,
    versions: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Path, CrossEncoderManifest]:
    """Fine-tune the base as a cross-encoder, export it, and return its folder and manifest.

    The folder is written aside and renamed, so a run that is stopped leaves nothing.

    Args:
        asked: questions with their passages.
        base: folder of the pretrained encoder.
        settings: of the run.
        out: the folder to write, replaced as a whole; else a new one below `versions`.
        versions: see `out`.
        progress: called with the share done and what is going on.

    Raises:
        RerankingTrainingError: there is too little to learn from.
        BaseModelError: the base cannot be loaded.
    """
    learn, held = divided(asked)
    torch.manual_seed(settings.seed)
    network = new_network(base, settings.frozen)
    fit(network, learn, Tokenizer.from_file(str(base / TOKENIZER)), settings, progress)
    place = out.parent if out is not None else versions
    assert place is not None, "either `out` or `versions` is given"
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix=".reranker-") as name:
        folder = Path(name) / "model"
        folder.mkdir()
        _export(network, folder / _GRAPH)
        for copied in (TOKENIZER, CONFIG):
            shutil.copyfile(base / copied, folder / copied)
        created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        digest = hashlib.sha256((folder / _GRAPH).read_bytes()).hexdigest()
        manifest = CrossEncoderManifest(
            version=f"{created[:10]}-{digest[:8]}",
            base=base_mark(base),
            data=data_hash(asked),
            max_tokens=settings.tokens,
            learnt=tuple(sorted({mark_of(item.question) for item in learn if item.labelled})),
            files={item: _sum(folder / item) for item in (_GRAPH, TOKENIZER, CONFIG)},
            training={**asdict(settings), "questions": len(learn), "held_out": len(held)},
            created=created,
        )
        manifest.write(folder)
        manifest = replace(manifest, metrics=_measured(CrossEncoder.load(folder), held))
        manifest.write(folder)
        target = out or place / manifest.version
        old = Path(name) / "old"
        if target.exists():
            target.rename(old)
        folder.rename(target)
    return target, manifest


def _measured(encoder: CrossEncoder, held: Sequence[Asked]) -> dict[str, float]:
    """Return how often the score alone, and the list as it was, put the right passage of held-out questions first."""
    answered = [item for item in held if item.right >= 0]
    if not answered:
        return {}
    first = [int(encoder.score(item.question, item.passages).argmax()) == item.right for item in answered]
    before = [item.right == 0 for item in answered]
    return {"held_out_first": float(np.mean(first)), "held_out_first_before": float(np.mean(before))}


def _export(network: RerankingNetwork, target: Path) -> None:
    """Write the network as ONNX with 8-bit weights; the head stays in float32.

    Weights use seven of eight bits (`reduce_range`): full range overflows the 16-bit sums of AVX2 processors
    without VNNI.
    """
    table = network.body.get_input_embeddings()
    network.body.set_input_embeddings(RowQuantised(table.weight.data))
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        plain = Path(name) / "plain.onnx"
        _trace(network, plain)
        heads = [
            node.name
            for node in onnx.load(str(plain)).graph.node
            if node.op_type in ("MatMul", "Gemm") and "body" not in node.name + " ".join(node.input)
        ]
        quantise_quietly(
            plain,
            target,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=heads,
        )


def _trace(network: RerankingNetwork, path: Path) -> None:
    ids = torch.tensor([[2, 5, 3, 6, 3], [2, 7, 3, 3, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
    types = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 1, 0]])
    names = ["input_ids", "attention_mask", "token_type_ids"]
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (ids, mask, types),
            str(path),
            input_names=names,
            output_names=["logits"],
            dynamic_axes={**{name: {0: "batch", 1: "tokens"} for name in names}, "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
