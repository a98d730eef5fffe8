"""`chengda run`: train what is missing, then serve."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace

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
    console_port = settings.server.console_port if console_port < 0 else console_port
    from chengda.compose import console_settings

    with plain_errors(SettingsError):
        console_host = console_settings(settings).host
    _check_port(host, port)
    _check_port(console_host, console_port)

    from chengda.prepare import prepare

    prepare(settings)
    with plain_errors(KeyboardInterrupt):
        asyncio.run(_serve(settings, (host, port), (console_host, console_port), started))


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


async def _serve(
    settings: Settings, citizens: tuple[str, int], staff_address: tuple[str, int], started: float
) -> None:
    from actions import answers, requests
    from channels.gateway import create_app, serve, start
    from channels.requests import attach_requests
    from channels.web.keys import DISPATCHER, SWITCHES
    from chengda.compose import (
        console_config,
        console_settings,
        first_admin,
        gateway_config,
        make_brain,
        make_live_settings,
        make_staff_store,
        make_trace_recorder,
        make_trace_store,
        start_rooms,
        startup_errors,
        stop_rooms,
    )
    from chengda.people import follow_hours, open_people
    from chengda.watching import open_watch
    from console.app import create_console
    from console.services import Services

    with plain_errors(*startup_errors()):
        watch = open_watch(settings, lambda line: console.print(line, markup=False))
        brain = make_brain(settings)
        start_rooms(settings)
        brain.load()
        traces = make_trace_store(settings)
        live = make_live_settings(settings)
        live.follow()
        recorder = make_trace_recorder(settings, traces, live)
        people = open_people(settings, traces, recorder)
        if people.desk is not None:
            follow_hours(people.desk, settings, live)
        config = replace(
            gateway_config(settings, recorder, people, live),
            exports_at=console_settings(settings).public_url or _address(*staff_address),
        )
        app = create_app(brain, config)
        if requests.configured():
            attach_requests(app, requests.get_service())
        staff = make_staff_store(settings)
        services = Services(
            settings=settings,
            knowledge=answers.get_service(),
            traces=traces,
            dispatcher=app[DISPATCHER],
            handover=people.desk,
            notices=people.notices,
            requests=requests.get_service() if requests.configured() else None,
            charts=config.charts,
            exports=config.exports,
            files=config.files,
            live=live,
            switches=app[SWITCHES],
            channels=(
                "web",
                *(channel.name for channel in config.channels),
                *(extension.switch for extension in config.extensions if extension.switch),
            ),
        )
        staff_app = create_console(console_config(settings, staff, services, _address(*citizens)))
        console_runner = await start(staff_app, *staff_address)

        def ready() -> None:
            password = first_admin(settings, staff)
            console.print(
                f"\n[bold]{settings.city.name.zh} · {settings.city.name.en}[/] "
                f"[dim]{time.perf_counter() - started:.1f} s[/]\n"
                f"  聊天页 Chat page   {_address(*citizens)}\n"
                f"  工作台 Console     {_address(staff_address[0], console_runner.addresses[0][1])}\n"
                f"  接口 API           {_address(*citizens)}api/v1/   (/healthz, /readyz)"
            )
            if password:
                console.print(
                    f"  工作台账号，仅显示一次 Console account, shown once:  admin  {password}", markup=False
                )
            console.print("  按 Ctrl-C 停止 · Ctrl-C stops")

        people.start()
        if watch is not None:
            watch.start()
        try:
            await serve(app, *citizens, on_ready=ready)
        finally:
            if watch is not None:
                await asyncio.to_thread(watch.close)
            people.close()
            await console_runner.cleanup()
            staff.close()
            recorder.close()
            traces.close()
            live.close()
            brain.close()
            stop_rooms()
            console.print("已停止，未丢失任何消息 · stopped, nothing lost")


def _address(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
