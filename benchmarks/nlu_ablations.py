"""What each choice of NLU training costs and brings, on our own data and test files.

Run: `python -m benchmarks.nlu_ablations [--only no_aug,no_ngrams] [--limit 1500] [--epochs 4]`. Every row is one run from the same seed
that differs from the defaults in one thing; figures are added to those in `--out`.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from nlp.joint import JointModel
from training.nlu.data import DataSet, load_data
from training.nlu.evaluation import evaluate
from training.nlu.pipeline import train
from training.nlu.settings import Augmentation, TrainSettings

ROOT = Path(__file__).resolve().parent.parent
ROWS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "no augmentation": {"augmentation": Augmentation.off()},
    "no entity substitution": {"augmentation": Augmentation(entities=0)},
    "no typos": {"augmentation": Augmentation(typos=0)},
    "no homophones": {"augmentation": Augmentation(homophones=0)},
    "no lost punctuation": {"augmentation": Augmentation(punctuation=0)},
    "no case": {"augmentation": Augmentation(case=0)},
    "no code-switching": {"augmentation": Augmentation(code_switching=0)},
    "no fillers": {"augmentation": Augmentation(fillers=0)},
    "with traditional characters": {"augmentation": Augmentation(traditional=0.1)},
    "with fresh slips in every pass": {"augmentation": Augmentation(noise=0.3)},
    "no n-grams": {"ngrams": False},
    "no spelling repair": {"repair_spelling": False},
    "no weight average": {"average": 0.0},
    "no label smoothing": {"label_smoothing": 0.0},
    "lowest 2 layers kept": {"frozen_layers": 2},
    "frozen word table": {"freeze_embeddings": True},
    "class weights": {"class_weights": True},
    "FGM": {"fgm": 0.5},
    "R-Drop": {"r_drop": 1.0},
    "LoRA": {"method": "lora"},
    "AdaLoRA": {"method": "adalora"},
    "prefix": {"method": "prefix"},
    "4 of 6 layers": {"keep_layers": 4},
    "trimmed vocabulary": {"trim_vocabulary": True},
    "float32 graph": {"quantise": False},
}


def main() -> None:
    """Run the rows and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows to run, separated by commas (all when left out)")
    parser.add_argument("--limit", type=int, default=0, help="training texts at most (0: all)")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks/nlu_ablations.json"))
    options = parser.parse_args()
    data = load_data(ROOT / "bot" / "data" / "nlu")
    if options.limit:
        data.examples = random.Random(0).sample(data.examples, options.limit)
    tests = load_data(ROOT / "tests" / "data" / "nlu")
    chosen = [name.strip() for name in options.only.split(",") if name.strip()] or list(ROWS)
    results: dict[str, Any] = {}
    if options.out.is_file():
        results = json.loads(options.out.read_text(encoding="utf-8"))
    for name in chosen:
        # Our own labels are trained on as they are, as `chengda train nlu` does.
        base = TrainSettings(base=ROOT / "nlp" / "base", epochs=options.epochs, clean_labels="off")
        settings = replace(base, **ROWS[name])
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            started, spent = time.perf_counter(), time.process_time()
            trained = train(data, out, settings, gazetteer=ROOT / "bot" / "data" / "gazetteer" / "city.csv")
            seconds, cpu = time.perf_counter() - started, time.process_time() - spent
            found = evaluate(JointModel.load(out), DataSet(tests.examples))
        results[name] = {
            "accuracy": found["accuracy"],
            "zh": found["slices"]["language"]["zh"]["accuracy"],
            "en": found["slices"]["language"]["en"]["accuracy"],
            "noise": {kind: row["accuracy"] for kind, row in found["noise"].items()},
            "entity_f1": found["entities"]["micro"]["f1"],
            "ece": found["ece"],
            "p50_ms": found["latency"]["p50_ms"],
            "graph_mb": trained.exported.megabytes,
            "train_s": seconds,
            "train_cpu_s": cpu,
            "train_texts": len(data.examples),
            "texts": len(tests.examples),
        }
        row = results[name]
        noise = " ".join(f"{kind} {value:.3f}" for kind, value in row["noise"].items())
        print(
            f"{name:28} {row['accuracy']:.4f} zh {row['zh']:.4f} en {row['en']:.4f} | {noise} | "
            f"F1 {row['entity_f1']:.3f} ECE {row['ece']:.3f} | {row['p50_ms']:.1f} ms {row['graph_mb']:.0f} MB {seconds:.0f} s",
            flush=True,
        )
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
