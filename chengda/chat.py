"""`chengda chat`: talk to the assistant in the terminal."""

from __future__ import annotations

import asyncio
import uuid

import typer
from rich.markdown import Markdown
from rich.panel import Panel

from chengda.console_output import console, plain_errors, step
from city.messages import Answer, Message
from city.settings import load_settings


def chat(
    show_trace: bool = typer.Option(
        False, "--trace", help="Show what each step decided and how long it took."
    ),
    role: str = typer.Option(
        "citizen", help="Speak as: citizen, viewer, editor, publisher, operator or admin."
    ),
) -> None:
    """Talk in the terminal; an empty line or Ctrl-D ends. 在终端对话。"""
    from chengda.compose import make_brain, start_rooms, startup_errors, stop_rooms
    from chengda.prepare import prepare

    with plain_errors(*startup_errors()):
        settings = load_settings()
        prepare(settings)
        brain = make_brain(settings)
        step("知识库与时刻表 · knowledge base and timetable", lambda: start_rooms(settings))
        step("对话模型 · dialogue model", brain.load)

    async def converse() -> None:
        conversation = f"terminal-{uuid.uuid4()}"
        buttons: list[str] = []
        while True:
            try:
                text = (await asyncio.to_thread(console.input, "[bold cyan]您 You[/] › ")).strip()
            except EOFError:
                break
            if not text:
                break
            if text.isdecimal() and 0 < int(text) <= len(buttons):
                text = buttons[int(text) - 1]
            message = Message(conversation, str(uuid.uuid4()), text, channel="terminal", role=role)
            answer = await brain.respond(message)
            buttons = _show(answer, show_trace)
        await brain.forget(conversation)

    try:
        asyncio.run(converse())
    except KeyboardInterrupt:
        console.print()
    finally:
        brain.close()
        stop_rooms()


def _show(answer: Answer, show_trace: bool) -> list[str]:
    """Print the replies; return the payloads of the numbered buttons."""
    payloads: list[str] = []
    for reply in answer.replies:
        lines = [reply.text]
        lines += [f"- 来源 Source: {citation.title} {citation.url}" for citation in reply.citations]
        console.print(Panel(Markdown("\n\n".join(lines)), title=reply.source, title_align="left"))
        for button in reply.buttons:
            payloads.append(button.payload)
            console.print(f"  [bold]{len(payloads)}[/] {button.title}")
    if show_trace:
        console.print_json(data=answer.trace.steps, default=str)
    return payloads
