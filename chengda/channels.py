"""`chengda channels`: list, test, switch, and look after what could not be sent."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from chengda.console_output import console, plain_errors
from city.messages import Button, Citation, Reply
from city.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from channels.app import AppChannel
    from channels.base import Inbound
    from channels.queue.base import InboundQueue
    from city.outbox import Outbox

app = typer.Typer(no_args_is_help=True, help="Chat apps, SMS and e-mail. 渠道：微信、短信、邮件等。")

Name = Annotated[str, typer.Argument(help="Name in credentials.yml. 渠道名称")]

_SAMPLE = Reply(
    "**图书馆** 周日 9:00–17:00 开放。The library is open on Sunday from 9:00 to 17:00.",
    "knowledge",
    citations=(Citation("library-opening-hours", "图书馆开放时间", "https://www.city.example/library"),),
    buttons=(Button("怎么去？", "图书馆怎么去"), Button("借书证", "怎么办借书证")),
)


def _database(settings: Settings) -> str:
    return settings.server.conversation_url or f"sqlite:///{settings.data / 'chat.db'}"


def _engine(settings: Settings) -> Engine:
    from channels.store import make_engine
    from channels.tables import metadata

    engine = make_engine(_database(settings))
    metadata.create_all(engine)
    return engine


def _outbox(settings: Settings) -> Outbox:
    from city.outbox import Outbox

    outbox = Outbox(_engine(settings))
    outbox.create_tables()
    return outbox


def _inbox(settings: Settings) -> InboundQueue:
    from channels.queue.sql import SqlQueue, inbox_engine
    from channels.registry import make_queue
    from channels.settings import channels_section

    return make_queue(channels_section(settings)) or SqlQueue(
        inbox_engine(_database(settings)), "command-line"
    )


def _errors() -> tuple[type[Exception], ...]:
    from channels.base import ParseError, SendError, VerificationError
    from channels.queue.base import QueueError
    from city.db import DatabaseError

    return SettingsError, ParseError, SendError, VerificationError, QueueError, DatabaseError


@app.command("list")
def list_channels() -> None:
    """Show the enabled channels, their webhooks and what waits. 列出渠道。"""
    from channels.registry import load_channels, shipped_kinds
    from channels.settings import channels_section
    from channels.switches import SqlSwitches

    with plain_errors(*_errors()):
        settings = load_settings()
        section = channels_section(settings)
        switches = SqlSwitches(_engine(settings))
        table = Table("channel", "kind", "state")
        table.add_column("webhook", overflow="fold")
        for channel in load_channels(settings, section):
            state = "[green]on[/]" if switches.enabled(channel.name) else "[red]off[/]"
            kind = type(channel).__module__.rpartition(".")[2]
            table.add_row(channel.name, kind, state, channel.surroundings.webhook_url(channel.name))
        console.print(table if section.enabled else "没有启用渠道 · no channel is enabled in city.yml")
        console.print(f"可用 available: {', '.join(shipped_kinds())}")
        console.print(f"发件箱 outbox: {dict(_outbox(settings).counts())}")


@app.command("test")
def try_channel(
    name: Name,
    text: Annotated[str, typer.Option(help="What the sample says. 样例内容")] = "图书馆周日几点开门？",
    ask: Annotated[bool, typer.Option("--ask", help="Let the real assistant answer. 由助手回答")] = False,
) -> None:
    """Lead a signed sample through the real code and say what would be sent; nothing leaves. 试运行，不发送。"""
    from channels.http import PlatformClient
    from channels.registry import load_channels
    from channels.settings import channels_section

    with plain_errors(*_errors()):
        settings = load_settings()
        section = channels_section(settings)
        section = section.copy(update={"enabled": [name]})
        (channel,) = load_channels(settings, section, PlatformClient(dry=True))
        inbound = asyncio.run(_try_out(channel, text))
        console.print("[green]✓[/] 签名与解析通过 · verified and parsed")
        for message in inbound:
            console.print_json(
                data={"sender": message.sender_id, "id": message.message_id, "text": message.text}
            )
        replies = _ask(settings, inbound[0].text) if ask else (_SAMPLE,)
        asyncio.run(_send(channel, inbound[0], replies))
        for request in channel.client.recorded or ():
            console.print(f"[bold]{request.method}[/] {_hidden(request.url, channel)}", soft_wrap=True)
            shown = (
                request.body
                if isinstance(request.body, str)
                else json.dumps(request.body, ensure_ascii=False)
            )
            console.print(_hidden(shown, channel), soft_wrap=True, markup=False)


async def _try_out(channel: AppChannel, text: str) -> Sequence[Inbound]:
    return await channel.try_out(text)


async def _send(channel: AppChannel, inbound: Inbound, replies: Sequence[Reply]) -> None:
    from channels.base import Outgoing
    from channels.fitting.sms import segments

    outgoing = Outgoing(inbound, replies, "chengda-channels-test", "zh", "chengda-channels-test")
    inline = channel.reply_inline(outgoing)
    if inline is not None:
        console.print("在应答中直接回复 · in the response itself:")
        console.print(inline.body, soft_wrap=True, markup=False)
    if channel.holds:
        console.print("放不下的保留到市民下一条消息 · what does not fit waits for the person's next message")
    else:
        await channel.send(outgoing)
    if channel.opt_out:
        for part in channel.parts(outgoing):
            counted = segments(part.text)
            console.print(f"{counted.count} × {counted.encoding}, {counted.units} units")


def _hidden(text: str, channel: AppChannel) -> str:
    """Blot the secrets out of what is printed."""
    for key, value in channel.credentials.dict().items():
        if (
            isinstance(value, str)
            and len(value) > 5
            and ("token" in key or "secret" in key or "password" in key)
        ):
            text = text.replace(value, "•••")
    return text


def _ask(settings: Settings, text: str) -> Sequence[Reply]:
    import uuid

    from chengda.compose import make_brain, start_rooms
    from chengda.prepare import prepare
    from city.messages import Message

    prepare(settings)
    brain = make_brain(settings)
    start_rooms(settings)
    brain.load()
    conversation = f"terminal-{uuid.uuid4()}"

    async def converse() -> Sequence[Reply]:
        answer = await brain.respond(Message(conversation, "1", text, channel="terminal"))
        await brain.forget(conversation)
        return answer.replies

    try:
        return asyncio.run(converse())
    finally:
        brain.close()


@app.command()
def on(name: Name) -> None:
    """Switch a channel on; a running server sees it in two seconds. 启用渠道。"""
    _switch(name, True)


@app.command()
def off(name: Name) -> None:
    """Switch a channel off; answers wait until it is on again. 停用渠道。"""
    _switch(name, False)


def _switch(name: str, enabled: bool) -> None:
    from channels.settings import channels_section
    from channels.switches import SqlSwitches

    with plain_errors(*_errors()):
        settings = load_settings()
        known = channels_section(settings).enabled
        if name not in known:
            raise SettingsError(f"{settings.source}: key `channels.enabled` has no {name!r}; it has {known}")
        SqlSwitches(_engine(settings)).set(name, enabled, getpass.getuser())
        console.print(f"[green]✓[/] {name}: {'启用 on' if enabled else '停用 off'}")


@app.command("dead-letters")
def dead_letters(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON. 输出 JSON")] = False,
) -> None:
    """Show what could not be sent or worked on. 列出死信。"""
    with plain_errors(*_errors()):
        settings = load_settings()
        rows: list[dict[str, Any]] = [
            {
                "direction": "out",
                "id": str(parcel.seq),
                "at": parcel.created_at.isoformat(timespec="seconds"),
                "for": parcel.context.get("address", {}).get("channel", "") or parcel.conversation_id,
                "text": parcel.replies[0].text[:60] if parcel.replies else "",
                "error": parcel.error,
            }
            for parcel in _outbox(settings).dead_letters()
        ]
        rows += asyncio.run(_inbound_dead(_inbox(settings)))
        if as_json:
            typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
            return
        table = Table("direction", "id", "at", "for", "text", "error")
        for row in rows:
            table.add_row(*row.values())
        console.print(table if rows else "没有死信 · there are no dead letters")


async def _inbound_dead(queue: InboundQueue) -> list[dict[str, Any]]:
    await queue.open_only()
    try:
        return [
            {
                "direction": "in",
                "id": entry.inbound.message_id,
                "at": "",
                "for": entry.channel,
                "text": entry.inbound.text[:60],
                "error": entry.error,
            }
            for entry in await queue.dead_letters()
        ]
    finally:
        await queue.close()


@app.command()
def retry(
    seq: Annotated[int, typer.Argument(help="Id of one outbound letter; all when left out. 编号")] = -1,
) -> None:
    """Let dead letters wait again; a running server takes them up. 重试死信。"""
    with plain_errors(*_errors()):
        settings = load_settings()
        count = _outbox(settings).retry(None if seq < 0 else seq)
        if seq < 0:
            count += asyncio.run(_retry_inbound(_inbox(settings)))
        console.print(f"[green]✓[/] {count} 条重新排队 · waiting again")


async def _retry_inbound(queue: InboundQueue) -> int:
    await queue.open_only()
    try:
        return await queue.retry()
    finally:
        await queue.close()
