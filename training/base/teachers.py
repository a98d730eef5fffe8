"""The two teachers in torch, and their sentence vectors cached on disk with resume.

The USE forward pass follows the numpy backend of its package (DAN + n-gram CNN); torch runs it faster and on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sentencepiece
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoTokenizer, BertModel

from training.base.parents import FloatArray, minilm_dir, use_dir, use_embedding, use_weights

_ORDERS = ((2, 0), (3, 1), (5, 2))
Encode = Callable[[Sequence[str]], FloatArray]


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Mixed precision in bfloat16: AMX on a CPU, tensor cores on a GPU; weights stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16)


def pick_device(name: str) -> torch.device:
    """Turn `auto`, `cpu` or `cuda` into a device."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


class UseTeacher:
    """Multilingual Universal Sentence Encoder v3; texts to (n, 512) unit vectors."""

    width = 512

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        self.processor = sentencepiece.SentencePieceProcessor(model_file=str(use_dir() / "sp.model"))
        weights = use_weights()
        names = [name for name in weights if not name.startswith("q")]
        self.w = {
            name: torch.from_numpy(np.asarray(weights[name], np.float32)).to(self.device) for name in names
        }
        self.table = torch.from_numpy(use_embedding()).to(self.device)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors, (n, 512) float32."""
        ids = [[1, *(pieces or [0]), 2] for pieces in self.processor.encode(list(texts))]
        lengths = torch.tensor([len(row) for row in ids], device=self.device)
        flat = torch.tensor([piece for row in ids for piece in row], device=self.device)
        owner = torch.repeat_interleave(torch.arange(len(ids), device=self.device), lengths)
        position = torch.arange(len(flat), device=self.device)
        features = self._features(self.table[flat], owner, position)
        total = torch.zeros(len(ids), features.shape[1], device=self.device).index_add_(0, owner, features)
        count = lengths.float()[:, None]
        mean = (total @ self.w["cnn_W"] + count * self.w["cnn_b"]) / count.sqrt()
        w = self.w
        y0 = torch.relu(mean @ w["d0"])
        y1 = torch.relu(mean @ w["p1"] + y0 @ w["d1"])
        z = torch.tanh(y1 @ w["p3"] + torch.relu(y1 @ w["d2"]) @ w["d3"])
        return functional.normalize(z, dim=-1).cpu().numpy()

    def _features(self, embedded: Tensor, owner: Tensor, position: Tensor) -> Tensor:
        w, parts = self.w, [embedded]
        projected = self._norm(
            embedded @ self._joined("proj", 1) + self._joined("proj_b"), *self._branch_norm()
        )
        for (order, left), x in zip(_ORDERS, projected.chunk(len(_ORDERS), dim=1), strict=True):
            index = self._windows(owner, position, order, left)
            h = torch.relu(self._gather(x, index) @ w[f"w1_{order}"] + w[f"b1_{order}"]) + x
            parts.append(torch.relu(self._gather(h, index) @ w[f"w2_{order}"] + w[f"b2_{order}"]) + h)
        return self._norm(torch.cat(parts, 1), w["ln_g"], w["ln_b"])

    def _joined(self, name: str, dim: int = 0) -> Tensor:
        return torch.cat([self.w[f"{name}{order}"] for order, _ in _ORDERS], dim)

    def _branch_norm(self) -> tuple[Tensor, Tensor]:
        return self._joined("ln_g"), self._joined("ln_b")

    def _norm(self, x: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], gain, offset, float(self.w["eps"]))

    @staticmethod
    def _gather(x: Tensor, index: Tensor) -> Tensor:
        padded = torch.cat([x, x.new_zeros(1, x.shape[1])])
        return padded[index].flatten(1)

    @staticmethod
    def _windows(owner: Tensor, position: Tensor, order: int, left: int) -> Tensor:
        """Neighbour numbers of each token; a slot outside the token's own sentence points at the zero row."""
        count = len(position)
        slots = position[:, None] + torch.arange(-left, order - left, device=position.device)
        inside = (slots >= 0) & (slots < count)
        inside &= owner[slots.clamp(0, count - 1)] == owner[:, None]
        return torch.where(inside, slots, torch.full_like(slots, count))


class MiniLmTeacher:
    """all-MiniLM-L6-v2; texts to (n, 384) unit vectors by mean pooling."""

    width = 384

    def __init__(self, device: torch.device | None = None, max_tokens: int = 128) -> None:
        self.device = device or torch.device("cpu")
        self.tokenizer = AutoTokenizer.from_pretrained(str(minilm_dir()))
        # On a CPU the eager attention is the faster one for short sentences.
        self.model = BertModel.from_pretrained(
            str(minilm_dir()), attn_implementation="eager", add_pooling_layer=False
        ).to(self.device)
        self.model.eval()
        self.max_tokens = max_tokens

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors, (n, 384) float32."""
        batch = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        ).to(self.device)
        with autocast(self.device):
            hidden = self.model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].float()
        pooled = (hidden.float() * mask).sum(1) / mask.sum(1)
        return functional.normalize(pooled, dim=-1).cpu().numpy()


class VectorCache:
    """A teacher's vectors for a fixed list of texts, computed on first use and kept as float16 on disk.

    Training can start at once, a killed run loses nothing, and the second pass over the corpus is free.
    """

    def __init__(
        self, path: Path, texts: Sequence[str], width: int, encode: Encode, batch: int = 128
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = path.with_suffix(".filled.npy")
        fresh = not (path.exists() and flags.exists())
        if not fresh and np.load(path, mmap_mode="r").shape != (len(texts), width):
            fresh = True
        mode = "w+" if fresh else "r+"
        memmap = np.lib.format.open_memmap
        self.store = memmap(path, mode=mode, dtype=np.float16, shape=(len(texts), width))
        self.filled = memmap(flags, mode=mode, dtype=np.bool_, shape=(len(texts),))
        self.texts, self.encode, self.batch = texts, encode, batch

    def get(self, rows: npt.NDArray[np.int64]) -> FloatArray:
        """Return the vectors of the given text numbers, (n, width) float32."""
        missing = np.unique(rows[~self.filled[rows]])
        for start in range(0, len(missing), self.batch):
            part = missing[start : start + self.batch]
            self.store[part] = self.encode([self.texts[row] for row in part])
            self.filled[part] = True
        return np.asarray(self.store[rows], np.float32)

    def fill(self) -> None:
        """Compute every missing vector, in order of length so that little is padded."""
        order = np.argsort([len(text) for text in self.texts], kind="stable")
        with tqdm(
            total=len(order), desc=Path(str(self.store.filename)).stem, unit="sent", mininterval=10
        ) as bar:
            for start in range(0, len(order), self.batch):
                rows = order[start : start + self.batch]
                self.get(rows)
                bar.update(len(rows))
