"""A map from the sentiment network's layers to the base's sentence vectors: one pass reads feeling and topic.

Fine-tuning bends the network's vectors towards feelings. What a post is about still stands in its layers; a ridge
regression reads it out, with the frozen base's own sentence vectors as the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nlp.encoder import ONNX_NAMES, Encoder
from nlp.joint_decode import FloatArray
from nlp.sentiment import padded
from training.sentiment.data import Labelled, even_draw
from training.sentiment.errors import AdapterError
from training.sentiment.network import SentimentNetwork, depth, new_network, pooled_rows, shape_of

TOPICS = "topics.safetensors"
_MOST, _CHECKED = 6000, 0.1
_STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True)
class TopicMap:
    """`weight` (layers * width, dimension) and `bias` (dimension,) over the pooled vectors of `layers`, joined."""

    layers: tuple[int, ...]
    weight: Tensor
    bias: Tensor

    def save(self, folder: Path) -> None:
        """Write the map, float16."""
        save_file(
            {
                "layers": torch.tensor(self.layers),
                "weight": self.weight.half().contiguous(),
                "bias": self.bias.half().contiguous(),
            },
            folder / TOPICS,
        )

    @classmethod
    def read(cls, folder: Path) -> TopicMap:
        """Read what `save` wrote; raises AdapterError."""
        try:
            state = load_file(folder / TOPICS)
            layers = tuple(int(number) for number in state["layers"])
            return cls(layers, state["weight"].float(), state["bias"].float())
        except Exception as error:  # safetensors raises plain exceptions of its own
            raise AdapterError(
                f"{folder / TOPICS}: cannot be read ({error}); train the adapters with `chengda train sentiment`"
            ) from None


def layers_of(network: SentimentNetwork) -> tuple[int, ...]:
    """Return the layers that are read: a third and two thirds of the way, and the last."""
    count = depth(network)
    return tuple(sorted({max(1, count // 3), max(1, 2 * count // 3), count}))


def fit_topics(
    network: SentimentNetwork, base: Path, posts: Sequence[Labelled], ids: Sequence[list[int]], tokens: int
) -> tuple[TopicMap, float]:
    """Return the map, and the mean cosine to the base's vectors on a tenth of the posts that it was not fitted to.

    Args:
        network: trained.
        base: encoder folder.
        posts: texts to fit on; an even draw over their sources is used.
        ids: their token ids.
        tokens: length that a post is cut to.
    """
    chosen = even_draw(posts, _MOST, seed=23)
    layers = layers_of(network)
    given = layer_means(network, [ids[row] for row in chosen], layers)
    wanted = _targets(base, [posts[row].text for row in chosen], [ids[row] for row in chosen], tokens)
    kept = max(1, int(len(chosen) * _CHECKED))
    best: tuple[float, float] = (-1.0, _STRENGTHS[-1])
    for strength in _STRENGTHS:
        weight, bias = _ridge(given[kept:], wanted[kept:], strength)
        best = max(best, (_likeness(given[:kept] @ weight + bias, wanted[:kept]), strength))
    weight, bias = _ridge(given, wanted, best[1])
    return TopicMap(layers, torch.from_numpy(weight), torch.from_numpy(bias)), best[0]


@torch.inference_mode()
def layer_means(
    network: SentimentNetwork, rows: Sequence[list[int]], layers: Sequence[int], batch: int = 32
) -> FloatArray:
    """Return the mean token vectors of the layers, joined, (n, layers * width), in the order given."""
    was = network.training
    network.eval()
    width = int(network.body.config.hidden_size)
    found = np.zeros((len(rows), len(layers) * width), np.float32)
    order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        ids, mask = (torch.from_numpy(part) for part in padded([rows[at] for at in chosen]))
        states = network.body(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        found[chosen] = joined_means(states, mask, layers).numpy()
    network.train(was)
    return found


def joined_means(states: Sequence[Tensor], mask: Tensor, layers: Sequence[int]) -> Tensor:
    """Return the mean vectors over the tokens of `mask`, joined over the layers."""
    weight = mask[..., None].float()
    total = weight.sum(1).clamp_min(1e-6)
    return torch.cat([(states[layer] * weight).sum(1) / total for layer in layers], 1)


def _targets(base: Path, texts: Sequence[str], ids: list[list[int]], tokens: int) -> FloatArray:
    if any((base / name).is_file() for name in ONNX_NAMES):
        return Encoder.load(base, max_tokens=tokens).encode(texts)
    vectors = pooled_rows(new_network(base, shape_of(base)), ids).numpy()
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))


def _ridge(given: FloatArray, wanted: FloatArray, strength: float) -> tuple[FloatArray, FloatArray]:
    mean, spread, target = given.mean(0), given.std(0) + 1e-6, wanted.mean(0)
    x = (given - mean) / spread
    gram = x.T @ x + strength * len(x) * np.eye(x.shape[1], dtype=np.float32)
    weight = np.linalg.solve(gram, x.T @ (wanted - target)) / spread[:, None]
    return weight.astype(np.float32), (target - mean @ weight).astype(np.float32)


def _likeness(guess: FloatArray, wanted: FloatArray) -> float:
    lengths = np.linalg.norm(guess, axis=1) * np.linalg.norm(wanted, axis=1)
    return float(((guess * wanted).sum(1) / np.maximum(lengths, 1e-9)).mean())
