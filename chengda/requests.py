"""`chengda requests`: list, show, move on, count and export service requests from the shell."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from chengda.console_output import console, plain_errors
from city.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from actions.requests.service import RequestService

app = typer.Typer(
    no_args_is_help=True, help="Service requests: list, show, move on, count, export. 工单查询、流转与统计。"
)

Number = Annotated[str, typer.Argument(help="Number, such as LC-2026-48210375. 编号")]
Since = Annotated[str, typer.Option("--since", help="From this day, YYYY-MM-DD. 起始日期")]
Until = Annotated[str, typer.Option("--until", help="Before this day, YYYY-MM-DD. 截止日期（不含）")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON. 输出 JSON")]
EXPORTED = 100_000


def _service() -> RequestService:
    from actions.requests.setup import load_service

    return load_service(load_settings(), learn=False)


def _errors() -> tuple[type[Exception], ...]:
    from actions.requests.errors import RequestsError, RequestsNotConfigured
    from city.db import DatabaseError
    from nlp.joint_manifest import ModelError

    return (RequestsError, RequestsNotConfigured, DatabaseError, SettingsError, ModelError)


def _day(text: str, service: RequestService, option: str) -> datetime | None:
    """Return a day's beginning in the city as UTC without an offset."""
    if not text:
        return None
    try:
        local = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=service.zone)
    except ValueError:
        raise typer.BadParameter("write it as YYYY-MM-DD", param_hint=option) from None
    return local.astimezone(timezone.utc).replace(tzinfo=None)


def _plain(item: Any) -> dict[str, Any]:
    """Return a record for people and programs: no contact, no secret."""
    from actions.requests.contacts import mask_contact

    data = {k: v for k, v in asdict(item).items() if k not in ("token", "conversation_id", "id")}
    data["contact"] = mask_contact(data["contact"])
    return {k: v.isoformat() + "Z" if isinstance(v, datetime) else v for k, v in data.items()}


@app.command("list")
def list_requests(
    state: Annotated[str, typer.Option(help="received, assigned, working, verifying or closed. 状态")] = "",
    category: Annotated[str, typer.Option(help="Category id. 类别")] = "",
    department: Annotated[str, typer.Option(help="Department id. 部门")] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="Late ones only. 只看超期")] = False,
    text: Annotated[str, typer.Option(help="Words in description, place or number. 关键词")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many. 条数")] = 50,
    as_json: AsJson = False,
) -> None:
    """List requests, newest first. 工单列表。"""
    from actions.requests.lifecycle import state_named
    from actions.requests.records import Filter

    with plain_errors(*_errors()):
        service = _service()
        wanted = Filter(
            states=[state_named(state)] if state else (),
            category=category,
            department=department,
            overdue=True if overdue else None,
            text=text,
            limit=limit,
        )
        found, total = service.list(wanted)
        if as_json:
            typer.echo(json.dumps([_plain(item) for item in found], ensure_ascii=False, indent=1))
            return
        table = Table("number", "state", "category", "department", "urgency", "place", "due (UTC)")
        for item in found:
            late = " [red]late[/]" if item.overdue(service.now()) else ""
            table.add_row(
                item.number,
                item.state + late,
                item.category,
                item.department,
                item.urgency,
                item.address,
                f"{item.resolve_due:%Y-%m-%d %H:%M}",
            )
        console.print(table)
        console.print(f"{len(found)} / {total}")


@app.command()
def show(number: Number, as_json: AsJson = False) -> None:
    """Show one request with its history; the contact is masked. 查看工单。"""
    with plain_errors(*_errors()):
        detail = _service().detail(number.upper())
        data = _plain(detail.request)
        history = [asdict(event) for event in detail.history]
        if as_json:
            typer.echo(json.dumps({**data, "history": history}, ensure_ascii=False, indent=1, default=str))
            return
        for name, value in data.items():
            if value not in (None, "", {}):
                console.print(f"{name:<16} {value}", markup=False)
        for event in detail.history:
            words = " ".join(part for part in (event.kind, event.state, event.text) if part)
            console.print(f"{event.at:%Y-%m-%d %H:%M}  {event.actor:<12} {words}", markup=False)


@app.command("set-state")
def set_state(
    number: Number,
    state: Annotated[str, typer.Argument(help="assigned, working, verifying, closed or 派单, 办理… 状态")],
    outcome: Annotated[
        str, typer.Option(help="For closed: resolved, explained, refused or duplicate. 办结结果")
    ] = "",
    note: Annotated[str, typer.Option(help="Words for the citizen. 告知市民的话")] = "",
    actor: Annotated[str, typer.Option(help="Who does it. 经办人")] = "shell",
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not tell the citizen. 不通知市民")] = False,
) -> None:
    """Move a request on; a running server tells the citizen within seconds. 改变工单状态。"""
    from actions.requests.lifecycle import state_named

    with plain_errors(*_errors()):
        changed = _service().change_state(
            number.upper(), state_named(state), actor, outcome=outcome or None, note=note, tell=not quiet
        )
        console.print(f"[green]✓[/] {changed.number}: {changed.state} {changed.outcome or ''}")


@app.command()
def stats(since: Since = "", until: Until = "", as_json: AsJson = False) -> None:
    """Response, resolution and satisfaction rates. 响应率、解决率、满意率。"""
    with plain_errors(*_errors()):
        service = _service()
        figures = service.statistics(_day(since, service, "--since"), _day(until, service, "--until"))
        if as_json:
            typer.echo(json.dumps(asdict(figures), ensure_ascii=False, indent=1))
            return
        names = (
            ("response_rate", "响应率"),
            ("resolution_rate", "解决率"),
            ("satisfaction_rate", "满意率"),
            ("on_time_rate", "按期办结率"),
        )
        console.print(
            f"total {figures.total} · open {figures.open} · late {figures.overdue} · closed {figures.closed}"
        )
        for name, chinese in names:
            rate = getattr(figures, name)
            console.print(f"{chinese} {name:<18} {'–' if rate is None else f'{rate:.1%}'}")
        for name in ("category", "department", "state"):
            console.print(
                f"{name}: " + ", ".join(f"{k} {n}" for k, n in figures.by[name].items()), markup=False
            )


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="File to write, .json or .csv. 输出文件")],
    since: Since = "",
    until: Until = "",
) -> None:
    """Write requests, contacts masked, to a file. 导出工单。"""
    from actions.requests.records import Filter
    from console.csv_export import csv_text

    if out.suffix not in (".json", ".csv"):
        raise typer.BadParameter("use a name that ends in .json or .csv", param_hint="OUT")
    with plain_errors(*_errors(), OSError):
        service = _service()
        wanted = Filter(
            since=_day(since, service, "--since"), until=_day(until, service, "--until"), limit=EXPORTED
        )
        rows = [_plain(item) for item in service.list(wanted)[0]]
        names = list(rows[0]) if rows else []
        if out.suffix == ".json":
            body = json.dumps(rows, ensure_ascii=False, indent=1)
        else:
            body = csv_text(names, ([row[name] for name in names] for row in rows))
        out.write_text(body, "utf-8")
        console.print(f"[green]✓[/] {out}: {len(rows)}")
