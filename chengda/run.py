"""`chengda run`: train what is missing, then serve."""

from __future__ import annotations

import asyncio
import socket
import time

import typer

from chengda.console_output import console, plain_errors
from city.settings import Settings, SettingsError, load_settings


def run(
    host: str = typer.Option("", help="Address to listen on; empty takes city.yml's."),
    port: int = typer.Option(-1, help="Port of the citizens' pages and API; -1 takes city.yml's."),
    console_port: int = typer.Option(-1, help="Port of the staff console; -1 takes city.yml's."),
) -> None:
    """Train what is missing, then serve. 训练缺少的模型，然后启动服务。"""
    started = time.perf_counter()
    with plain_errors(SettingsError):
        settings = load_settings()
    host = host or settings.server.host
    port = settings.server.port if port < 0 else port
    _check_port(host, port)

    from chengda.prepare import prepare

    prepare(settings)
    with plain_errors(KeyboardInterrupt):
        asyncio.run(_serve(settings, host, port, started))


def _check_port(host: str, port: int) -> None:
    """Say that the port is taken before minutes of training, not after."""
    from channels.gateway import PortInUseError

    if port == 0:
        return
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            with plain_errors(PortInUseError):
                raise PortInUseError(host, port) from None


async def _serve(settings: Settings, host: str, port: int, started: float) -> None:
    from channels.gateway import create_app, serve
    from chengda.compose import (
        gateway_config,
        make_brain,
        make_trace_recorder,
        make_trace_store,
        start_rooms,
        startup_errors,
    )

    with plain_errors(*startup_errors()):
        brain = make_brain(settings)
        start_rooms(settings)
        brain.load()
        traces = make_trace_store(settings)
        recorder = make_trace_recorder(settings, traces)
        app = create_app(brain, gateway_config(settings, recorder))

        def ready() -> None:
            shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host
            console.print(
                f"\n[bold]{settings.city.name.zh} · {settings.city.name.en}[/] "
                f"[dim]{time.perf_counter() - started:.1f} s[/]\n"
                f"  聊天页 Chat page   http://{shown}:{port}/\n"
                f"  接口 API           http://{shown}:{port}/api/v1/   (/healthz, /readyz)\n"
                "  按 Ctrl-C 停止 · Ctrl-C stops"
            )

        try:
            await serve(app, host, port, on_ready=ready)
        finally:
            recorder.close()
            traces.close()
            brain.close()
            console.print("已停止，未丢失任何消息 · stopped, nothing lost")
