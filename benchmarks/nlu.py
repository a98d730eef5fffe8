"""Intent accuracy, calibration, out-of-scope and latency beside other people's methods, on the same texts.

Run: `python -m benchmarks.nlu --data FOLDER [--rows chengda,tfidf,use,diet] [--sets own,clinc150,cic_zh,xsid]`.
Rows and sets may be measured one after the other: figures are added to `--out`, and the page is made of all of them.
With `--limit N` all rows learn the same N texts, and the set has another name: "clinc150, 1000 texts".

FOLDER holds the public sets as `NAME.train.tsv` and `NAME.dev.tsv` (`text<TAB>intent`), `clinc150.oos_dev.tsv`,
`xsid_en.dev.tsv` and `xsid_zh.dev.tsv`. Rows: `chengda` (the joint model with its defaults), `tfidf` (word and
character TF-IDF, logistic regression), `use` (multilingual Universal Sentence Encoder, logistic regression) and
`diet` (Rasa's own pipeline).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.nlu_page import write_page
from nlp.joint import JointModel
from nlp.joint_manifest import MANIFEST
from training.nlu.config import read_settings
from training.nlu.data import OOS_LABELS, DataSet, Example, load_data
from training.nlu.evaluation import damaged, evaluate, language_of
from training.nlu.metrics import accuracy, calibration_error, per_label, reliability, separation
from training.nlu.pipeline import train

ROOT = Path(__file__).resolve().parent.parent
_TIMED, _PASSES = 100, 5


class Classifier(Protocol):
    """Anything that gives each text an intent, a probability and a novelty score."""

    def fit(self, examples: Sequence[Example]) -> None:
        """Learn from labelled texts."""

    def predict(self, texts: Sequence[str]) -> list[tuple[str, float, float]]:
        """Return intent, confidence and out-of-scope score of each text."""


class Chengda:
    """The joint model, trained and exported as `chengda train nlu` does."""

    def __init__(self, own: bool, folder: Path, reuse: bool) -> None:
        self._own, self._folder, self._reuse = own, folder, reuse
        self.cost: dict[str, float] = {}

    def fit(self, examples: Sequence[Example]) -> None:
        """Train into a folder and load what runs in the server: the int8 graph."""
        if not (self._reuse and (self._folder / MANIFEST).is_file()):
            settings = read_settings(
                None,
                own_data=self._own,
                base=ROOT / "nlp" / "base",
                clean_labels="off" if self._own else None,
            )
            names = ROOT / "bot" / "data" / "gazetteer" / "city.csv" if self._own else None
            self._folder.mkdir(parents=True)
            cpu = time.process_time()
            train(DataSet(list(examples)), self._folder, settings, gazetteer=names)
            (self._folder.parent / f"{self._folder.name}.cpu").write_text(str(time.process_time() - cpu))
        self.model = JointModel.load(self._folder)
        self.cost = {"train_s": self.model.manifest.metrics["seconds"]}
        measured = self._folder.parent / f"{self._folder.name}.cpu"
        self.cost["train_cpu_s"] = float(measured.read_text()) if measured.is_file() else float("nan")

    def predict(self, texts: Sequence[str]) -> list[tuple[str, float, float]]:
        """Predict with the exported model."""
        return [(p.intent, p.confidence, p.oos_score) for p in self.model.predict(texts)]


class Linear:
    """Logistic regression on a feature function."""

    def __init__(
        self, fit_features: Callable[[list[str]], Any], features: Callable[[list[str]], Any], c: float
    ) -> None:
        from sklearn.linear_model import LogisticRegression

        self._fit_features, self._features = fit_features, features
        self._model = LogisticRegression(C=c, max_iter=200)

    def fit(self, examples: Sequence[Example]) -> None:
        """Fit features and regression."""
        self._model.fit(self._fit_features([e.text for e in examples]), [e.intent for e in examples])

    def predict(self, texts: Sequence[str]) -> list[tuple[str, float, float]]:
        """Predict; the novelty score is the probability of a trained out-of-scope class, else one minus the highest."""
        found = self._model.predict_proba(self._features(list(texts)))
        best = found.argmax(1)
        outside = [at for at, name in enumerate(self._model.classes_) if name in OOS_LABELS]
        novelty = found[:, outside].sum(1) if outside else 1 - found.max(1)
        return [
            (str(self._model.classes_[k]), float(p[k]), float(new))
            for k, p, new in zip(best, found, novelty, strict=True)
        ]


def tfidf() -> Linear:
    """Word and character TF-IDF with logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    union = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b"),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), sublinear_tf=True, min_df=2),
    )
    return Linear(union.fit_transform, union.transform, 10.0)


def universal() -> Linear:
    """Multilingual Universal Sentence Encoder v3 with logistic regression."""
    from training.base.evaluate import in_batches
    from training.base.teachers import UseTeacher

    encode = in_batches(UseTeacher().encode)
    return Linear(encode, encode, 8.0)


class Diet:
    """Rasa's default pipeline: sparse features and DIET, trained in this process."""

    def __init__(self, epochs: int) -> None:
        self._epochs, self._outside = epochs, False

    def fit(self, examples: Sequence[Example]) -> None:
        """Write a Rasa project and train its NLU part."""
        import asyncio

        from rasa.core.agent import Agent
        from rasa.model_training import train_nlu

        self._outside = any(example.intent in OOS_LABELS for example in examples)
        folder = Path(tempfile.mkdtemp(prefix="diet-"))
        groups: dict[str, list[str]] = {}
        for example in examples:
            groups.setdefault(example.intent, []).append(example.text.replace("\n", " ").replace("[", "("))
        chinese = sum(language_of(e.text) != "en" for e in examples) > len(examples) / 4
        tokenizer = "JiebaTokenizer" if chinese else "WhitespaceTokenizer"
        pipeline = [
            {"name": tokenizer},
            {"name": "CountVectorsFeaturizer"},
            {"name": "CountVectorsFeaturizer", "analyzer": "char_wb", "min_ngram": 1, "max_ngram": 4},
            {
                "name": "DIETClassifier",
                "epochs": self._epochs,
                "entity_recognition": False,
                "constrain_similarities": True,
            },
        ]
        lines = ['version: "3.1"', "nlu:"]
        for intent, texts in groups.items():
            lines += [f"- intent: {json.dumps(intent, ensure_ascii=False)}", "  examples: |"]
            lines += [f"    - {text}" for text in texts]
        (folder / "nlu.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        config = {
            "recipe": "default.v1",
            "language": "zh" if chinese else "en",
            "pipeline": pipeline,
            "assistant_id": "x",
        }
        (folder / "config.yml").write_text(json.dumps(config), encoding="utf-8")
        model = train_nlu(str(folder / "config.yml"), str(folder / "nlu.yml"), str(folder / "models"))
        self._agent = Agent.load(model)
        self._loop = asyncio.new_event_loop()

    def predict(self, texts: Sequence[str]) -> list[tuple[str, float, float]]:
        """Parse each text."""
        found = []
        for text in texts:
            parse = self._loop.run_until_complete(self._agent.parse_message(text))
            name, confidence = str(parse["intent"]["name"]), float(parse["intent"]["confidence"])
            ranked = parse["intent_ranking"]
            outside = sum(float(row["confidence"]) for row in ranked if row["name"] in OOS_LABELS)
            found.append((name, confidence, outside if self._outside else 1 - confidence))
        return found


def load_sets(
    folder: Path, names: Sequence[str], limit: int
) -> dict[str, tuple[list[Example], dict[str, list[Example]]]]:
    """Return for each set its training examples and its named test lists; a set cut to `limit` (0: all) says so."""
    found: dict[str, tuple[list[Example], dict[str, list[Example]]]] = {}

    def read(name: str) -> list[Example]:
        return load_data(folder / name).examples

    if "own" in names:
        tests = ROOT / "tests" / "data" / "nlu"
        parts = {path.stem: load_data(path).examples for path in sorted(tests.glob("*.yml"))}
        found["own"] = load_data(ROOT / "bot" / "data" / "nlu").examples, parts
    if "clinc150" in names:
        found["clinc150"] = (
            read("clinc150.train.tsv"),
            {"dev": read("clinc150.dev.tsv") + read("clinc150.oos_dev.tsv")},
        )
    if "cic_zh" in names:
        found["cic_zh"] = read("cic_zh.train.tsv"), {"dev": read("cic_zh.dev.tsv")}
    if "xsid" in names:
        english, chinese = read("xsid_en.dev.tsv"), read("xsid_zh.dev.tsv")
        found["xsid en→zh"] = english, {"zh": chinese}
        found["xsid zh→en"] = chinese, {"en": english}
    cut: dict[str, tuple[list[Example], dict[str, list[Example]]]] = {}
    for name, (examples, parts) in found.items():
        if limit and len(examples) > limit:
            cut[f"{name}, {limit} texts,"] = random.Random(0).sample(examples, limit), parts
        else:
            cut[name] = examples, parts
    return cut


def measure(classifier: Classifier, examples: Sequence[Example], noise: bool) -> dict[str, Any]:
    """Return the figures of one classifier on one list of texts."""
    texts = [example.text for example in examples]
    predictions = classifier.predict(texts)
    own_oos = [e for e in examples if e.intent in OOS_LABELS]
    inside = [(e, p) for e, p in zip(examples, predictions, strict=True) if e.intent not in {"oos"}]
    gold, guess = [e.intent for e, _ in inside], [p[0] for _, p in inside]
    table = reliability([p[1] for _, p in inside], [g == p for g, p in zip(gold, guess, strict=True)])
    found: dict[str, Any] = {
        "texts": len(inside),
        "accuracy": accuracy(gold, guess),
        "macro_f1": float(np.mean([score.f1 for score in per_label(gold, guess).values()])),
        "ece": calibration_error(table),
    }
    if own_oos:
        found["oos"] = separation(
            [p[2] for e, p in zip(examples, predictions, strict=True) if e.intent not in OOS_LABELS],
            [p[2] for e, p in zip(examples, predictions, strict=True) if e.intent in OOS_LABELS],
        )
    if noise:
        kept = [e for e, _ in inside]
        for kind in ("typo", "homophone", "punctuation", "case"):
            changed = damaged(kept, kind)
            if any(a.text != b.text for a, b in zip(kept, changed, strict=True)):
                copies = classifier.predict([e.text for e in changed])
                found[f"noise {kind}"] = accuracy(gold, [p[0] for p in copies])
    return {**found, **latency(classifier, texts)}


def latency(classifier: Classifier, texts: Sequence[str]) -> dict[str, float]:
    """Return the medians of wall and of CPU milliseconds, one text at a time.

    All texts are read in five passes and the quickest reading of each counts, so that other work on the machine
    is kept out of the figure.
    """
    chosen = random.Random(1).sample(list(texts), min(_TIMED, len(texts)))
    wall, cpu = [float("inf")] * len(chosen), [float("inf")] * len(chosen)
    for _ in range(_PASSES):
        for at, text in enumerate(chosen):
            started, spent = time.perf_counter(), time.process_time()
            classifier.predict([text])
            wall[at] = min(wall[at], 1000 * (time.perf_counter() - started))
            cpu[at] = min(cpu[at], 1000 * (time.process_time() - spent))
    return {"p50_ms": float(np.median(wall)), "cpu_ms": float(np.median(cpu))}


def _say(set_name: str, part: str, row: str, found: dict[str, Any]) -> None:
    oos = found.get("oos") or {}
    print(
        f"{set_name:12} {part:10} {row:8} accuracy {found['accuracy']:.4f}  F1 {found['macro_f1']:.4f}  "
        f"ECE {found['ece']:.3f}  OOS AUROC {oos.get('auroc', float('nan')):.4f}  p50 {found['p50_ms']:.1f} ms  "
        f"train {found['train_s']:.0f} s, CPU {found['train_cpu_s']:.0f} s",
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", default="chengda,tfidf,use,diet")
    parser.add_argument("--sets", default="own,clinc150,cic_zh,xsid")
    parser.add_argument("--limit", type=int, default=0, help="training texts of a set at most (0: all)")
    parser.add_argument("--diet-epochs", type=int, default=30)
    parser.add_argument("--keep", type=Path, help="folder for our trained models, one a set")
    parser.add_argument(
        "--reuse", action="store_true", help="measure the model below --keep where there is one"
    )
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks/nlu.json"))
    parser.add_argument("--page", type=Path, help="Markdown page to write from all figures so far")
    parser.add_argument(
        "--ablations", type=Path, help="figures of `benchmarks.nlu_ablations` to put on the page"
    )
    return parser.parse_args()


def main() -> None:
    """Run the chosen rows on the chosen sets, print one line each, write all figures as JSON and as a page."""
    options = _options()
    results: dict[str, dict[str, Any]] = {}
    if options.out.is_file():
        results = json.loads(options.out.read_text(encoding="utf-8"))
    names = [name for name in options.sets.split(",") if name]
    for set_name, (examples, parts) in load_sets(options.data, names, options.limit).items():
        for row in options.rows.split(","):
            own = set_name.split(",")[0] == "own"
            kept = (options.keep or Path(tempfile.mkdtemp(prefix="nlu-"))) / set_name.replace(" ", "-")
            makers: dict[str, Callable[[], Classifier]] = {
                "chengda": lambda own=own, kept=kept: Chengda(own, kept, options.reuse),  # type: ignore[misc]
                "tfidf": tfidf,
                "use": universal,
                "diet": lambda: Diet(options.diet_epochs),
            }
            classifier = makers[row]()
            wall, cpu = time.perf_counter(), time.process_time()
            classifier.fit(examples)
            cost = {"train_s": time.perf_counter() - wall, "train_cpu_s": time.process_time() - cpu}
            for part, texts in parts.items():
                found = {**measure(classifier, texts, noise=part.startswith("blind")), **cost}
                found["train_texts"] = len(examples)
                if row == "diet":
                    found["epochs"] = options.diet_epochs
                if isinstance(classifier, Chengda):
                    found.update(classifier.cost)
                    if any(e.marks for e in texts):
                        result = evaluate(classifier.model, DataSet(list(texts)), noise=False)
                        found["entity_f1"] = result["entities"]["micro"]["f1"]
                results.setdefault(f"{set_name} {part}", {})[row] = found
                _say(set_name, part, row, found)
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if options.page is not None:
        rows = json.loads(options.ablations.read_text(encoding="utf-8")) if options.ablations else {}
        write_page(options.page, results, rows)


if __name__ == "__main__":
    main()
