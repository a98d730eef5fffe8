"""`chengda knowledge`: the articles from the shell; `chengda evaluate retrieval|answers`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from chengda.console_output import console, errors, plain_errors
from city.db import DatabaseError
from city.settings import Settings, SettingsError, load_settings
from knowledge.article import LANGUAGES, ArticleError
from knowledge.calibrating import QuestionFileError, read_questions
from knowledge.evaluation import (
    MODES,
    ConversationFileError,
    evaluate_answers,
    evaluate_retrieval,
    read_conversations,
)
from knowledge.exchange import FORMATS, write_articles
from knowledge.importing import Progress as Told
from knowledge.index import KnowledgeIndexError
from knowledge.service import ArticleQuery, KnowledgeService
from knowledge.snapshot import Filter
from knowledge.validating import validate
from knowledge.vectors import VectorStoreError
from nlp.encoder import EncoderError

app = typer.Typer(no_args_is_help=True, help="Curate the knowledge base. 管理知识库。")
ERRORS = (
    SettingsError,
    ArticleError,
    DatabaseError,
    EncoderError,
    VectorStoreError,
    KnowledgeIndexError,
    QuestionFileError,
    ConversationFileError,
)
AUTHOR = typer.Option("cli", "--by", help="Name for the history. 记入历史的操作人。")


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[tuple[KnowledgeService, Told]]:
    """Yield the opened knowledge base and what shows progress; known errors end the command with one clear line."""
    with plain_errors(*ERRORS):
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        tasks: dict[str, Any] = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        with bar:
            service = KnowledgeService.open(settings or load_settings(), progress=told, follow=False)
            try:
                yield service, told
            finally:
                service.close()


@app.command("import")
def import_(
    path: Path = typer.Argument(
        ..., help="Markdown folder, .csv, .xlsx, .jsonl, or a .html, .pdf, .docx document."
    ),
    by: str = AUTHOR,
    publish: bool = typer.Option(False, help="Publish sections of a document at once instead of as drafts."),
    category: str = typer.Option("", help="Category for a document's sections."),
    department: str = typer.Option("", help="Department for a document's sections."),
) -> None:
    """Import articles or a document; staff edits are never overwritten. 导入文章或文档。"""
    with opened() as (service, told):
        report = service.import_path(
            path, author=by, publish=publish, category=category, department=department, progress=told
        )
        for line in report.lines():
            console.print(line, markup=False)
        if report.problems:
            raise typer.Exit(1)


@app.command("export")
def export(
    path: Path = typer.Argument(..., help="Folder for md, else a file."),
    kind: str = typer.Option(
        "", "--format", help="md, csv, xlsx or jsonl; taken from the file's ending when empty."
    ),
) -> None:
    """Export the newest version of all articles. 导出全部文章。"""
    with opened() as (service, _told):
        kind = kind or (
            path.suffix.lower().lstrip(".") if path.suffix.lower().lstrip(".") in FORMATS else "md"
        )
        names = [item.id for item in service.articles(limit=1_000_000)]
        count = write_articles((service.get(name) for name in sorted(names)), path, kind)
        console.print(f"[green]✓[/] {count} articles · {escape(str(path))}")


@app.command("search")
def search(
    text: str = typer.Argument(..., help="The question."),
    language: str = typer.Option("", help="zh or en; seen from the text when empty."),
    mode: str = typer.Option("hybrid", help="hybrid, dense or lexical."),
    department: str = typer.Option("", help="Only this department."),
    district: str = typer.Option("", help="Only this district and the whole city."),
    limit: int = typer.Option(10, min=1),
    explain: bool = typer.Option(False, help="Show what speaks for each article."),
) -> None:
    """Show what a question finds, and how probably it answers. 测试检索。"""
    from nlp.language import identify

    _one_of("--language", language, LANGUAGES)
    _one_of("--mode", mode, MODES)
    with opened() as (service, _told):
        condition = Filter(_today(service.settings), department or None, district or None)
        language = language or identify(text).language
        hits = service.search(text, language, condition=condition, mode=mode, limit=limit)
        table = Table("#", "article", "title", "p" if mode == "hybrid" else "score")
        for number, hit in enumerate(hits, 1):
            table.add_row(str(number), hit.facts.id, hit.facts.title_in(language), f"{hit.probability:.3f}")
        console.print(table)
        calibration = service.calibration_of(service.index.snapshot)
        console.print(
            f"[dim]answers from {calibration.answer:.3f}, offers titles from {calibration.clarify:.3f}[/]"
        )
        if explain and hits:
            for name, value in hits[0].features.items():
                console.print(f"  {name:18} {value:8.3f}")


@app.command("ask")
def ask(
    text: str = typer.Argument(..., help="The question."),
    language: str = typer.Option("", help="zh or en; seen from the text when empty."),
    state: str = typer.Option("", help="State of the conversation (JSON), as the last answer printed it."),
    follow_up: bool = typer.Option(False, help="Treat it as a follow-up."),
) -> None:
    """Run the answerer's steps on one question and print them as JSON. 运行问答步骤。"""
    from knowledge.answering import Question
    from nlp.language import identify

    _one_of("--language", language, LANGUAGES)
    try:
        held = json.loads(state) if state else None
    except ValueError as error:
        raise typer.BadParameter(
            f"is no JSON ({error}); paste what the last answer printed as `state`"
        ) from None
    if held is not None and not isinstance(held, dict):
        raise typer.BadParameter("must be a JSON object; paste what the last answer printed as `state`")
    with opened() as (service, _told):
        question = Question(
            text,
            language or identify(text).language,
            _today(service.settings),
            follow_up=follow_up,
            state=held,
        )
        outcome = service.answer(question)
        console.print_json(
            data={
                "decision": outcome.decision,
                "replies": [reply.to_dict() for reply in outcome.replies],
                "steps": outcome.steps,
                "state": outcome.state,
            }
        )


@app.command("reindex")
def reindex() -> None:
    """Build the index and its calibration anew. 重建索引。"""
    with opened() as (service, told):
        service.reindex(told)
        console.print(f"[green]✓[/] {len(service.index.snapshot)} articles")


@app.command("calibrate")
def calibrate() -> None:
    """Compute the thresholds anew from the calibration questions. 重新校准阈值。"""
    with opened() as (service, told):
        result = service.calibrate(told)
        console.print(
            f"[green]✓[/] {result.questions} questions: answers from p = {result.answer:.3f}, "
            f"offers titles from {result.clarify:.3f}"
        )


@app.command("validate")
def validate_(
    online: bool = typer.Option(False, help="Also ask for every link over the network."),
    quick: bool = typer.Option(False, help="Leave out searching for every phrasing."),
) -> None:
    """Find contradictions, duplicates, gaps, expired articles, broken links. 检查知识库。"""
    with opened() as (service, told):
        calibration = service.calibration_of(service.index.snapshot)
        today = _today(service.settings)
        found = validate(
            service.index, calibration, today, reachability=not quick, online=online, progress=told
        )
        table = Table("severity", "kind", "article", "message")
        for item in found:
            table.add_row(item.severity, item.kind, item.article_id, escape(item.message))
        if found:
            console.print(table)
        serious = sum(item.severity == "error" for item in found)
        console.print(f"{len(found)} findings, {serious} errors")
        if serious:
            raise typer.Exit(1)


@app.command("list")
def list_(
    status: str = typer.Option("", help="draft, review, published or archived."),
    text: str = typer.Option("", help="In ids and titles."),
    category: str = typer.Option("", help="Only this category."),
    department: str = typer.Option("", help="Only this department."),
    language: str = typer.Option("", help="Has an answer in zh or en."),
    missing: str = typer.Option("", help="Has no answer in zh or en."),
    expiring: int = typer.Option(-1, help="Public, and true for at most so many days more."),
    unused: int = typer.Option(-1, help="Public, and not given as an answer for so many days."),
    disliked: bool = typer.Option(False, help="With thumbs down in the last 90 days."),
    order: str = typer.Option("changed", help="changed, id, used, disliked or expires."),
    limit: int = typer.Option(50, min=1),
    offset: int = typer.Option(0, min=0),
) -> None:
    """List articles with their use and ratings in 90 days. 列出文章及其使用与评价。"""
    with opened() as (service, _told):
        query = ArticleQuery(
            text=text,
            status=status or None,
            category=category or None,
            department=department or None,
            language=language or None,
            missing=missing or None,
            expiring_days=None if expiring < 0 else expiring,
            unused_days=None if unused < 0 else unused,
            disliked=disliked,
            order=order,
            limit=limit,
            offset=offset,
        )
        page = service.page(query)
        table = Table(
            "article", "title", "status", "version", "public", "until", "used", "👍", "👎", "changed by"
        )
        for item in page.items:
            title = item.title.get("zh") or item.title.get("en", "")
            public, until = str(item.published_version or "–"), str(item.valid_until or "–")
            counts = (str(item.answers), str(item.up), str(item.down))
            table.add_row(
                item.id,
                escape(title),
                item.status,
                str(item.version),
                public,
                until,
                *counts,
                item.updated_by,
            )
        console.print(table)
        console.print(f"{len(page.items)} of {page.total}")


@app.command("diff")
def diff(
    article_id: str = typer.Argument(..., help="The article's id."),
    before: int = typer.Argument(..., help="The older version."),
    after: int = typer.Argument(0, help="The newer version; the newest when left out."),
) -> None:
    """Show what differs between two versions. 比较两个版本。"""
    with opened() as (service, _told):
        for change in service.compare(article_id, before, after or None):
            line = Text(f"{change.field}: ", "bold")
            for span in change.spans:
                line.append(span.text, {"removed": "red strike", "added": "green"}.get(span.kind, ""))
            console.print(line)


@app.command("history")
def history(article_id: str = typer.Argument(..., help="The article's id.")) -> None:
    """Show an article's versions. 查看版本历史。"""
    with opened() as (service, _told):
        table = Table("version", "action", "by", "at (UTC)", "comment")
        for item in service.history(article_id):
            at = item.created_at.isoformat(" ", "seconds")
            table.add_row(str(item.version), item.action, item.author, at, escape(item.comment))
        console.print(table)


@app.command("rollback")
def rollback(
    article_id: str = typer.Argument(..., help="The article's id."),
    version: int = typer.Argument(..., help="The version to go back to."),
    by: str = AUTHOR,
) -> None:
    """Make an older version the newest again. 回滚到旧版本。"""
    with opened() as (service, _told):
        article = service.rollback(article_id, version, author=by)
        console.print(f"[green]✓[/] {article.id}: version {article.version} is version {version} again")


@app.command("status")
def status(
    article_id: str = typer.Argument(..., help="The article's id."),
    new: str = typer.Argument(..., help="draft, review, published or archived."),
    by: str = AUTHOR,
) -> None:
    """Move an article's newest version to another status. 变更文章状态。"""
    with opened() as (service, _told):
        article = service.set_status(article_id, new, author=by)
        console.print(f"[green]✓[/] {article.id}: version {article.version} is {article.status}")


@app.command("questions")
def questions(limit: int = typer.Option(20, min=1, help="Groups shown.")) -> None:
    """Show what citizens asked in vain, grouped. 查看未答上的问题。"""
    with opened() as (service, _told):
        for group in service.open_questions()[:limit]:
            target = (
                f"→ {group.article_id} ({group.probability:.2f})" if group.article_id else "→ new article"
            )
            console.print(f"[bold]{len(group.items)}×[/] {escape(group.items[0].question)} [dim]{target}[/]")
            for item in group.items:
                console.print(f"   [dim]#{item.id} {item.kind}[/] {escape(item.question)}")


def evaluate_retrieval_command(
    data: Path = typer.Option(..., help='JSONL: {"query", "language", "relevant": [article ids]} a line.'),
    report: Path = typer.Option(..., help="Where to write the report (JSON)."),
    cross: bool = typer.Option(False, help="Also search copies with articles in one language only."),
) -> None:
    """Measure retrieval on held-out questions. 评测检索。"""
    with opened() as (service, told):
        calibration = service.calibration_of(service.index.snapshot)
        asked = read_questions(data)
        if not asked:
            raise QuestionFileError(f"{data}: holds no question; write one JSON object a line")
        known = set(service.index.snapshot.ids)
        missing = sorted({name for item in asked for name in item.relevant} - known)
        if missing:
            errors.print(
                f"[yellow]![/] {len(missing)} relevant articles are not public here, such as "
                f"{escape(missing[0])}: their questions count as missed"
            )
        result = evaluate_retrieval(service.index, calibration, asked, cross=cross, progress=told)
        _write(report, result)
        table = Table("search", "language", "recall@1", "recall@3", "recall@10", "MRR", "nDCG@10")
        for mode, languages in result["ranking"].items():
            for language, scores in languages.items():
                if scores:
                    names = ("recall@1", "recall@3", "recall@10", "mrr", "ndcg@10")
                    table.add_row(mode, language, *(f"{scores[name]:.3f}" for name in names))
        console.print(table)
        for language, found in result.get("abstention", {}).items():
            if found:
                console.print(
                    f"{language}: abstains on {found['abstained']:.1%} of unanswerable questions at "
                    f"{found['falsely']:.1%} false abstention ({found['abstained_at_5_percent_falsely']:.1%} at 5 %)"
                )
        for asked, held in result.get("cross", {}).items():
            for language, scores in held.items():
                if scores:
                    console.print(
                        f"{asked} questions, {language} articles: recall@1 {scores['recall@1']:.3f}, "
                        f"@3 {scores['recall@3']:.3f}"
                    )


def evaluate_answers_command(
    data: Path = typer.Option(..., help="YAML with scripted conversations."),
    report: Path = typer.Option(..., help="Where to write the report (JSON)."),
) -> None:
    """Hold scripted conversations and compare what was expected. 评测多轮问答。"""
    with opened() as (service, _told):
        snapshot = service.index.snapshot
        conversations = read_conversations(data)
        if not conversations:
            raise ConversationFileError(f"{data}: holds no conversation")
        results = evaluate_answers(
            service.answerer,
            snapshot,
            service.calibration_of(snapshot),
            conversations,
            _today(service.settings),
        )
        failed = [item for item in results if item.problems]
        _write(
            report,
            {"turns": len(results), "failed": len(failed), "results": [vars(item) for item in results]},
        )
        for item in failed:
            errors.print(f"[red]✗[/] {escape(item.conversation)}, turn {item.turn} “{escape(item.user)}”")
            for problem in item.problems:
                errors.print(f"    {problem}", markup=False)
        console.print(f"{len(results) - len(failed)} of {len(results)} turns as expected")
        if failed:
            raise typer.Exit(1)


def _one_of(option: str, value: str, known: Sequence[str]) -> None:
    if value and value not in known:
        raise typer.BadParameter(f"{value!r} must be one of {', '.join(known)}", param_hint=option)


def _write(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1), "utf-8")


def _today(settings: Settings) -> Any:
    return datetime.now(settings.zone).date()
