"""What commands print: one rich console, and errors as one clear line with a non-zero exit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import typer
from rich.console import Console
from rich.markup import escape

T = TypeVar("T")

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


@contextmanager
def plain_errors(*kinds: type[BaseException]) -> Iterator[None]:
    """Print errors of these kinds as they are, without a traceback, and exit with 1."""
    try:
        yield
    except kinds as error:
        errors.print(f"[bold red]✗[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from None


def step(title: str, work: Callable[[], T]) -> T:
    """Run `work` behind a spinner titled `title`; afterwards say how long it took."""
    started = time.perf_counter()
    with console.status(title):
        result = work()
    console.print(f"[green]✓[/] {title} [dim]{time.perf_counter() - started:.1f} s[/]")
    return result
