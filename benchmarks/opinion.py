"""Measures the opinion module: sentiment beside two baselines, fairness, speed, detection, memory.

    python -m benchmarks.opinion --data FOLDER [--parts sentiment,fairness,speed,detection,memory] [--out FILE]

FOLDER holds the public sets named in nlp/adapters/sentiment/README.md (`chnsenticorp_zh.*.tsv.gz` and so on); nothing of
them is copied. Every part prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, recall_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from actions.opinion.demo.stream import generate, planted
from actions.opinion.intake import Door, language_of
from actions.opinion.judging import Judge, PostReader
from actions.opinion.model import RawPost
from actions.opinion.service import OpinionService
from actions.opinion.settings import OpinionSection
from actions.opinion.sources.base import Batch, PullSource
from actions.opinion.watch import pull
from actions.opinion.words import WordCutter
from city.settings import load_settings
from nlp.encoder import BASE_DIR, Encoder
from nlp.sentiment import Feeling, Readings, SentimentModel, model_dir
from training.sentiment.data import Labelled, load_posts, split_folds

_MARK = re.compile(r" [a-z]+\d*x?\d+$")
FOLD_SEED = 5  # the shipped model was trained without the first of these five folds
START = datetime(2026, 3, 1, 16, 0, tzinfo=timezone.utc)
# ruff: noqa: E501
GROUPS = {
    "zh": ["老人", "年轻人", "女司机", "外地人", "本地人", "残疾人", "农民工", "外国人", "大学生", "回族朋友"],
    "en": ["older people", "young people", "women", "men", "migrants", "locals", "disabled people", "muslims", "students", "gay people"],
}  # fmt: skip
TEMPLATES = {
    "zh": ["{g}在人民广场跳舞", "今天遇到一位{g}", "{g}来窗口办事", "{g}说路灯坏了三天没人修", "感谢{g}帮忙打扫"],
    "en": ["{g} dance in the square", "met {g} today", "{g} came to the counter", "{g} say the light has been broken for days", "thanks to {g} for cleaning up"],
}  # fmt: skip
DIALECTS = [
    ("这个路太差了，没人管", "这路咋恁差，冇人管"),
    ("服务很好，谢谢", "服务几好，多谢晒"),
    ("这里很舒服", "这里安逸得很"),
    ("你们在干什么，停水也不说", "你们搞啥子名堂，停水也不讲"),
    ("the road is terrible and nobody fixes it", "road's well bad innit, nobody fixin it"),
    ("great service, thank you", "proper good service, ta"),
]


def sentiment(folder: Path, model: SentimentModel) -> dict[str, Any]:
    """Three public sets, each with the model and two baselines trained on the same data in this run."""
    encoder = Encoder.load(BASE_DIR, max_tokens=64)  # as many as the model reads
    ewect = load_posts([folder / "ewect_virus_zh.train.tsv.gz"])
    held = set(split_folds(ewect, 5, FOLD_SEED)[0])
    sets = {
        "chnsenticorp accuracy": (
            load_posts([folder / "chnsenticorp_zh.train.tsv.gz"]),
            load_posts([folder / "chnsenticorp_zh.dev.tsv.gz"]),
            "sentiment", lambda g, p: float(np.mean(np.asarray(g) == np.asarray(p))),
        ),
        "tweeteval macro-recall": (
            load_posts([folder / "tweeteval_en.train.tsv.gz"]),
            load_posts([folder / "tweeteval_en.dev.tsv.gz"]),
            "sentiment", lambda g, p: float(recall_score(g, p, average="macro")),
        ),
        "ewect macro-F1 (one held-out fold of five)": (
            [p for i, p in enumerate(ewect) if i not in held],
            [p for i, p in enumerate(ewect) if i in held],
            "emotion", lambda g, p: float(f1_score(g, p, average="macro")),
        ),
    }  # fmt: skip
    found: dict[str, Any] = {"model": model.version}
    for name, (train, dev, field, score) in sets.items():
        found[name] = _compare(model, encoder, train, dev, field, score)
        print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    return found


def _compare(
    model: SentimentModel,
    encoder: Encoder,
    train: list[Labelled],
    dev: list[Labelled],
    field: str,
    score: Callable[[list[str], list[str]], float],
) -> dict[str, float]:
    texts, gold = [p.text for p in train], [str(getattr(p, field)) for p in train]
    asked, right = [p.text for p in dev], [str(getattr(p, field)) for p in dev]
    svm = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=2, sublinear_tf=True), LinearSVC(C=0.5)
    ).fit(texts, gold)
    frozen = LogisticRegression(C=30, max_iter=2000).fit(encoder.encode(texts), gold)
    feelings = model.predict(asked)
    if field == "emotion":
        ours = [f.emotion for f in feelings]
    elif set(right) == {"negative", "positive"}:
        ours = ["positive" if f.positive > f.negative else "negative" for f in feelings]
    else:
        ours = [f.sentiment for f in feelings]
    return {
        "model": round(score(right, ours), 4),
        "tfidf_linearsvc": round(score(right, list(svm.predict(asked))), 4),
        "frozen_base_lr": round(score(right, list(frozen.predict(encoder.encode(asked)))), 4),
        "posts": len(dev),
    }


def fairness(model: SentimentModel) -> dict[str, Any]:
    """Mean probability of "negative" by group over the same sentences, and shifts between standard and dialect."""
    found: dict[str, Any] = {"model": model.version}
    for language, groups in GROUPS.items():
        means = {}
        for group in groups:
            texts = [template.replace("{g}", group) for template in TEMPLATES[language]]
            means[group] = round(float(np.mean([f.negative for f in model.predict(texts)])), 3)
        found[language] = {**means, "largest gap": round(max(means.values()) - min(means.values()), 3)}
    pairs = [model.predict(list(pair)) for pair in DIALECTS]
    found["dialect"] = {
        "same label": f"{sum(a.sentiment == b.sentiment for a, b in pairs)} of {len(pairs)}",
        "mean shift": round(float(np.mean([abs(a.negative - b.negative) for a, b in pairs])), 3),
    }
    return found


class Remembering:
    """A model that reads every wording once; what the benchmark adds to a text to make it new is not part of it."""

    def __init__(self, model: SentimentModel) -> None:
        self._model, self.version, self.passes = model, model.version, 0
        self._known: dict[str, tuple[Feeling, np.ndarray]] = {}

    def read(self, texts: Sequence[str]) -> Readings:
        """Return readings, of the model for new wordings, else as they were."""
        bare = [_MARK.sub("", text) for text in texts]
        new = [text for text in dict.fromkeys(bare) if text not in self._known]
        read = self._model.read(new)
        self.passes += len(new)
        self._known.update(zip(new, zip(read.feelings, read.topics, strict=True), strict=True))
        found = [self._known[text] for text in bare]
        width = len(found[0][1]) if found else 0
        return Readings([f for f, _ in found], np.array([v for _, v in found]).reshape(len(found), width))


def _service(
    folder: Path, now: datetime = START, reader: PostReader | None = None, **section: Any
) -> OpinionService:
    settings = load_settings()
    model = model_dir(settings.data)
    (folder / "models" / "sentiment").mkdir(parents=True)
    (folder / "models" / "sentiment" / model.name).symlink_to(model)
    service = OpinionService(
        OpinionSection(**section),
        settings.path,
        ZoneInfo("Asia/Shanghai"),
        folder,
        clock=lambda: now,
        make_judge=(lambda: judge(reader)) if reader is not None else None,
    )

    def judge(reads: PostReader) -> Judge:
        cutter = WordCutter(service.gazetteer, folder / "opinion")
        return Judge(reads, service.lexicon, service.gazetteer, cutter)

    return service


class Posts(PullSource):
    """Posts in memory, handed out in batches as any other source does."""

    name = "posts"

    def __init__(self, posts: Sequence[RawPost], batch: int) -> None:
        self._posts, self._batch = posts, batch

    def read(self, position: Mapping[str, Any]) -> Iterator[Batch]:
        """Yield all posts."""
        for at in range(0, len(self._posts), self._batch):
            yield Batch(self._posts[at : at + self._batch], {"records": at})


def speed(posts_wanted: int) -> dict[str, Any]:
    """Posts a second from the door to the data base, read as `chengda opinion ingest` and `watch` read them."""
    stream = [
        post for post, _ in generate(START, 21, planted(START, 21), scale=max(1.0, posts_wanted / 4500))
    ][:posts_wanted]
    with tempfile.TemporaryDirectory() as name:
        service = _service(Path(name), START + timedelta(days=22))
        with service.reader() as pipeline:
            pull(service, pipeline, Posts(_renamed(stream[:128], "warm"), service.section.batch))
            start, end = service.period(1)
            # The drawing library and the language profiles are loaded once a process.
            service.chart("city", start, end, "warm", "en")
            language_of("Heads up: job fair in Binhe District next week")
            source = Posts(_renamed(stream, "s"), service.section.batch)
            began, cpu = time.perf_counter(), time.process_time()
            report = pull(service, pipeline, source)
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        service.close()
    return {
        "posts": report.read,
        "kept": report.new,
        "posts_per_wall_s": round(report.read / wall),
        "posts_per_cpu_s": round(report.read / cpu),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _renamed(posts: Sequence[RawPost], lead: str, later: timedelta = timedelta(0)) -> list[RawPost]:
    return [
        RawPost(p.source, f"{lead}-{i}", f"{p.text} {lead}{i}", p.at + later, p.author, reach=p.reach)
        for i, p in enumerate(posts)
    ]


def detection(seed: int, model: PostReader, alarms: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Three weeks with ten planted incidents: delay to the first alarm whose evidence is mostly of the incident.

    Args:
        seed: of the stream and of its incidents.
        model: reads the posts.
        alarms: other limits than the default ones, to choose by.
    """
    incidents = planted(START, 21, seed + 4)
    stream = generate(START, 21, incidents, seed=seed)
    belongs = {post.external_id: incident for post, incident in stream}
    delays: dict[str, float | None] = {incident.id: None for incident in incidents}
    false: list[str] = []
    seen: set[int] = set()
    with tempfile.TemporaryDirectory() as name:
        service = _service(Path(name), reader=model, alarms=dict(alarms or {}))
        door = Door.open(Path(name) / "opinion")
        with service.reader() as pipeline:
            # All posts at once fill batches well; what follows goes minute by minute as in life.
            service.judge().reader.read(
                [door.admit(post, START + timedelta(days=30)).text for post, _ in stream]
            )
            at = 0
            while at < len(stream):
                until = stream[at][0].at + timedelta(minutes=5)
                end = at
                while end < len(stream) and stream[end][0].at <= until:
                    end += 1
                pipeline.ingest([post for post, _ in stream[at:end]], now=stream[end - 1][0].at)
                at = end
                for alarm in service.queries.alarms(most=5):
                    if alarm.id in seen or alarm.level < 2:
                        continue
                    seen.add(alarm.id)
                    kinds = [belongs[i] for i in _external(service, alarm.evidence)]
                    kind = max(set(kinds), key=kinds.count)
                    incident = next((i for i in incidents if i.id == kind), None)
                    if incident is None:
                        false.append(f"{alarm.opened_at:%m-%d %H:%M} {alarm.rule} {alarm.label['en']}")
                    elif delays[kind] is None:
                        delays[kind] = round((alarm.opened_at - incident.start).total_seconds() / 60, 1)
        service.close()
    known = [d for d in delays.values() if d is not None]
    return {
        "seed": seed,
        "posts": len(stream),
        "found_within_an_hour": sum(d <= 60 for d in known),
        "incidents": len(incidents),
        "median_delay_min": float(np.median(known)) if known else None,
        "delays_min": delays,
        "false_alarms_per_week": round(len(false) / 3, 2),
        "false": false,
    }


def _external(service: OpinionService, ids: tuple[int, ...]) -> list[str]:
    from sqlalchemy import select

    from actions.opinion.tables import posts
    from city.db import reading

    with reading(service.engine) as session:
        return list(session.scalars(select(posts.c.external_id).where(posts.c.id.in_(ids))))


def memory(posts_wanted: int, model: SentimentModel) -> dict[str, Any]:
    """Resident memory while posts stream through, in MB at every twentieth of the way.

    The model reads each wording once, before the first post; the door, topics, severity, counts, alarms and the data base
    see every post. Three weeks are followed by the same three weeks, later.
    """
    import psutil

    process, remembering = psutil.Process(), Remembering(model)
    points: list[list[int]] = []
    stream = [post for post, _ in generate(START, 21, planted(START, 21), scale=4)]
    with tempfile.TemporaryDirectory() as name:
        service = _service(Path(name), START + timedelta(days=36_500), remembering)
        door = Door.open(Path(name) / "opinion")
        remembering.read([door.admit(post, START + timedelta(days=30)).text for post in stream])
        began = time.process_time()
        with service.reader() as pipeline:
            done = 0
            while done < posts_wanted:
                again, at = divmod(done, len(stream))
                part = stream[at : at + 512]
                batch = _renamed(part, f"m{done}x", timedelta(days=21 * again))
                pull(service, pipeline, Posts(batch, 128))
                done += len(batch)
                if done * 20 // posts_wanted > len(points):
                    points.append([done, round(process.memory_info().rss / 1e6), len(pipeline.topics.topics)])
                    print("{} posts: {} MB, {} topics awake".format(*points[-1]), file=sys.stderr, flush=True)
        service.close()
        size = round((Path(name) / "opinion.db").stat().st_size / 1e6)
    return {
        "posts": done,
        "posts_mb_topics": points,
        "wordings_read_by_the_model": remembering.passes,
        "database_mb": size,
        "cpu_s": round(time.process_time() - began),
    }


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--parts", default="sentiment,fairness,speed,detection,memory")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--posts", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7, help="of the first stream")
    options = parser.parse_args()
    settings = load_settings()
    model = SentimentModel.load(model_dir(settings.data))
    found: dict[str, Any] = {}
    for part in options.parts.split(","):
        if part == "sentiment":
            if options.data is None:
                parser.error("--data is needed for the part `sentiment`")
            found[part] = sentiment(options.data, model)
        elif part == "fairness":
            found[part] = fairness(model)
        elif part == "speed":
            found[part] = speed(options.posts)
        elif part == "detection":
            found[part] = [
                detection(seed, Remembering(model))
                for seed in range(options.seed, options.seed + options.seeds)
            ]
        elif part == "memory":
            found[part] = memory(options.posts, model)
        else:
            parser.error(f"unknown part {part!r}")
        print(json.dumps({part: found[part]}, ensure_ascii=False, indent=1), flush=True)
    if options.out is not None:
        options.out.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
