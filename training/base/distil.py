"""Distil both teachers into the student: checkpoints, resume, TensorBoard, mixed precision, accumulation.

Loss: 1 - cos of the head to USE (both languages), 1 - cos of the pooled vector to MiniLM (English, and Chinese
through its translation; Reimers & Gurevych 2020), an in-batch contrastive term on translations (Henderson et
al. 2017), and masked words on every few batches so that tokens keep their own knowledge.
"""

from __future__ import annotations

import json
import logging
import random
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from training.base.augment import Noise
from training.base.batches import BatchStream, IntArray
from training.base.corpus import Corpus
from training.base.optim import MovingAverage, RowAdam, keep_freed_memory, rate
from training.base.parents import FloatArray
from training.base.settings import BaseSettings
from training.base.student import Student, save_student
from training.base.teachers import MiniLmTeacher, UseTeacher, VectorCache, autocast, pick_device
from training.board import event_writer

log = logging.getLogger(__name__)
TEMPERATURE = 0.05
MASK_ID, FIRST_WORD_ID = 4, 5
MASK_SHARE = 0.15
NEGATIVES = 2000


def open_caches(corpus: Corpus, settings: BaseSettings) -> dict[str, VectorCache]:
    """Open the teachers' vector caches of every text list under `work/teacher`."""
    device = pick_device(settings.device)
    use, mini = UseTeacher(device), MiniLmTeacher(device)
    folder = settings.work / "teacher"
    english, chinese = [pair[0] for pair in corpus.pairs], [pair[1] for pair in corpus.pairs]
    texts = {"zh": corpus.zh, "en": corpus.en, "pair_en": english, "pair_zh": chinese}
    caches = {
        f"use.{n}": VectorCache(folder / f"use.{n}.npy", t, use.width, use.encode) for n, t in texts.items()
    }
    for name in ("en", "pair_en"):
        caches[f"mini.{name}"] = VectorCache(
            folder / f"mini.{name}.npy", texts[name], mini.width, mini.encode
        )
    return caches


class Distiller:
    """One training run; `run` goes on from the last checkpoint under `work/run`."""

    def __init__(
        self, student: Student, corpus: Corpus, caches: dict[str, VectorCache], settings: BaseSettings
    ) -> None:
        keep_freed_memory()
        self.s, self.corpus, self.caches, self.student = settings, corpus, caches, student
        self.device = pick_device(settings.device)
        for module in (student.body, student.use_head, student.mlm):
            module.to(self.device)
        self.table = student.body.embeddings.word_embeddings.weight.data
        student.body.embeddings.word_embeddings.weight.requires_grad_(False)
        dense = student.dense_parameters()
        self.optimiser = torch.optim.AdamW(
            dense, lr=settings.lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True
        )
        self.rows_optimiser = RowAdam(self.table)
        self.average = MovingAverage([*dense, self.table], settings.ema)
        self.folder = settings.work / "run"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.step, self.spent_s = 0, 0.0
        self.counters = {"zh": 0, "en": 0, "pair": 0}
        lengths = {"zh": [len(t) for t in corpus.zh], "en": [len(t) for t in corpus.en]}
        lengths["pair"] = [len(e) // 3 + len(z) for e, z in corpus.pairs]
        sizes = {"zh": settings.batch, "en": settings.batch, "pair": settings.batch // 2}
        self.streams = {
            k: BatchStream(v, sizes[k], settings.seed + n) for n, (k, v) in enumerate(lengths.items())
        }
        student.tokenizer.enable_truncation(settings.max_tokens)
        student.tokenizer.enable_padding(pad_id=0, pad_to_multiple_of=4)

    # ---- one batch -------------------------------------------------------------------------------------

    def _draw(self) -> tuple[str, IntArray, list[str]]:
        rng = random.Random(self.s.seed * 1_000_003 + sum(self.counters.values()))
        draw = rng.random()
        kind = (
            "zh" if draw < self.s.share_zh else "en" if draw < self.s.share_zh + self.s.share_en else "pair"
        )
        rows = self.streams[kind].get(self.counters[kind])
        self.counters[kind] += 1
        if kind == "pair":
            chosen = [self.corpus.pairs[row] for row in rows]
            texts = [pair[0] for pair in chosen] + [pair[1] for pair in chosen]
        else:
            source = self.corpus.zh if kind == "zh" else self.corpus.en
            texts = [source[row] for row in rows]
        noise = Noise(rng.randrange(1 << 30))
        return kind, rows, [noise(text, self.s.noise) for text in texts]

    def _targets(self, kind: str, rows: IntArray) -> tuple[Tensor, Tensor | None]:
        if kind == "pair":
            english, chinese = self.caches["use.pair_en"].get(rows), self.caches["use.pair_zh"].get(rows)
            # The mean of both sides removes the teacher's own error between the two languages.
            both = english + chinese
            use, mini = (
                np.concatenate([english + both, chinese + both]),
                self.caches["mini.pair_en"].get(rows),
            )
            return self._tensor(use), self._tensor(np.concatenate([mini, mini]))
        use = self.caches[f"use.{kind}"].get(rows)
        return self._tensor(use), self._tensor(self.caches["mini.en"].get(rows)) if kind == "en" else None

    def _tensor(self, array: FloatArray) -> Tensor:
        return functional.normalize(torch.from_numpy(array).to(self.device), dim=-1)

    def _loss(
        self, kind: str, rows: IntArray, texts: list[str]
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, float]]:
        """Return the loss, the touched piece ids, the leaf holding their rows, and the parts of the loss."""
        encodings = self.student.tokenizer.encode_batch(texts)
        ids = torch.tensor([e.ids for e in encodings], device=self.device)
        mask = torch.tensor([e.attention_mask for e in encodings], device=self.device)
        masked = kind != "pair" and self.step % self.s.mlm_every == 0
        wanted = ids
        if masked:
            chosen = (torch.rand(ids.shape, device=self.device) < MASK_SHARE) & (ids >= FIRST_WORD_ID)
            ids = torch.where(chosen, torch.full_like(ids, MASK_ID), ids)
            extra = torch.randint(FIRST_WORD_ID, len(self.table), (NEGATIVES,), device=self.device)
            touched = torch.cat([ids.flatten(), wanted.flatten(), extra]).unique()
        else:
            touched = ids.unique()
        leaf = self.table[touched].requires_grad_(True)
        with autocast(self.device):
            hidden = self.student.hidden(functional.embedding(torch.searchsorted(touched, ids), leaf), mask)
        pooled = Student.pool(hidden, mask)
        use, mini = self._targets(kind, rows)
        parts = {"use": (1 - functional.cosine_similarity(self.student.use_head(pooled), use)).mean()}
        loss = parts["use"]
        if mini is not None:
            parts["mini"] = (1 - functional.cosine_similarity(pooled, mini)).mean()
            loss = loss + parts["mini"]
        if kind == "pair":
            parts["pair"] = self._contrast(pooled)
            loss = loss + 0.2 * parts["pair"]
        if masked and bool(chosen.any()):
            with autocast(self.device):
                logits = self.student.mlm(hidden[chosen]) @ leaf.t()
            parts["mlm"] = functional.cross_entropy(
                logits.float(), torch.searchsorted(touched, wanted[chosen])
            )
            loss = loss + 0.03 * parts["mlm"]
        return loss, touched, leaf, {f"{name}/{kind}": float(value.detach()) for name, value in parts.items()}

    @staticmethod
    def _contrast(pooled: Tensor) -> Tensor:
        english, chinese = functional.normalize(pooled, dim=-1).chunk(2)
        scores = english @ chinese.t() / TEMPERATURE
        goal = torch.arange(len(scores), device=scores.device)
        return (functional.cross_entropy(scores, goal) + functional.cross_entropy(scores.t(), goal)) / 2

    # ---- the run ---------------------------------------------------------------------------------------

    def progress(self, elapsed_s: float) -> float:
        """Share of the run that is done, by steps or by the allowed minutes, whichever is further."""
        by_time = elapsed_s / (self.s.minutes * 60) if self.s.minutes else 0.0
        return max(self.step / self.s.steps, by_time)

    def run(self) -> None:
        """Train to the end of `steps` (or `minutes`), saving a checkpoint and a usable model on the way."""
        self.resume()
        started, before = time.monotonic(), self.spent_s
        writer = event_writer(self.folder / "tensorboard")
        shown: dict[str, float] = {}
        with tqdm(total=self.s.steps, initial=self.step, desc="distil", unit="step", mininterval=15) as bar:
            while (done := self.progress(before + time.monotonic() - started)) < 1:
                torch.manual_seed(self.s.seed + self.step)
                factor = rate(done, self.step, self.s.warmup)
                for name, value in self._update(factor).items():
                    shown[name] = value if name not in shown else 0.98 * shown[name] + 0.02 * value
                self.step += 1
                self.average.update(self.step)
                bar.update()
                if self.step % 50 == 0:
                    for name, value in shown.items():
                        writer.add_scalar(name, value, self.step)
                    bar.set_postfix_str(" ".join(f"{k}={v:.3f}" for k, v in sorted(shown.items())))
                if self.step % self.s.checkpoint_every == 0:
                    self.spent_s = before + time.monotonic() - started
                    self.save()
        self.spent_s = before + time.monotonic() - started
        self.save()
        writer.close()

    def _update(self, factor: float) -> dict[str, float]:
        touched: list[tuple[Tensor, Tensor]] = []
        figures: dict[str, float] = {}
        for _ in range(self.s.accumulate):
            loss, rows, leaf, parts = self._loss(*self._draw())
            (loss / self.s.accumulate).backward()
            assert leaf.grad is not None
            touched.append((rows, leaf.grad))
            figures.update(parts)
        for group in self.optimiser.param_groups:
            group["lr"] = self.s.lr * factor
        torch.nn.utils.clip_grad_norm_(self.student.dense_parameters(), 1.0, foreach=True)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=False)
        rows, gradient = touched[0]
        if len(touched) > 1:
            rows, place = torch.cat([r for r, _ in touched]).unique(return_inverse=True)
            gradient = torch.zeros(len(rows), self.table.shape[1], device=self.device)
            gradient.index_add_(0, place, torch.cat([g for _, g in touched]))
        self.rows_optimiser.step(rows, gradient, self.s.lr_embeddings * factor)
        return figures

    # ---- checkpoints -----------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the checkpoint (atomically) and the averaged model as `work/run/model`."""
        state = {
            "step": self.step,
            "spent_s": self.spent_s,
            "counters": self.counters,
            "body": self.student.body.state_dict(),
            "use_head": self.student.use_head.state_dict(),
            "mlm": self.student.mlm.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "rows": self.rows_optimiser.state(),
            "average": self.average.values,
        }
        partial = self.folder / "checkpoint.part"
        torch.save(state, partial)
        partial.replace(self.folder / "checkpoint.pt")
        self.average.swap()
        save_student(self.student, self.folder / "model")
        self.average.swap()
        self.student.tokenizer.enable_truncation(self.s.max_tokens)
        self.student.tokenizer.enable_padding(pad_id=0, pad_to_multiple_of=4)
        self.s.save(self.folder / "settings.json")
        (self.folder / "state.json").write_text(
            json.dumps({"step": self.step, "spent_s": round(self.spent_s)})
        )

    def resume(self) -> None:
        """Load the last checkpoint when there is one."""
        path: Path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.step, self.spent_s, self.counters = state["step"], state["spent_s"], dict(state["counters"])
        self.student.body.load_state_dict(state["body"])
        self.student.use_head.load_state_dict(state["use_head"])
        self.student.mlm.load_state_dict(state["mlm"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.rows_optimiser.load(state["rows"])
        for value, kept in zip(self.average.values, state["average"], strict=True):
            value.copy_(kept)
        log.info("resumed at step %d", self.step)
