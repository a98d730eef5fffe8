"""`chengda train reranker`: a cross-encoder for the knowledge base, from the articles and the calibration questions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chengda.console_output import console, plain_errors
from city.settings import load_settings
from knowledge.article import LANGUAGES
from knowledge.calibrating import LabelledQuestion, read_background, read_questions
from knowledge.importing import Progress as Told
from knowledge.ranking import make_query, search
from knowledge.remembering import RememberingEncoder
from knowledge.reranking import TOP, passage_text, rerankers_dir
from knowledge.service import KnowledgeService
from knowledge.snapshot import Filter

if TYPE_CHECKING:
    from training.reranking.data import Asked

# Share of questions that are also put to passages in the other language.
_ACROSS = 0.3


def train_reranker(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder; default: a new version of the city's. 输出目录"),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, max=50, help="Passes over the questions. 轮数")] = 2,
    phrasings: Annotated[
        int, typer.Option(min=0, help="Articles' own phrasings that train along. 文章问法数")
    ] = 600,
    minutes: Annotated[
        float, typer.Option(min=0, help="Shortens the passes to so much time; 0: no limit. 限时（分）")
    ] = 3.0,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: all. 线程数")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the run. 随机种子")] = 17,
) -> None:
    """Fine-tune the base to judge a question with an article; see `knowledge.reranker`. 训练重排模型。"""
    from chengda.knowledge import opened
    from chengda.nlu import progress_bar
    from training.nlu.errors import NluTrainingError
    from training.reranking.errors import RerankingTrainingError
    from training.reranking.fitting import FitSettings
    from training.reranking.pipeline import train_reranker as train

    with plain_errors(RerankingTrainingError, NluTrainingError):
        settings = load_settings()
        plain = settings.copy(update={"knowledge": settings.knowledge.copy(update={"reranker": ""})})
        with opened(plain) as (service, told):
            asked = list(questions_of(service, phrasings, seed, told))
        chosen = FitSettings(epochs=epochs, minutes=minutes, threads=threads, seed=seed)
        with progress_bar("训练重排模型 · training the cross-encoder") as progress:
            folder, manifest = train(
                asked,
                settings.path(settings.models.base),
                chosen,
                out=out,
                versions=rerankers_dir(settings.data),
                progress=progress,
            )
        console.print(f"[green]✓[/] {folder} · {manifest.version} · {len(asked)} questions")
        for name, value in manifest.metrics.items():
            console.print(f"  {name} {value:.3f}")
        if settings.knowledge.reranker != "auto":
            console.print(
                "  knowledge.reranker: auto  [dim]# in city.yml to use it · 写入 city.yml 后启用[/]"
            )


def questions_of(
    service: KnowledgeService, phrasings: int, seed: int, told: Told | None = None
) -> Iterator[Asked]:
    """Yield calibration questions, background questions and articles' phrasings with what the search finds for them.

    A question's other right articles are not among its passages. What the search does not find is left out.
    """
    from training.reranking.data import Asked

    rng = random.Random(seed)
    snapshot, index = service.index.snapshot, service.index
    labelled = read_questions(service.calibration_folder) if service.calibration_folder.is_dir() else []
    own = list(_phrasings(service))
    rng.shuffle(own)
    background = [
        LabelledQuestion(text, language, ())
        for language, texts in read_background(service.calibration_folder).items()
        for text in texts
    ]
    items = [*labelled, *own[:phrasings], *rng.sample(background, min(len(background), phrasings // 4))]
    encoder = RememberingEncoder(index.encoder, [item.query for item in items])
    calibration = service.calibration_of(snapshot)
    for number, item in enumerate(items):
        if told and number % 25 == 0:
            told("hard negatives", number, len(items))
        query = make_query(item.query, item.language, snapshot, encoder, index.stop_words)
        found = search(query, snapshot, Filter(), calibration, use_exact=False)[:TOP]
        right = [hit.facts.id in item.relevant for hit in found]
        if len(found) < 2 or (item.relevant and not any(right)):
            continue
        first = right.index(True) if any(right) else -1
        kept = [hit for at, hit in enumerate(found) if at == first or not right[at]]
        languages = [item.language]
        if rng.random() < _ACROSS:
            languages.append(LANGUAGES[1 - LANGUAGES.index(item.language)])
        for language in languages:
            texts = [
                passage_text(
                    service.store.version(hit.facts.id, hit.facts.version),
                    language if language in hit.facts.languages else hit.facts.languages[0],
                )
                for hit in kept
            ]
            yield Asked(item.query, item.language, tuple(texts), first, number < len(labelled))


def _phrasings(service: KnowledgeService) -> Iterator[LabelledQuestion]:
    for article_id in sorted(service.index.snapshot.ids):
        article = service.store.get(article_id)
        for language, texts in article.questions.items():
            for text in texts:
                yield LabelledQuestion(text, language, (article_id,))
