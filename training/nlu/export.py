"""Writes the trained network as one ONNX graph, int8 where that costs no accuracy."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn
from torch.nn import functional

from training.nlu.batches import Encoded, collate
from training.nlu.calibration import FloatArray, Novelty
from training.nlu.fused_attention import DOMAIN, OPERATOR, FusedAttention, fused_attention
from training.nlu.network import JointNetwork

log = logging.getLogger(__name__)
BoolArray = npt.NDArray[np.bool_]
OUTPUTS = ("intent_logits", "tag_logits", "distance", "embedding")
# An int8 graph goes back to float32 when it loses more dev accuracy than the first number and the loss is no
# chance (one-sided sign test at 5 % on the texts decided otherwise, McNemar 1947), or more than the second.
_LOST, _MUCH_LOST, _CHANCE = 0.002, 0.015, 1.64
_TIMED = 60


class _TableInt8(nn.Module):
    """A word table in int8 with one scale a row: a quarter of the size."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        scale = weight.abs().amax(1, keepdim=True).clamp_min(1e-8) / 127
        self.register_buffer("codes", torch.round(weight / scale).to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, ids: Tensor) -> Tensor:
        return functional.embedding(ids, self.codes).float() * functional.embedding(ids, self.scale)


class _Graph(nn.Module):
    """Network plus Mahalanobis distance, with the shapes ONNX wants."""

    def __init__(self, network: JointNetwork, novelty: Novelty, attention: FusedAttention) -> None:
        super().__init__()
        self.network, self.attention = network, attention
        self.token_types = int(getattr(network.body.config, "type_vocab_size", 0) or 0) > 1
        self.register_buffer("mean", torch.from_numpy(novelty.mean))
        self.register_buffer("whiten", torch.from_numpy(novelty.whiten))
        self.register_buffer("centres", torch.from_numpy(novelty.centres))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        extra = {"token_type_ids": torch.zeros_like(input_ids)} if self.token_types else {}
        # A ready 4-D mask skips the library's own mask code, which the tracer would freeze to one length.
        self.attention.see(attention_mask)
        bias = (1.0 - attention_mask[:, None, None, :].float()) * -1e4
        hidden = self.network.body(input_ids=input_ids, attention_mask=bias, **extra).last_hidden_state
        pooled = self.network.pool(hidden, attention_mask)
        projected = (pooled - self.mean) @ self.whiten
        squares = (
            (projected * projected).sum(1, keepdim=True)
            - 2 * projected @ self.centres.T
            + (self.centres * self.centres).sum(1)
        )
        distance = squares.amin(1) / self.whiten.shape[1]
        return self.network.intent_head(pooled), self.network.tag_head(hidden), distance, pooled


@dataclass(frozen=True)
class Exported:
    """What became of the graph.

    `precision` is "int8", "mixed" or "fp32"; sizes are in MB; `accuracy` and `full_accuracy` are on the check
    examples, with and without int8; `ms` and `full_ms` are medians of one text alone on one thread.
    """

    precision: str
    megabytes: float
    full_megabytes: float
    accuracy: float
    full_accuracy: float
    ms: float
    full_ms: float


def export(
    network: JointNetwork, novelty: Novelty, target: Path, check: Sequence[Encoded], quantise: bool = True
) -> Exported:
    """Write `target` and verify it on encoded dev examples.

    Weights are signed with seven of eight bits (reduce_range): full range overflows the 16-bit sums of AVX2
    processors without VNNI. When int8 loses accuracy beyond chance, the feed-forward outputs, which have the
    largest outliers (Bondarenko et al. 2021), go back to float32; when that is not enough, all does.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".onnx-") as name:
        folder = Path(name)
        full = folder / "full.onnx"
        _trace(network, novelty, full)
        before = right(full, check)
        reference = reached = _share(before)
        chosen, precision = full, "fp32"
        if quantise:
            compact = folder / "compact.onnx"
            table = network.body.get_input_embeddings()
            try:
                network.body.set_input_embeddings(_TableInt8(table.weight.data))
                _trace(network, novelty, compact)
            finally:
                network.body.set_input_embeddings(table)
            for precision, excluded in (("int8", _sensitive(compact)), ("mixed", _outputs(compact))):
                candidate = folder / f"{precision}.onnx"
                quantise_quietly(
                    compact,
                    candidate,
                    op_types_to_quantize=["MatMul", "Gemm", OPERATOR],
                    per_channel=True,
                    reduce_range=True,
                    weight_type=QuantType.QInt8,
                    nodes_to_exclude=excluded,
                )
                after = right(candidate, check)
                chosen, reached = candidate, _share(after)
                if not loses(before, after):
                    break
                log.warning("%s loses %.2f points of dev accuracy", precision, 100 * (reference - reached))
            else:
                chosen, precision, reached = full, "fp32", reference
        times = milliseconds(chosen, check), milliseconds(full, check)
        sizes = chosen.stat().st_size / 1e6, full.stat().st_size / 1e6
        shutil.move(str(chosen), target)
    return Exported(precision, *sizes, reached, reference, *times)


def quantise_quietly(*arguments: object, **options: object) -> None:
    """Run ONNX Runtime's dynamic quantisation without its advice on pre-processing."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        quantize_dynamic(*arguments, **options)
    finally:
        root.setLevel(level)


def _nodes(path: Path) -> list[tuple[str, list[str]]]:
    graph = onnx.load(str(path)).graph
    return [(node.name, list(node.input)) for node in graph.node if node.op_type in ("MatMul", "Gemm")]


def _sensitive(path: Path) -> list[str]:
    """Heads and the distance stay in float32: they are small, and decide."""
    return [n for n, inputs in _nodes(path) if not ("/body/" in n or "body" in " ".join(inputs))]


def _outputs(path: Path) -> list[str]:
    return _sensitive(path) + [n for n, _ in _nodes(path) if "/output/dense/" in n and "/attention/" not in n]


def right(path: Path, rows: Sequence[Encoded]) -> BoolArray:
    """Return which encoded examples a graph gives the right intent, (n,)."""
    if not rows:
        return np.zeros(0, bool)
    guesses = outputs(path, rows, ["intent_logits"])[0].argmax(1)
    return np.asarray(guesses == np.array([row.intent for row in rows]))


def loses(before: BoolArray, after: BoolArray) -> bool:
    """Return whether the second graph is worse than the first beyond chance, or by much."""
    if not len(before):
        return False
    worse, better = int((before & ~after).sum()), int((after & ~before).sum())
    lost = (worse - better) / len(before)
    by_chance = worse - better <= max(1.0, _CHANCE * (worse + better) ** 0.5)
    return lost > _MUCH_LOST if by_chance else lost > _LOST


def _share(hits: BoolArray) -> float:
    return float(hits.mean()) if len(hits) else 1.0


def outputs(path: Path, rows: Sequence[Encoded], names: Sequence[str]) -> list[FloatArray]:
    """Run a graph over encoded examples and return some of its outputs, one row an example."""
    session = _session(path, 0)
    found: list[list[FloatArray]] = [[] for _ in names]
    order = sorted(range(len(rows)), key=lambda at: len(rows[at].ids))
    for start in range(0, len(order), 32):
        inputs = collate([rows[at] for at in order[start : start + 32]])
        feed = {key: inputs[key].numpy() for key in ("input_ids", "attention_mask")}
        for column, value in zip(found, session.run(list(names), feed), strict=True):
            column.append(value)
    back = np.argsort(np.array(order, np.int64))
    return [np.concatenate(column)[back] for column in found]


def milliseconds(path: Path, rows: Sequence[Encoded]) -> float:
    """Return the median time of a graph for one encoded example alone, on one thread; 0 without examples."""
    session = _session(path, 1)
    times = []
    for row in [*rows[:3], *rows[:: max(1, len(rows) // _TIMED)][:_TIMED]]:
        inputs = collate([row])
        feed = {key: inputs[key].numpy() for key in ("input_ids", "attention_mask")}
        started = time.perf_counter()
        session.run(None, feed)
        times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times[3:])) if len(times) > 3 else 0.0


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _trace(network: JointNetwork, novelty: Novelty, path: Path) -> None:
    ids = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    axes = {0: "batch", 1: "tokens"}
    dynamic = {"input_ids": axes, "attention_mask": axes, "tag_logits": axes}
    dynamic |= {name: {0: "batch"} for name in OUTPUTS if name != "tag_logits"}
    with warnings.catch_warnings(), torch.no_grad(), fused_attention(network.body) as attention:
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Graph(network, novelty, attention).eval(),
            (ids, mask),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=list(OUTPUTS),
            dynamic_axes=dynamic,
            opset_version=17,
            custom_opsets={DOMAIN: 1},
            dynamo=False,
        )
