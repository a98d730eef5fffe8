"""`chengda handover`: the desk from the shell: is it open, who waits, how it did."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from chengda.console_output import console, plain_errors
from city.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from actions.handover.service import HandoverService

app = typer.Typer(no_args_is_help=True, help="The operators' desk. 人工坐席。")


def _errors() -> tuple[type[BaseException], ...]:
    from actions.handover import HandoverError
    from city.db import DatabaseError

    return (SettingsError, HandoverError, DatabaseError)


def _open() -> HandoverService:
    from actions.handover.errors import HandoverNotConfigured
    from actions.handover.service import load_service

    service = load_service(load_settings())
    if service is None:
        raise HandoverNotConfigured()
    return service


@app.command()
def status() -> None:
    """Say whether the desk is open, when it opens next, who is there and who waits. 坐席当前状态。"""
    with plain_errors(*_errors()):
        service = _open()
        office, now = service.office, service.office.now()
        opens = office.hours.next_opening(now)
        if office.hours.is_open(now):
            console.print("开放中 · open")
        else:
            console.print(f"未开放 · closed; {f'{opens:%Y-%m-%d %H:%M}' if opens else '–'}")
        for there in office.operators():
            console.print(f"  {there.name}  {there.holds}{'  away' if there.away else ''}", markup=False)
        table = Table("#", "channel", "team", "reason", "topic", "since (UTC)")
        for case in service.desk.queue():
            table.add_row(
                f"{case.id}{' !' if case.urgent else ''}",
                case.channel,
                case.team,
                case.reason,
                case.topic,
                f"{case.created_at:%Y-%m-%d %H:%M}",
            )
        console.print(table)


@app.command()
def show(case_id: Annotated[int, typer.Argument(help="Number of the conversation. 会话编号")]) -> None:
    """Print a conversation with its summary. 显示一个会话。"""
    from actions.handover.summary import as_text

    with plain_errors(*_errors()):
        service = _open()
        case = service.store.get(case_id)
        console.print(f"#{case.id} {case.state} {case.outcome} {case.operator or ''}".rstrip(), markup=False)
        console.print(as_text(case.summary, case.language), markup=False)
        for line in service.desk.lines(case_id):
            console.print(f"{line.at:%H:%M:%S} {line.kind:<9} {line.author} {line.text}", markup=False)


@app.command()
def figures(
    days: Annotated[float, typer.Option(min=0.01, max=3650, help="Of how many days. 天数")] = 7.0,
) -> None:
    """Print how the desk did, as JSON. 以 JSON 输出坐席统计。"""
    with plain_errors(*_errors()):
        console.print_json(json.dumps(asdict(_open().desk.figures(days))))


@app.command()
def hours(
    at: Annotated[str, typer.Option(help="Moment in the city's time, 2026-10-01T09:00. 时间")] = "",
) -> None:
    """Say whether the desk is open at a moment: tries the settings out. 检验服务时间设置。"""
    with plain_errors(*_errors()):
        service, settings = _open(), load_settings()
        try:
            moment = datetime.fromisoformat(at) if at else datetime.now(settings.zone)
        except ValueError:
            raise typer.BadParameter("write it as 2026-10-01T09:00", param_hint="--at") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=settings.zone)
        state = "开放 · open" if service.office.hours.is_open(moment) else "不开放 · closed"
        kind = service.office.hours.day_kind(moment.astimezone(settings.zone).date()) or "closed"
        console.print(f"{moment:%Y-%m-%d %H:%M}  {state}  ({kind})")
