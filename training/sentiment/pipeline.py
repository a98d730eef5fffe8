"""From labelled posts to an adapter folder, and from an adapter folder to a model directory."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType
from tokenizers import Tokenizer
from torch import Tensor, nn

from nlp.entities.folding import has_han
from nlp.joint_decode import softmax
from nlp.sentiment import (
    ADAPTER_DIR,
    EMOTIONS,
    GRAPH,
    LATIN,
    NGRAMS,
    SENTIMENTS,
    TOKENIZER,
    SentimentManifest,
    find_adapter,
    model_dir,
)
from training.adapters import ADAPTER, SHAPE
from training.base.export import RowQuantised
from training.nlu.export import quantise_quietly
from training.sentiment.civic import civic_posts
from training.sentiment.data import Labelled, balanced, data_hash, split_folds
from training.sentiment.errors import SentimentDataError
from training.sentiment.fitting import FitSettings, Progress, encode, fit
from training.sentiment.heads import start_heads
from training.sentiment.network import (
    SentimentNetwork,
    load_adapter,
    merged,
    new_network,
    outputs,
    read_shape,
    save_adapter,
    shape_of,
    shorten,
)
from training.sentiment.ngrams import choose_share, train_ngrams
from training.sentiment.topics import TOPICS, TopicMap, fit_topics, joined_means

log = logging.getLogger(__name__)
LAYERS = 3  # half the base: twice as fast, and the n-grams make up for most of it
_HELD_FOLDS = 20  # one of so many parts is held out to calibrate on
_LEAST_HELD = 60  # held-out posts of a script from which it gets a share and a temperature of its own
_KINDS = (("sentiment", SENTIMENTS), ("emotion", EMOTIONS))


@dataclass(frozen=True)
class TrainedAdapter:
    """An adapter folder and how it came about."""

    folder: Path
    manifest: SentimentManifest
    history: list[dict[str, float]]


def train_adapter(
    posts: Sequence[Labelled],
    base: Path,
    out: Path,
    settings: FitSettings,
    *,
    most: int = 5000,
    layers: int = LAYERS,
    latin_layers: int = 0,
    start: Path | None = None,
    civic: bool = True,
    progress: Progress | None = None,
) -> TrainedAdapter:
    """Fine-tune adapters and heads, calibrate them, and write `out` (replaced as a whole).

    Args:
        posts: labelled posts; at most `most` a source and label are used.
        base: folder of the pretrained encoder.
        out: the adapter folder to write.
        settings: of the run.
        most: see `posts`.
        layers: how many of the base's first layers the network keeps; 0 keeps all. Fewer read faster.
        latin_layers: when above zero, a second network of so many layers learns and reads the posts without a Chinese
            character; adapters to continue from that have one keep it in any case.
        start: an adapter folder to continue from; of its layers the first `layers` are kept, too.
        civic: whether our own labelled sentences train along, so that emotion and "needs action" are not forgotten.
        progress: called with the share done and what is going on.

    Raises:
        SentimentDataError: fewer than two polarities, or too few posts.
    """
    used = balanced(posts, most, settings.seed)
    if not _enough(used):
        kinds = sorted({post.sentiment for post in used if post.sentiment})
        raise SentimentDataError(
            f"{len(used)} usable posts with the labels {kinds}; give at least 20 posts and two polarities"
        )
    held = set(split_folds(used, _HELD_FOLDS, settings.seed)[0])
    dev = [post for row, post in enumerate(used) if row in held]
    training = [post for row, post in enumerate(used) if row not in held]
    if civic:
        training += civic_posts()
    tokenizer = Tokenizer.from_file(str(base / TOKENIZER))
    shape = shape_of(base, layers=layers)
    if start is not None:
        network, shape = load_adapter(base, start), read_shape(start)
        if cut := shorten(network, layers):
            shape = replace(shape, layers=layers)
    else:
        network, cut = new_network(base, shape), True
    rows, dev_rows = (encode(part, tokenizer, settings.tokens) for part in (training, dev))
    if cut:
        start_heads(network, rows, training)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.name}.partial")
    history: list[dict[str, float]] = []
    if settings.epochs:
        partial.mkdir(exist_ok=True)
        history = fit(
            network, rows, dev_rows, settings, progress, lambda: save_adapter(network, shape, partial)
        )
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".adapter-") as name:
        folder = Path(name) / out.name
        folder.mkdir()
        save_adapter(network, shape, folder)
        manifest = _calibrated(network, training, dev, dev_rows.ids, folder, settings)
        topics, likeness = fit_topics(network, base, training, rows.ids, settings.tokens)
        topics.save(folder)
        manifest = replace(
            manifest,
            training={
                **asdict(settings),
                "posts": len(training),
                "held_out": len(dev),
                "data": data_hash(used),
            },
            metrics={**manifest.metrics, "topic_likeness": likeness, **(history[-1] if history else {})},
            files={item: _sum(folder / item) for item in (ADAPTER, SHAPE, NGRAMS, TOPICS)},
        )
        latin_start = start / LATIN if start is not None and (start / LATIN).is_dir() else None
        if latin_layers or latin_start is not None:
            own = [post for post in posts if not has_han(post.text)]
            if _enough(own):
                train_adapter(
                    own, base, folder / LATIN, settings,
                    most=most, layers=latin_layers, start=latin_start, civic=civic, progress=progress,
                )  # fmt: skip
            elif latin_start is not None:
                shutil.copytree(latin_start, folder / LATIN)
            if (folder / LATIN).is_dir():
                manifest = replace(manifest, latin=SentimentManifest.read(folder / LATIN).version)
        parts = hashlib.sha256(json.dumps(asdict(manifest), sort_keys=True).encode()).hexdigest()
        manifest = replace(manifest, version=f"{manifest.created[:10]}-{parts[:8]}")
        manifest.write(folder)
        if (out / "README.md").is_file():
            shutil.copyfile(out / "README.md", folder / "README.md")
        old = out.with_name(f".{out.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if out.exists():
            out.rename(old)
        folder.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(partial, ignore_errors=True)
    return TrainedAdapter(out, manifest, history)


def _enough(posts: Sequence[Labelled]) -> bool:
    """Whether posts are enough to learn from."""
    return len(posts) >= 20 and len({post.sentiment for post in posts if post.sentiment}) >= 2


def _calibrated(
    network: SentimentNetwork,
    training: Sequence[Labelled],
    dev: Sequence[Labelled],
    dev_ids: list[list[int]],
    folder: Path,
    settings: FitSettings,
) -> SentimentManifest:
    """Train the n-gram model, choose its share, the temperature and the limit of certainty on the held-out posts."""
    scorer = train_ngrams([post.text for post in training], [_labels(training, *kind) for kind in _KINDS])
    scorer.write(folder / NGRAMS)
    beside = scorer.score([post.text for post in dev])
    polarity, emotion = (part.numpy() for part in outputs(network, dev_ids)[:2])
    (gold, _), (felt, _) = (_labels(dev, *kind) for kind in _KINDS)
    han = np.array([has_han(post.text) for post in dev], bool)
    scripts = np.zeros((len(dev), 2), np.float32)
    sources = np.array([post.source for post in dev])
    scripts[:] = together = choose_share(polarity, beside[:, : len(SENTIMENTS)], gold, sources.tolist())
    chosen = {True: together, False: together}
    for script in (True, False):
        rows = han == script
        if (gold[rows] >= 0).sum() >= _LEAST_HELD:
            # N-grams of many long reviews say much about reviews, those of few tweets little about tweets.
            chosen[script] = choose_share(
                polarity[rows], beside[rows, : len(SENTIMENTS)], gold[rows], sources[rows].tolist()
            )
        scripts[rows] = chosen[script]
    emotion_share, emotion_temperature = choose_share(emotion, beside[:, len(SENTIMENTS) :], felt)
    shares = softmax((polarity + scripts[:, :1] * beside[:, : len(SENTIMENTS)]) / scripts[:, 1:], 1.0)
    right = (shares.argmax(1) == gold)[gold >= 0]
    feelings = emotion + emotion_share * beside[:, len(SENTIMENTS) :]
    metrics = {
        "held_out_accuracy": _mean(right),
        "held_out_accuracy_network": _mean((polarity.argmax(1) == gold)[gold >= 0]),
        "held_out_emotion_accuracy": _mean((feelings.argmax(1) == felt)[felt >= 0]),
    }
    return SentimentManifest(
        version="",
        max_tokens=settings.tokens,
        temperature=float(chosen[True][1]),
        ngram_share=float(chosen[True][0]),
        latin_temperature=float(chosen[False][1]),
        latin_ngram_share=float(chosen[False][0]),
        emotion_temperature=float(emotion_temperature),
        emotion_ngram_share=float(emotion_share),
        unsure_below=_unsure_below(shares.max(1)[gold >= 0], right),
        metrics=metrics,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _labels(posts: Sequence[Labelled], field: str, names: Sequence[str]) -> tuple[np.ndarray, int]:
    values = [getattr(post, field) for post in posts]
    return np.array([names.index(v) if v else -1 for v in values], np.int64), len(names)


def _mean(right: np.ndarray) -> float:
    return float(right.mean()) if len(right) else 0.0


def _unsure_below(best: np.ndarray, right: np.ndarray, wanted: float = 0.65) -> float:
    """Return the probability below which answers are right less often than `wanted` (between 0.4 and 0.75)."""
    limit = 0.4
    for candidate in np.arange(0.4, 0.76, 0.01):
        inside = (best >= candidate - 0.05) & (best < candidate + 0.05)
        if inside.sum() >= 10 and right[inside].mean() < wanted:
            limit = float(candidate)
    return round(limit, 2)


def export_model(adapter: Path, base: Path, out: Path, quantise: bool = True) -> Path:
    """Fold the adapters into the base and write a model directory for `nlp.sentiment.SentimentModel`.

    It is written aside and renamed, so a killed export leaves no half model. Weights are signed with seven of
    eight bits (`reduce_range`): full range overflows the 16-bit sums of AVX2 processors without VNNI.

    Raises:
        AdapterError: the adapters are missing, damaged or belong to another base.
        SentimentModelError: their manifest is.
    """
    manifest = SentimentManifest.read(adapter)
    network = merged(load_adapter(base, adapter)).eval()
    topics = TopicMap.read(adapter)
    if quantise:
        table = network.body.get_input_embeddings()
        network.body.set_input_embeddings(RowQuantised(table.weight.data))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".part-") as name:
        folder = Path(name) / "model"
        folder.mkdir()
        plain = Path(name) / "plain.onnx"
        _trace(_Graph(network, topics), plain)
        if quantise:
            heads = [
                node.name
                for node in onnx.load(str(plain)).graph.node
                if node.op_type in ("MatMul", "Gemm") and "body" not in node.name + " ".join(node.input)
            ]
            quantise_quietly(
                plain,
                folder / GRAPH,
                op_types_to_quantize=["MatMul", "Gemm"],
                per_channel=True,
                reduce_range=True,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=heads,
            )
        else:
            shutil.move(str(plain), folder / GRAPH)
        shutil.copyfile(base / TOKENIZER, folder / TOKENIZER)
        shutil.copyfile(adapter / NGRAMS, folder / NGRAMS)
        if manifest.latin:
            export_model(adapter / LATIN, base, folder / LATIN, quantise)
        replace(manifest, files={item: _sum(folder / item) for item in (GRAPH, TOKENIZER, NGRAMS)}).write(
            folder
        )
        shutil.rmtree(out, ignore_errors=True)
        folder.rename(out)
    return out


def ensure_model(data_dir: Path, base: Path, shipped: Path = ADAPTER_DIR) -> tuple[Path, bool]:
    """Return the model directory of the adapters in use, exported on first use, and whether that was now."""
    out = model_dir(data_dir, shipped)
    if (out / "manifest.json").is_file():
        return out, False
    return export_model(find_adapter(data_dir, shipped), base, out), True


class _Graph(nn.Module):
    """The network and the topic map with the mask that ONNX wants."""

    def __init__(self, network: SentimentNetwork, topics: TopicMap) -> None:
        super().__init__()
        self.network, self.layers = network, topics.layers
        self.register_buffer("weight", topics.weight)
        self.register_buffer("bias", topics.bias)
        self.token_types = int(getattr(network.body.config, "type_vocab_size", 0) or 0) > 1

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        extra = {"token_type_ids": torch.zeros_like(input_ids)} if self.token_types else {}
        # A ready 4-D mask skips the library's own mask code, which the tracer would freeze to one length.
        bias = (1.0 - attention_mask[:, None, None, :].float()) * -1e4
        read = self.network.body(input_ids=input_ids, attention_mask=bias, output_hidden_states=True, **extra)
        hidden = read.last_hidden_state
        if self.network.pooling == "cls":
            vector = hidden[:, 0]
        else:
            weight = attention_mask[..., None].float()
            vector = (hidden * weight).sum(1) / weight.sum(1).clamp_min(1e-6)
        topic = joined_means(read.hidden_states, attention_mask, self.layers) @ self.weight + self.bias
        unit = topic / torch.sqrt((topic * topic).sum(-1, keepdim=True) + 1e-12)
        return (*self.network.heads(vector), unit)


def _trace(graph: nn.Module, path: Path) -> None:
    ids = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    names = ["sentiment", "emotion", "action", "topic"]
    axes: dict[str, Any] = {name: {0: "batch", 1: "tokens"} for name in ("input_ids", "attention_mask")}
    axes |= {name: {0: "batch"} for name in names}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (ids, mask),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=names,
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
