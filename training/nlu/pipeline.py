"""From labelled utterances to a finished model directory."""

from __future__ import annotations

import ctypes
import logging
import platform
import shutil
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from nlp.entities.rules import RULES
from nlp.joint_manifest import GAZETTEER, GRAPH, NGRAMS, SPELLING, TOKENIZER, Manifest, hash_file
from nlp.joint_ngrams import NgramScorer
from nlp.joint_spelling import Counts
from nlp.joint_text import prepare
from training.nlu.augment import Augmenter
from training.nlu.batches import Encoded, encode, fitting_length, some_of_each
from training.nlu.calibration import FloatArray, calibrate, fit_novelty
from training.nlu.checks import check_labels
from training.nlu.data import OOS_LABELS, DataSet, Example
from training.nlu.device import Compute, choose
from training.nlu.export import Exported, export
from training.nlu.fitting import Progress, fit, run, steps_of
from training.nlu.heads import start_intent_head
from training.nlu.network import JointNetwork, freeze_lower, load_body, read_pooling
from training.nlu.ngrams import choose_share, train_ngrams
from training.nlu.noise import Suspect, mended, suspects_of
from training.nlu.rehearsal import EXAMPLES, restore_weights, save_examples
from training.nlu.settings import TrainSettings
from training.nlu.spelling import count_words, with_repair
from training.nlu.split import split
from training.nlu.tagging import tag_names

log = logging.getLogger(__name__)
WEIGHTS, SUSPECTS = "weights.safetensors", "suspects.tsv"
# Damaged versions of each example that take turns over the passes.
_VERSIONS = 3
# So many training texts, and of a class at least so many, are enough for the centres and the covariance.
_FOR_NOVELTY, _OF_EACH = 3000, 40


@dataclass(frozen=True)
class Trained:
    """A finished model directory and how it came about; `seconds` of wall time, `notes` for people."""

    directory: Path
    manifest: Manifest
    exported: Exported
    history: list[dict[str, float]]
    seconds: float
    notes: list[str]


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory: giving it back costs a third of a CPU step in page faults."""
    if platform.system() != "Linux":
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
        libc.mallopt(-3, 2**31 - 1)  # M_MMAP_THRESHOLD
    except OSError:
        return


def train(
    data: DataSet,
    out: Path,
    settings: TrainSettings,
    *,
    dev: DataSet | None = None,
    gazetteer: Path | None = None,
    start: Path | None = None,
    parent: str | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Fine-tune, calibrate and export a joint model into `out`, an existing empty directory.

    Args:
        data: labelled utterances, any intents.
        out: receives the model directory's files.
        settings: see `TrainSettings`.
        dev: held-out utterances for early stopping and calibration; without them a part of `data` is held out.
        gazetteer: CSV of the city's own names, copied into the model.
        start: model directory whose weights training continues from.
        parent: version name of that model, for the record.
        progress: called with the share done and what is going on.

    Raises:
        LabelError: when the labels cannot be learned from.
        BaseModelError: when the base cannot be loaded.
    """
    began = time.monotonic()
    notes = [*data.notes, *check_labels(data)]
    share = settings.fitted(len(data.examples), len(data.intents)).dev_share
    _seed(settings)
    training, held = split(data.examples, share or 0.0, settings.seed)
    if dev is not None:
        training, held = data.examples, list(dev.examples)
    tokenizer = Tokenizer.from_file(str(settings.base / TOKENIZER)) if _has_tokenizer(settings.base) else None
    body = load_body(settings.base, settings.keep_layers)
    assert tokenizer is not None
    intents, entities = data.intents, data.entities
    tags = tag_names(entities)
    numbers = {name: at for at, name in enumerate(intents)}
    tag_numbers = {name: at for at, name in enumerate(tags)}
    limit = settings.max_tokens or fitting_length(tokenizer, [e.text for e in training])
    augmenter = Augmenter(settings.augmentation, data, gazetteer, settings.seed)
    extra = augmenter.extra(training)
    damaged = augmenter.noisy([*training, *extra], _VERSIONS)
    settings = settings.fitted(len(data.examples), len(data.intents), len(extra))
    if settings.trim_vocabulary:
        from training.nlu.pruning import trim_vocabulary

        tokenizer, dropped = trim_vocabulary(body, tokenizer, [e.text for e in [*training, *extra]])
        notes.append(f"vocabulary: {dropped} pieces left out")
    rows = encode([*training, *extra], tokenizer, numbers, tag_numbers, limit)
    noisy = [encode(version, tokenizer, numbers, tag_numbers, limit) for version in damaged]
    dev_rows = encode(held, tokenizer, numbers, tag_numbers, limit)
    compute = choose(settings.precision)
    network = JointNetwork(body, len(intents), len(tags), read_pooling(settings.base), settings.dropout)
    network = _adapted(network, settings, steps_of(len(rows), settings))
    if start is not None:
        restore_weights(network, start, intents, tags)
    network.to(compute.device)
    spoken = [prepare(example.text) for example in [*training, *extra]]
    slipped = [prepare(example.text) for example in damaged[0]] if damaged else []
    heard = [prepare(example.text) for example in held]
    if start is None:
        start_intent_head(network, rows[: len(training)], len(intents), compute)
        wrong, wrong_held = suspects_of(network, rows, dev_rows, settings, compute, progress)
        if wrong:
            notes.append(_write_suspects(out / SUSPECTS, training, wrong, intents))
            noisy = [[row for row in mended(version, wrong) if row is not None] for version in noisy]
            if slipped:
                slipped = _kept(mended(rows, wrong), slipped)[1]
            rows, spoken = _kept(mended(rows, wrong), spoken)
            # Held-out texts that nothing fits stay: they keep the confidence modest.
            dev_rows = [new or old for new, old in zip(mended(dev_rows, wrong_held), dev_rows, strict=True)]
            start_intent_head(network, rows, len(intents), compute)
    log.info(
        "%d examples (+%d augmented), %d intents, %s", len(training), len(extra), len(intents), compute.label
    )
    with _threads(settings.threads):
        history = fit(
            network,
            rows,
            dev_rows,
            settings,
            compute,
            _weights(rows, intents, settings, compute),
            progress,
            noisy,
        )
        network = _merged(network, settings)
        scorer = None
        if settings.ngrams:
            labels = [row.intent for row in rows] * (2 if slipped else 1)
            scorer = train_ngrams([*spoken, *slipped], labels, len(intents), settings.seed)
            scorer.write(out / NGRAMS)
        counts = None
        if settings.repair_spelling:
            counts = count_words([prepare(e.text) for e in training], data, gazetteer)
        manifest, exported = _finish(
            network,
            rows[: len(training)],
            dev_rows,
            heard,
            scorer,
            counts,
            tokenizer,
            out,
            settings,
            compute,
            intents,
            tags,
            limit,
        )
    manifest = replace(
        manifest,
        rules=tuple(sorted(set(RULES) & set(entities))),
        synonyms=_synonyms(data),
        data_hash=data.hash(),
        parent=parent,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    if gazetteer is not None:
        shutil.copyfile(gazetteer, out / GAZETTEER)
    save_examples(out / EXAMPLES, training, held)
    seconds = time.monotonic() - began
    manifest = replace(
        manifest,
        files={path.name: hash_file(path) for path in sorted(out.iterdir()) if path.is_file()},
        metrics={
            **manifest.metrics,
            "examples": len(training),
            "augmented": len(extra),
            "dev_examples": len(held),
            "epochs": len(history),
            "seconds": round(seconds, 1),
            "compute": compute.label,
        },
    )
    manifest.write(out)
    return Trained(out, manifest, exported, history, seconds, notes)


def _finish(
    network: JointNetwork,
    rows: Sequence[Encoded],
    dev_rows: Sequence[Encoded],
    heard: Sequence[str],
    scorer: NgramScorer | None,
    counts: Counts | None,
    tokenizer: Tokenizer,
    out: Path,
    settings: TrainSettings,
    compute: Compute,
    intents: list[str],
    tags: list[str],
    limit: int,
) -> tuple[Manifest, Exported]:
    oos = [at for at, name in enumerate(intents) if name in OOS_LABELS]
    seen = some_of_each(rows, max(_OF_EACH, _FOR_NOVELTY // len(intents)))
    novelty = fit_novelty(run(network, seen, compute)["pooled"], np.array([row.intent for row in seen]), oos)
    network.to("cpu").eval()
    exported = export(network, novelty, out / GRAPH, dev_rows, settings.quantise)
    logits, distance = graph_outputs(out / GRAPH, dev_rows)
    labels = np.array([row.intent for row in dev_rows])
    share = 0.0
    if scorer is not None:
        beside = scorer.score(heard)
        share = choose_share(logits, beside, labels)
        logits = logits + share * beside

    def read(texts: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        others = encode([Example(text, "") for text in texts], tokenizer, {}, {"O": 0}, limit)
        found, far = graph_outputs(out / GRAPH, others)
        return (found + share * scorer.score(texts) if scorer is not None else found), far

    if counts is not None:
        mixed = with_repair(counts, tokenizer, heard, (logits, distance), labels, read)
        if mixed is not None:
            logits, distance = mixed
            counts.write(out / SPELLING)
    calibration = calibrate(logits, distance, labels, oos)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(out / TOKENIZER))
    state = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    save_file(state, out / WEIGHTS)
    manifest = Manifest(
        intents=tuple(intents),
        tags=tuple(tags),
        max_tokens=limit,
        temperature=calibration.temperature,
        thresholds=calibration.thresholds,
        oos=calibration.scorer,
        oos_labels=tuple(intents[at] for at in oos),
        ngram_share=share,
        metrics={
            **{key: round(value, 5) for key, value in calibration.measures.items()},
            "precision": exported.precision,
            "graph_mb": round(exported.megabytes, 2),
            "graph_fp32_mb": round(exported.full_megabytes, 2),
            "graph_ms": round(exported.ms, 2),
            "graph_fp32_ms": round(exported.full_ms, 2),
            "fp32_accuracy": round(exported.full_accuracy, 5),
            "graph_accuracy": round(exported.accuracy, 5),
        },
        training=settings.as_json(),
    )
    return manifest, exported


def graph_outputs(graph: Path, rows: Sequence[Encoded]) -> tuple[Any, Any]:
    """Return a graph's intent logits (n, intents) and distances (n,) for encoded examples."""
    from training.nlu.export import outputs

    found = outputs(graph, rows, ["intent_logits", "distance"])
    return found[0], found[1]


def _has_tokenizer(base: Path) -> bool:
    from training.nlu.errors import BaseModelError

    if not (base / TOKENIZER).is_file():
        raise BaseModelError(f"{base}: holds no {TOKENIZER}; name a folder with a fast tokenizer by --base")
    return True


def _seed(settings: TrainSettings) -> None:
    torch.manual_seed(settings.seed)
    np.random.seed(settings.seed)
    keep_freed_memory()


def _threads(count: int) -> Any:
    if count:
        torch.set_num_threads(count)
    return nullcontext()


def _kept(rows: Sequence[Encoded | None], texts: Sequence[str]) -> tuple[list[Encoded], list[str]]:
    pairs = [(row, text) for row, text in zip(rows, texts, strict=True) if row is not None]
    return [row for row, _ in pairs], [text for _, text in pairs]


def _write_suspects(
    path: Path, examples: Sequence[Example], suspects: Sequence[Suspect], intents: Sequence[str]
) -> str:
    """List the doubted labels for people to look at, and return a note on them."""
    own = [suspect for suspect in suspects if suspect.row < len(examples)]
    lines = ["text\tintent\tsuggested"]
    for suspect in own:
        example = examples[suspect.row]
        better = "" if suspect.better is None else intents[suspect.better]
        lines.append(f"{example.text}\t{example.intent}\t{better}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    replaced = sum(suspect.better is not None for suspect in own)
    return (
        f"{len(own)} of {len(examples)} labels look wrong: {replaced} were replaced and {len(own) - replaced} left out "
        f"in training; {path.name} in the model directory lists them (`clean_labels: off` trains on them as they are)"
    )


def _adapted(network: JointNetwork, settings: TrainSettings, steps: int) -> JointNetwork:
    if settings.freeze_embeddings:
        network.body.get_input_embeddings().weight.requires_grad_(False)
    if settings.method == "full":
        freeze_lower(network.body, settings.kept_layers)
        return network
    from training.nlu.peft_modes import adapt

    return adapt(network, settings, steps)


def _merged(network: JointNetwork, settings: TrainSettings) -> JointNetwork:
    if settings.method == "full":
        return network
    from training.nlu.peft_modes import merge

    return merge(network)


def _weights(
    rows: Sequence[Encoded], intents: Sequence[str], settings: TrainSettings, compute: Compute
) -> torch.Tensor | None:
    """Return class weights, inverse to the square root of the class's size, where they are asked for."""
    if not settings.class_weights:
        return None
    counts = np.bincount([row.intent for row in rows], minlength=len(intents)).clip(min=1)
    weights = 1 / np.sqrt(counts)
    return torch.tensor(weights / weights.mean(), dtype=torch.float32, device=compute.device)


def _synonyms(data: DataSet) -> dict[str, dict[str, str]]:
    """Return values by entity and lower-case text; those of Rasa's synonym lists stand under the empty name."""
    found: dict[str, dict[str, str]] = {"": dict(data.synonyms)} if data.synonyms else {}
    for example in data.examples:
        for mark in example.marks:
            if mark.value is not None:
                found.setdefault(mark.entity, {})[example.text[mark.start : mark.end].lower()] = mark.value
    return found
