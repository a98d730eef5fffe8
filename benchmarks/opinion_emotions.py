"""Five-fold cross-validation of emotions on SMP2020-EWECT "virus": the model's own recipe beside two baselines.

    python -m benchmarks.opinion_emotions --data FOLDER --out FILE.jsonl [--layers 3] [--epochs 2]

FOLDER holds `ewect_virus_zh.train.tsv.gz`. Each fold's network starts from the base and sees EWECT alone, so nothing of
the fold, and none of the shipped adapters' other posts either. A fold is written as soon as it is done; those that FILE
already has are passed over.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from tokenizers import Tokenizer

from benchmarks.opinion import FOLD_SEED
from nlp.encoder import BASE_DIR, Encoder
from nlp.joint_decode import FloatArray
from nlp.sentiment import EMOTIONS, SENTIMENTS, TOKENIZER
from training.sentiment.data import Labelled, balanced, load_posts, split_folds
from training.sentiment.fitting import FitSettings, encode, fit
from training.sentiment.heads import start_heads
from training.sentiment.network import new_network, outputs, shape_of
from training.sentiment.ngrams import choose_share, train_ngrams

FOLDS, HELD_FOLDS, MOST, TOKENS = 5, 20, 1100, 64


def trained_emotions(
    training: Sequence[Labelled], asked: Sequence[Labelled], layers: int, epochs: int
) -> list[str]:
    """Return the emotion of each post in `asked`: network and n-grams trained and weighed as for the shipped model."""
    settings = FitSettings(epochs=epochs, lr=5e-4, tokens=TOKENS, threads=1)
    used = balanced(training, MOST, settings.seed)
    held = set(split_folds(used, HELD_FOLDS, settings.seed)[0])
    dev = [post for row, post in enumerate(used) if row in held]
    fitted = [post for row, post in enumerate(used) if row not in held]
    network = new_network(BASE_DIR, shape_of(BASE_DIR, layers=layers))
    tokenizer = Tokenizer.from_file(str(BASE_DIR / TOKENIZER))
    rows, dev_rows, asked_rows = (encode(part, tokenizer, TOKENS) for part in (fitted, dev, asked))
    start_heads(network, rows, fitted)
    fit(network, rows, dev_rows, settings)
    gold = [np.array([EMOTIONS.index(str(p.emotion)) for p in part], np.int64) for part in (fitted, dev)]
    beside = train_ngrams(
        [p.text for p in fitted],
        [(np.full(len(fitted), -1, np.int64), len(SENTIMENTS)), (gold[0], len(EMOTIONS))],
    )

    def ngrams(posts: Sequence[Labelled]) -> FloatArray:
        return beside.score([post.text for post in posts])[:, len(SENTIMENTS) :]

    share, _ = choose_share(outputs(network, dev_rows.ids)[1].numpy(), ngrams(dev), gold[1])
    both = outputs(network, asked_rows.ids)[1].numpy() + share * ngrams(asked)
    return [EMOTIONS[at] for at in both.argmax(1)]


def main() -> None:
    """Run the folds that are missing, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    posts = load_posts([options.data / "ewect_virus_zh.train.tsv.gz"])
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.is_file() else []
    done = [json.loads(line) for line in lines]
    # As many tokens as the network reads.
    vectors = Encoder.load(BASE_DIR, max_tokens=TOKENS).encode([post.text for post in posts])
    emotions = np.array([str(post.emotion) for post in posts])
    for fold, rows in enumerate(split_folds(posts, FOLDS, FOLD_SEED)):
        if any(one["fold"] == fold for one in done):
            continue
        began = time.process_time()
        asked = np.zeros(len(posts), bool)
        asked[rows] = True
        train, test = [posts[i] for i in np.flatnonzero(~asked)], [posts[i] for i in np.flatnonzero(asked)]
        svm = make_pipeline(
            TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=2, sublinear_tf=True),
            LinearSVC(C=0.5),
        ).fit([post.text for post in train], emotions[~asked])
        frozen = LogisticRegression(C=30, max_iter=2000).fit(vectors[~asked], emotions[~asked])
        answers = {
            "tfidf_linearsvc": svm.predict([post.text for post in test]),
            "frozen_base_lr": frozen.predict(vectors[asked]),
            "model": trained_emotions(train, test, options.layers, options.epochs),
        }
        scores = {
            name: round(float(f1_score(emotions[asked], said, average="macro")), 4)
            for name, said in answers.items()
        }
        done.append({"fold": fold, "posts": len(test), **scores, "cpu_s": round(time.process_time() - began)})
        with options.out.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(done[-1]) + "\n")
        print(done[-1], file=sys.stderr, flush=True)
    means = {
        name: round(float(np.mean([one[name] for one in done])), 4)
        for name in ("model", "tfidf_linearsvc", "frozen_base_lr")
    }
    print(json.dumps({"folds": len(done), **means}))


if __name__ == "__main__":
    main()
