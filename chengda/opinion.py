"""`chengda opinion`: read posts in, watch, report, and act on alarms."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from chengda.console_output import console, plain_errors
from city.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from actions.opinion.model import IngestReport
    from actions.opinion.service import OpinionService

app = typer.Typer(
    no_args_is_help=True, help="Public opinion: ingest, watch, report, alarms. 舆情：读入、监测、简报与预警。"
)
Language = Annotated[str, typer.Option("--language", help="zh or en; default: city.yml's. 语言")]


@contextmanager
def _service() -> Iterator[OpinionService]:
    """Yield the service; every known error is one clear line."""
    from actions.opinion.errors import OpinionError
    from actions.opinion.setup import load_service
    from city.db import DatabaseError
    from nlp.encoder import EncoderError
    from nlp.joint_manifest import ModelError
    from nlp.sentiment import SentimentModelError

    with plain_errors(
        SettingsError, OpinionError, DatabaseError, EncoderError, ModelError, SentimentModelError
    ):
        service = load_service(load_settings())
        try:
            yield service
        finally:
            service.close()


@app.command()
def ingest(
    paths: Annotated[
        list[Path], typer.Argument(help="CSV, TSV or JSONL files or folders. 文件或文件夹")
    ] = [],  # noqa: B006
    source: Annotated[str, typer.Option(help="Name that these posts are kept under. 来源名称")] = "file",
    demo: Annotated[bool, typer.Option("--demo", help="Read the demo city's posts in. 读入演示数据")] = False,
    once: Annotated[
        bool, typer.Option("--sources", help="Ask the sources of city.yml once. 读取一次已配置来源")
    ] = False,
) -> None:
    """Read posts in; what was read before is passed over. 读入帖子，已读过的自动跳过。"""
    from actions.opinion.model import IngestReport
    from actions.opinion.sources.base import PullSource
    from actions.opinion.sources.files import FileSource
    from actions.opinion.sources.opening import ASSISTANT, open_source
    from actions.opinion.sources.webhook import InboxSource
    from actions.opinion.watch import pull

    if not paths and not demo and not once:
        raise typer.BadParameter("name a file, or use --demo or --sources", param_hint="PATHS")
    total = IngestReport()
    with _service() as service, service.reader() as pipeline:
        if demo:
            from actions.opinion.demo.stream import DemoSource

            total.add(pull(service, pipeline, DemoSource(service.now(), service.section.batch)))
        for path in paths:
            # One cursor a path, so that two files of one source do not disturb each other.
            reader = FileSource(source, path, service.section.batch)
            reader.cursor_name = f"{source}:{path.resolve()}"[:300]
            total.add(pull(service, pipeline, reader))
        if once:
            opened = [
                open_source(item, service.section, service.engine, service.path)
                for item in service.section.sources
            ]
            pulled = [s for s in opened if isinstance(s, PullSource)]
            for each in [InboxSource(ASSISTANT, service.engine, service.section.batch), *pulled]:
                total.add(pull(service, pipeline, each))
    _say("", total)


def _say(name: str, report: IngestReport) -> None:
    rejected = ", ".join(f"{reason} {count}" for reason, count in sorted(report.rejected.items())) or "0"
    console.print(
        f"{name + ': ' if name else ''}{report.read} read · {report.new} new · {report.repeated} seen before · "
        f"{report.reposts} reposts · rejected {rejected} · {report.alarms} alarms"
    )


@app.command()
def watch(
    host: Annotated[
        str, typer.Option(help="Where webhooks are received; empty takes city.yml's. 接收地址")
    ] = "",
    port: Annotated[
        int, typer.Option(min=-1, max=65535, help="Port of the webhooks; -1 takes city.yml's. 接收端口")
    ] = -1,
    beside_server: Annotated[
        bool, typer.Option("--beside-server", hidden=True, help="End when standard input closes.")
    ] = False,
) -> None:
    """Read all sources as they go, escalate and notify, until stopped (Ctrl-C). 持续监测，按 Ctrl-C 停止。"""
    from actions.opinion.watch import Watch

    with _service() as service:
        service.notifier.check()
        section = service.section
        watching = Watch(
            service, _say, host or section.webhook_host, section.webhook_port if port < 0 else port
        )

        async def run() -> None:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, watching.stop)
            if beside_server:
                threading.Thread(target=_until_closed, args=(watching.stop,), daemon=True).start()
            await watching.run()

        console.print(
            f"[green]✓[/] 舆情监测 · opinion watch: {len(section.sources)} sources · {len(section.targets)} targets"
        )
        asyncio.run(run())


def _until_closed(stop: Callable[[], None]) -> None:
    """Wait for the end of standard input, whose other end the server holds."""
    sys.stdin.read()
    stop()


@app.command()
def report(
    days: Annotated[int, typer.Option(min=1, max=366, help="Days, today included. 天数")] = 1,
    language: Language = "",
    district: Annotated[str, typer.Option(help="Id of one district. 区编号")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Plain data. 输出 JSON")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write. 输出文件")] = None,
) -> None:
    """Print a digest of the last days. 生成舆情简报。"""
    from actions.opinion.report import digest, overview_data

    with _service() as service:
        overview = service.overview(days, district)
        chosen = language or load_settings().city.default_language
        text = (
            json.dumps(overview_data(overview), ensure_ascii=False, indent=1)
            if as_json
            else digest(service, overview, chosen)
        )
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
        console.print(f"[green]✓[/] {out}")
    else:
        print(text)


@app.command()
def alarms(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too. 包括已关闭")] = False,
    show: Annotated[int, typer.Option(help="Show one with its posts. 查看某条及其帖子")] = 0,
    acknowledge: Annotated[int, typer.Option(help="Acknowledge one. 确认")] = 0,
    close: Annotated[int, typer.Option(help="Close one. 关闭")] = 0,
    hand_over: Annotated[int, typer.Option(help="Hand one over, to --to. 转办")] = 0,
    to: Annotated[str, typer.Option(help="Department or person. 转给谁")] = "",
    mute: Annotated[int, typer.Option(help="Mute a topic. 静音话题")] = 0,
    unmute: Annotated[int, typer.Option(help="Unmute a topic. 取消静音")] = 0,
    hours: Annotated[float, typer.Option(min=0.1, help="How long to mute. 静音小时数")] = 24,
    by: Annotated[str, typer.Option(help="Who decides. 处理人")] = "command line",
    note: Annotated[str, typer.Option(help="A note for the record. 备注")] = "",
    language: Language = "",
) -> None:
    """List alarms, and acknowledge, hand over, close or mute. 查看与处理预警。"""
    from actions.opinion.report import alarm_line

    if hand_over and not to:
        raise typer.BadParameter("say to whom", param_hint="--to")
    with _service() as service:
        chosen = language or load_settings().city.default_language
        done = [
            service.acknowledge(acknowledge, by, note) if acknowledge else None,
            service.hand_over(hand_over, by, to, note) if hand_over else None,
            service.close_alarm(close, by, note) if close else None,
        ]
        for alarm in filter(None, done):
            console.print(escape(alarm_line(alarm, chosen, service)))
        if mute:
            until = service.mute(mute, by, hours).astimezone(service.zone)
            console.print(f"topic {mute}: muted until {until:%Y-%m-%d %H:%M}")
        if unmute:
            service.unmute(unmute, by)
            console.print(f"topic {unmute}: unmuted")
        if show:
            _show(service, show, chosen)
        if not any((acknowledge, hand_over, close, mute, unmute, show)):
            states = () if everything else ("open", "acknowledged", "handed_over")
            since = service.now() - timedelta(days=3650 if everything else 30)
            found = service.queries.alarms(states=states, since=since)
            for alarm in found:
                console.print(escape(alarm_line(alarm, chosen, service)))
            if not found:
                console.print("没有预警 · no alarms")


def _show(service: OpinionService, number: int, language: str) -> None:
    from actions.opinion.report import alarm_line
    from actions.opinion.severity import FACTOR_NAMES

    alarm = service.queries.alarm(number)
    console.print(escape(alarm_line(alarm, language, service)))
    console.print(f"model {alarm.model} · topic {alarm.topic_id} · chart {alarm.chart or '-'}")
    for post in service.queries.posts(ids=alarm.evidence, most=40):
        factors = ", ".join(
            f"{FACTOR_NAMES[f['name']][0 if language == 'zh' else 1]} {f['points']:.2f}" for f in post.factors
        )
        console.print(escape(f"- #{post.id} [{post.severity}] {post.text[:120]}  ({factors})"))
    for row in service.queries.notifications(alarm_id=number):
        console.print(escape(f"  → {row['target']}: {row['state']} ({row['attempts']}) {row['error']}"))


@app.command()
def calibrate(
    data: Annotated[
        Path, typer.Argument(help="TSV or CSV with `text` and `level` (0 to 4). 人工标注的严重度")
    ],
) -> None:
    """Fit the levels' cuts to posts that people judged, and print them for city.yml. 按人工标注校准严重度分档。"""
    import csv

    from actions.opinion.severity import fit_cuts, weigh

    with _service() as service:
        delimiter = "\t" if data.suffix == ".tsv" else ","
        try:
            with data.open(encoding="utf-8-sig", newline="") as stream:
                rows = [(r["text"], int(r["level"])) for r in csv.DictReader(stream, delimiter=delimiter)]
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise typer.BadParameter(f"{data}: needs columns text and level ({error})") from None
        feelings = service.judge().reader.read([text for text, _ in rows]).feelings
        scores = [
            weigh(text, feeling, service.lexicon, service.section.severity).score
            for (text, _), feeling in zip(rows, feelings, strict=True)
        ]
        try:
            cuts = fit_cuts(scores, [level for _, level in rows])
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        levels = [sum(score >= cut for cut in cuts) for score in scores]
        same = sum(a == b for a, (_, b) in zip(levels, rows, strict=True))
        near = sum(abs(a - b) <= 1 for a, (_, b) in zip(levels, rows, strict=True))
        console.print(f"opinion:\n  severity:\n    cuts: {cuts}")
        console.print(
            f"{len(rows)} posts: {same / len(rows):.0%} the same level, {near / len(rows):.0%} within one"
        )
