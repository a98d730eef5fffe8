"""`chengda notices`: write, cancel and list notices, and take CAP alerts in, from the shell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from chengda.console_output import console, plain_errors
from city.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from actions.notices.service import NoticeService

app = typer.Typer(no_args_is_help=True, help="Notices to citizens, CAP alerts. 市民通知与预警。")


def _errors() -> tuple[type[BaseException], ...]:
    from actions.notices import NoticesError
    from city.db import DatabaseError

    return (SettingsError, NoticesError, DatabaseError)


def _open() -> NoticeService:
    from actions.notices.setup import load_service

    return load_service(load_settings())


@app.command()
def send(
    title_zh: Annotated[str, typer.Option(help="Title in Chinese. 中文标题")],
    title_en: Annotated[str, typer.Option(help="Title in English. 英文标题")],
    zh: Annotated[str, typer.Option(help="Text in Chinese. 中文正文")],
    en: Annotated[str, typer.Option(help="Text in English. 英文正文")],
    district: Annotated[list[str], typer.Option(help="District id; may be repeated. 区域")] = [],  # noqa: B006
    channel: Annotated[list[str], typer.Option(help="Channel; may be repeated. 渠道")] = [],  # noqa: B006
    hours: Annotated[float, typer.Option(help="How long it holds. 有效小时数")] = 24.0,
    banner: Annotated[bool, typer.Option(help="Also on the chat page. 同时显示在聊天页")] = False,
    key: Annotated[str, typer.Option(help="The same key again sends nothing. 防重复的标识")] = "",
) -> None:
    """Publish a notice; the running server tells its subscribers. 发布通知，由运行中的服务发送。"""
    from actions.notices.service import Draft

    with plain_errors(*_errors()):
        draft = Draft(
            {"zh": title_zh, "en": title_en}, {"zh": zh, "en": en}, district, channel, hours, banner
        )
        made = _open().publish(draft, "shell", f"shell:{key}" if key else "")
        console.print(f"#{made.id}  {made.texts['zh']['title']} · {made.texts['en']['title']}", markup=False)


@app.command()
def cancel(notice_id: Annotated[int, typer.Argument(help="Number of the notice. 编号")]) -> None:
    """Cancel a notice; whoever got it is told. 撤销通知。"""
    with plain_errors(*_errors()):
        done = _open().cancel(notice_id, "shell")
    console.print("已撤销 · cancelled" if done else "已不在生效中 · it was no longer in force")


@app.command()
def cap(
    files: Annotated[list[Path], typer.Argument(help="CAP 1.2 files. 预警文件", exists=True, dir_okay=False)],
) -> None:
    """Take CAP 1.2 alerts in. 导入 CAP 预警。"""
    with plain_errors(*_errors()):
        service = _open()
        for file in files:
            made = service.take_in(file.read_bytes(), author=file.name)
            if made is None:
                console.print(f"{file.name}: 此前已导入 · taken in before", markup=False)
            else:
                console.print(f"{file.name}: #{made.id} {made.state} {made.why}".rstrip(), markup=False)


@app.command("list")
def list_notices(limit: Annotated[int, typer.Option(min=1, max=1000, help="How many. 条数")] = 20) -> None:
    """List notices, newest first. 列出通知。"""
    from actions.notices.wording import text_of, when

    with plain_errors(*_errors()):
        service = _open()
        table = Table("#", "kind", "zh", "en", "state", "until", "told")
        for notice in service.store.latest(limit):
            state = notice.state if notice.current(service.now()) or notice.state != "active" else "over"
            table.add_row(
                str(notice.id),
                notice.kind,
                text_of(notice, "zh")[0]["title"],
                text_of(notice, "en")[0]["title"],
                state,
                when(notice.expires_at, service.zone),
                str(service.store.reached(notice.id)),
            )
        console.print(table)


@app.command()
def subscribers() -> None:
    """Count subscribers per channel. 各渠道订阅人数。"""
    with plain_errors(*_errors()):
        found = _open().store.subscribers()
    for channel, count in found.items():
        console.print(f"{channel:<16} {count}", markup=False)
    if not found:
        console.print("没有订阅者 · nobody has subscribed")
