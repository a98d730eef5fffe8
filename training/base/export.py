"""Export any HF or sentence-transformers encoder to one ONNX file that maps tokens to unit vectors.

Pooling and normalisation stand in the graph, so the run time needs neither torch nor knowledge of the model.
The int8 form has an 8-bit word table with a scale per row, and dynamically quantised matrix products.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import warnings
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel

log = logging.getLogger(__name__)
FORMAT = 3  # raise when the graph changes, so cached files are made anew
COPIED = ("tokenizer.json", "config.json", "tokenizer_config.json", "special_tokens_map.json")
FULL_NAME, INT8_NAME = "model.onnx", "model.int8.onnx"


class ExportError(Exception):
    """The model folder cannot be exported."""


class RowQuantised(nn.Module):
    """A word table as int8 with one scale a row: a quarter of the size at a cosine of 0.9999 to the original."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        scale = weight.abs().amax(1, keepdim=True).clamp_min(1e-8) / 127
        self.register_buffer("codes", torch.round(weight / scale).to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, ids: Tensor) -> Tensor:
        """Look up rows, (b, t) to (b, t, width)."""
        return functional.embedding(ids, self.codes).float() * functional.embedding(ids, self.scale)


class SentenceEncoder(nn.Module):
    """Body, pooling (`mean` or `cls`), optional dense head and normalisation as one module."""

    def __init__(self, body: nn.Module, pooling: str, head: nn.Module | None, token_types: bool) -> None:
        super().__init__()
        self.body, self.pooling, self.head, self.token_types = body, pooling, head, token_types

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Map ids and mask (b, t) to unit vectors (b, d)."""
        extra = {"token_type_ids": torch.zeros_like(input_ids)} if self.token_types else {}
        # A ready 4-D mask skips the library's own mask code, which the tracer would freeze to one length.
        bias = (1.0 - attention_mask[:, None, None, :].float()) * -1e4
        hidden = self.body(input_ids=input_ids, attention_mask=bias, **extra).last_hidden_state
        if self.pooling == "cls":
            vector = hidden[:, 0]
        else:
            weight = attention_mask[..., None].float()
            vector = (hidden * weight).sum(1) / weight.sum(1).clamp_min(1e-6)
        if self.head is not None:
            vector = self.head(vector)
        return vector / torch.sqrt((vector * vector).sum(-1, keepdim=True) + 1e-12)


def read_pooling(model_dir: Path) -> str:
    """Return `mean` or `cls` from sentence-transformers' pooling file (`mean` without one).

    Raises ExportError for another pooling.
    """
    path = model_dir / "1_Pooling" / "config.json"
    if not path.exists():
        return "mean"
    modes = json.loads(path.read_text(encoding="utf-8"))
    if modes.get("pooling_mode_cls_token"):
        return "cls"
    if modes.get("pooling_mode_mean_tokens", True):
        return "mean"
    raise ExportError(f"{path}: only mean and cls pooling are supported; choose another model")


def read_head(model_dir: Path) -> nn.Module | None:
    """Return the dense head of a sentence-transformers folder (`2_Dense`), or None."""
    folder = model_dir / "2_Dense"
    if not (folder / "config.json").exists():
        return None
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    layer = nn.Linear(config["in_features"], config["out_features"], bias=bool(config.get("bias", True)))
    state = load_file(folder / "model.safetensors")
    layer.load_state_dict({name.removeprefix("linear."): value.float() for name, value in state.items()})
    tanh = "Tanh" in str(config.get("activation_function", "Tanh"))
    return nn.Sequential(layer, nn.Tanh()) if tanh else layer


def load_sentence_encoder(model_dir: Path, quantised_table: bool = False) -> SentenceEncoder:
    """Load a folder as one float32 module. Raises ExportError when the folder holds no model."""
    if not (model_dir / "config.json").exists():
        raise ExportError(f"{model_dir / 'config.json'}: not found; name a folder in transformers format")
    body = AutoModel.from_pretrained(str(model_dir), dtype=torch.float32, attn_implementation="eager")
    if quantised_table:
        body.set_input_embeddings(RowQuantised(body.get_input_embeddings().weight.data))
    token_types = int(getattr(body.config, "type_vocab_size", 0) or 0) > 1
    return SentenceEncoder(body, read_pooling(model_dir), read_head(model_dir), token_types).eval()


def export_onnx(model_dir: Path, target: Path, quantise: bool = True) -> Path:
    """Write `target` (an ONNX file, opset 17) from `model_dir`; int8 when `quantise`.

    Weights are signed 7-bit of 8 (reduce_range): full range overflows the 16-bit sums of AVX2 processors
    without VNNI, and the accuracy is the same (see the model card).
    """
    encoder = load_sentence_encoder(model_dir, quantised_table=quantise)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        plain = Path(folder) / "plain.onnx"
        _trace(encoder, plain)
        ready = plain
        if quantise:
            ready = Path(folder) / "int8.onnx"
            quantize_dynamic(
                plain,
                ready,
                op_types_to_quantize=["MatMul", "Gemm"],
                per_channel=True,
                reduce_range=True,
                weight_type=QuantType.QInt8,
            )
        shutil.move(str(ready), target)
    return target


def _trace(encoder: SentenceEncoder, path: Path) -> None:
    ids = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    axes = {0: "batch", 1: "tokens"}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder,
            (ids, mask),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["sentence"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "sentence": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )


def content_hash(model_dir: Path, quantise: bool) -> str:
    """Return a short hash of everything the exported file depends on."""
    digest = hashlib.sha256(f"{FORMAT}:{quantise}".encode())
    for path in sorted(model_dir.rglob("*")):
        if path.is_file() and path.suffix in (".json", ".safetensors", ".bin"):
            digest.update(str(path.relative_to(model_dir)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def ensure_onnx(model_dir: Path, cache_dir: Path, quantise: bool = True) -> Path:
    """Return a folder that `nlp.encoder.Encoder.load` can open, exporting the model on first use.

    The folder is `cache_dir/<content hash>`; it is written aside and renamed, so a killed export leaves no
    half file. Raises ExportError when `model_dir` is no model or has no fast tokenizer.
    """
    if not (model_dir / "config.json").exists():
        raise ExportError(f"{model_dir / 'config.json'}: not found; name a folder in transformers format")
    if not (model_dir / "tokenizer.json").exists():
        raise ExportError(f"{model_dir / 'tokenizer.json'}: not found; save the model with a fast tokenizer")
    target = cache_dir / content_hash(model_dir, quantise)
    name = INT8_NAME if quantise else FULL_NAME
    if (target / name).exists():
        return target
    cache_dir.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=cache_dir, prefix="part-"))
    try:
        for copied in COPIED:
            if (model_dir / copied).exists():
                shutil.copy2(model_dir / copied, partial / copied)
        export_onnx(model_dir, partial / name, quantise)
        if target.exists():
            shutil.rmtree(target)
        partial.replace(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return target
