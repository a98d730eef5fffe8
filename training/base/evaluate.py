"""Measure any sentence encoder by the same yardsticks: translation, search, robustness, probes, transfer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from training.base.corpus import load_pairs, read_lines
from training.base.damage import damage
from training.base.parents import FloatArray
from training.base.probe import probe, read_labelled, transfer_probe

log = logging.getLogger(__name__)
Embed = Callable[[list[str]], FloatArray]
Scores = dict[str, float]


def top1(queries: FloatArray, answers: FloatArray, distractors: FloatArray | None = None) -> float:
    """Share of queries (n, d) whose nearest row among answers (n, d) and distractors (m, d) is their own."""
    own = np.sum(queries * answers, axis=1)
    best = (queries @ answers.T).max(axis=1)
    if distractors is not None and len(distractors):
        best = np.maximum(best, (queries @ distractors.T).max(axis=1))
    return float(np.mean(own >= best - 1e-6))


class Yardsticks:
    """All measures over one work folder (held-out sets) and one folder of labelled data."""

    def __init__(self, work: Path, nlu: Path | None) -> None:
        self.nlu = nlu
        pairs = load_pairs(work / "heldout.tsv")
        self.en, self.zh = [p[0] for p in pairs], [p[1] for p in pairs]
        self.paraphrases = {lang: load_pairs(work / f"paraphrase.{lang}.tsv") for lang in ("zh", "en")}
        self.distractors = {lang: list(read_lines(work / f"distractors.{lang}.txt")) for lang in ("zh", "en")}

    def translation(self, embed: Embed) -> Scores:
        """Top-1 among the held-out translations, both ways."""
        en, zh = embed(self.en), embed(self.zh)
        return {"tatoeba en→zh": top1(en, zh), "tatoeba zh→en": top1(zh, en)}

    def search(self, embed: Embed) -> Scores:
        """A question's paraphrase or translation among 10 000 other sentences."""
        far = {lang: embed(texts) for lang, texts in self.distractors.items()}
        scores: Scores = {}
        for lang, pairs in self.paraphrases.items():
            first, second = embed([p[0] for p in pairs]), embed([p[1] for p in pairs])
            scores[f"search {lang}→{lang}"] = (
                top1(first, second, far[lang]) + top1(second, first, far[lang])
            ) / 2
        en, zh = embed(self.en), embed(self.zh)
        scores["search zh→en"], scores["search en→zh"] = top1(zh, en, far["en"]), top1(en, zh, far["zh"])
        return scores

    def robustness(self, embed: Embed) -> Scores:
        """Translation and paraphrase top-1 when the query is damaged."""
        en, zh = embed(self.en), embed(self.zh)
        scores: Scores = {}
        for kind in ("typo", "no punctuation", "mixed language", "traditional"):
            scores[f"zh→en {kind}"] = top1(embed(damage(self.zh, kind)), en)
            if kind == "traditional":
                continue
            scores[f"en→zh {kind}"] = top1(embed(damage(self.en, kind)), zh)
            scores[f"en→itself {kind}"] = top1(embed(damage(self.en, kind)), en)
        return scores

    def probes(self, embed: Embed) -> Scores:
        """Linear probes on the labelled sets, and transfer between languages on xsid."""
        if self.nlu is None:
            return {}
        scores: Scores = {}
        for name in ("cic_zh", "clinc150"):
            texts, labels = read_labelled(self.nlu / f"{name}.train.tsv")
            held, answers = read_labelled(self.nlu / f"{name}.dev.tsv")
            scores[f"probe {name}"] = probe(embed(texts), labels, [(embed(held), answers)])[0]
        en_texts, labels = read_labelled(self.nlu / "xsid_en.dev.tsv")
        zh_texts, _ = read_labelled(self.nlu / "xsid_zh.dev.tsv")
        en, zh = embed(en_texts), embed(zh_texts)
        scores["xsid en→en"], scores["xsid en→zh"] = transfer_probe(en, zh, labels)
        scores["xsid zh→zh"], scores["xsid zh→en"] = transfer_probe(zh, en, labels)
        scores["xsid top-1 zh→en"] = top1(zh, en)
        return scores

    def all(self, embed: Embed) -> Scores:
        """Every measure in one dictionary, each a share between 0 and 1."""
        known: dict[str, FloatArray] = {}

        def remembered(texts: list[str]) -> FloatArray:
            missing = sorted({text for text in texts if text not in known})
            known.update(zip(missing, embed(missing) if missing else [], strict=True))
            return np.stack([known[text] for text in texts])

        scores: Scores = {}
        for measure in (self.translation, self.search, self.robustness, self.probes):
            scores.update(measure(remembered))
        return scores


def as_table(results: dict[str, Scores]) -> str:
    """Lay the scores of several models side by side as a Markdown table, in per cent."""
    models = list(results)
    rows = list(dict.fromkeys(measure for scores in results.values() for measure in scores))
    lines = ["| measure | " + " | ".join(models) + " |", "|---|" + "---|" * len(models)]
    for row in rows:
        cells = (f"{100 * results[m][row]:.1f}" if row in results[m] else "–" for m in models)
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def in_batches(encode: Callable[[Sequence[str]], FloatArray], size: int = 128) -> Embed:
    """Wrap a teacher's `encode` so that long lists go through it in batches of similar length."""

    def embed(texts: list[str]) -> FloatArray:
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        parts = [encode([texts[row] for row in order[i : i + size]]) for i in range(0, len(order), size)]
        joined = np.concatenate(parts)
        out = np.empty_like(joined)
        out[order] = joined
        return out

    return embed
