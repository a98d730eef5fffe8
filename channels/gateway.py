"""The citizens' gateway as one aiohttp application, and serving it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import sys
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from channels.attachments import Attachments
from channels.base import Channel
from channels.config import Bilingual, GatewayConfig, Limits, PhoneNumber
from channels.courier import Courier
from channels.dispatcher import Dispatcher
from channels.identities import Identities
from channels.intake import Intake
from channels.keeping import MessageKeeper
from channels.limits import Rate, TokenBuckets
from channels.notice import KEY as NOTICE_KEY
from channels.notice import NoticeBoard
from channels.protocols import Brain
from channels.pull import Pulls
from channels.queue.sql import SqlQueue, inbox_engine
from channels.store import ConversationStore
from channels.switches import SqlSwitches
from channels.web import api, pages
from channels.web.keys import CONFIG, DISPATCHER, NEW_CONVERSATIONS, NOTICES, STORE, SWITCHES
from channels.web.security import caller_address, cross_origin, problems, security_headers
from channels.web.socket import SOCKETS, Sockets
from channels.webhook import WebhookGate
from city.outbox import Outbox, OutboxNotConfiguredError, get_outbox, set_outbox

__all__ = [
    "Bilingual",
    "Brain",
    "GatewayConfig",
    "Limits",
    "PhoneNumber",
    "PortInUseError",
    "Rate",
    "create_app",
    "serve",
    "start",
]


_SWITCH_S = 0.0005


class PortInUseError(OSError):
    """The port to serve on is taken; the message names it and the mend."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            errno.EADDRINUSE,
            f"端口 {port}（{host}）已被占用：请先停止占用它的程序，或用 --port 换一个端口。 / "
            f"Port {port} on {host} is in use: stop the program that holds it, or use another with --port.",
        )
        self.host = host
        self.port = port

    def __str__(self) -> str:
        return str(self.strerror)


class ChannelNameError(ValueError):
    """Two channels are registered under the same name."""


def _by_name(config: GatewayConfig) -> dict[str, Channel]:
    channels: dict[str, Channel] = {}
    for channel in config.channels:
        if channel.name in channels:
            raise ChannelNameError(
                f"channels: {channel.name!r} is registered twice; remove one entry in city.yml"
            )
        channels[channel.name] = channel
    return channels


def create_app(brain: Brain, config: GatewayConfig) -> web.Application:
    """Return the gateway around `brain`.

    The application opens its store and channels when it starts, and when it stops drains what it accepted
    within `config.limits.drain_s` seconds. The brain is the caller's to start and to stop.

    Raises:
        ChannelNameError: two channels have the same name.
    """
    limits = config.limits
    app = web.Application(
        client_max_size=limits.body_bytes,
        middlewares=[cross_origin(config), problems, caller_address(config.trusted_proxies)],
    )
    store = ConversationStore(config.database)
    identities = Identities(store, config.roles)
    board = NoticeBoard(config.live, config.notice)
    switches = config.switches or SqlSwitches(store.engine)
    dispatcher = Dispatcher(
        brain,
        store,
        limits,
        owner=config.owner,
        own_words=identities.web_words,
        turn_observers=config.turn_observers,
        conversation_observers=config.conversation_observers,
        notice=board.current,
        enabled=switches.enabled,
    )
    outbox = config.outbox or Outbox(store.engine)
    channels = _by_name(config)
    sockets = Sockets(limits.sockets, limits.sockets_per_address)
    courier = Courier(outbox, store, channels, sockets.push, enabled=switches.enabled, retries=config.retries)
    inbox = config.inbox or SqlQueue(inbox_engine(config.database), store.owner)
    intake = Intake(
        inbox, dispatcher, store, outbox, channels, identities, limits, Attachments(config.photos)
    )
    pulls = Pulls(intake, outbox, store, identities)
    gate = WebhookGate(channels, intake, pulls, courier.taken, switches.enabled)
    keeper = MessageKeeper(store, dispatcher, config.keep_days)

    def announce() -> None:
        notice = board.current()
        sockets.announce({"type": "notice", "notice": notice and notice.to_dict()})

    async def erased(conversation_id: str) -> None:
        await store.in_thread(outbox.erase, conversation_id)
        await sockets.close_conversation(conversation_id)

    dispatcher.on_erased = erased
    app[CONFIG] = config
    app[STORE] = store
    app[DISPATCHER] = dispatcher
    app[NEW_CONVERSATIONS] = TokenBuckets(limits.new_conversations)
    app[SOCKETS] = sockets
    app[SWITCHES] = switches
    app[NOTICES] = board
    app.add_routes([*api.routes(), *pages.routes()])
    for extension in config.extensions:
        app.add_routes(extension.routes())
    app.router.add_route("GET", "/channels/{name}/webhook", gate.webhook)
    app.router.add_route("POST", "/channels/{name}/webhook", gate.webhook)
    app.on_response_prepare.append(security_headers(config))

    async def lifetime(_app: web.Application) -> AsyncIterator[None]:
        await store.open(config.create_tables)
        if config.create_tables:
            await store.in_thread(outbox.create_tables)
        set_outbox(outbox)
        loop = asyncio.get_running_loop()

        def changed(key: str) -> None:
            if key == NOTICE_KEY:
                loop.call_soon_threadsafe(announce)

        if config.live is not None:
            config.live.listen(changed)
        await gate.start()
        await courier.start()
        await intake.start()
        keeper.start()
        for extension in config.extensions:
            await extension.start(dispatcher, store)
        yield
        if config.live is not None:
            config.live.unlisten(changed)
        with contextlib.suppress(OutboxNotConfiguredError):
            if get_outbox() is outbox:
                set_outbox(None)
        await store.close()

    async def drain(_app: web.Application) -> None:
        await keeper.stop()
        await gate.drain()
        await dispatcher.close()
        for extension in config.extensions:
            await extension.stop()
        await intake.stop(limits.drain_s)
        await courier.stop(limits.drain_s)
        await gate.stop()
        await sockets.close_all()

    app.cleanup_ctx.append(lifetime)
    app.on_shutdown.append(drain)
    return app


async def start(app: web.Application, host: str, port: int) -> web.AppRunner:
    """Listen on `host:port` and return the runner; its `cleanup()` drains and stops.

    Raises:
        PortInUseError: another program listens there.
    """
    # Addresses of citizens do not belong in a log, so there is no access log.
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=5.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(host, port) from error
        raise
    return runner


async def serve(
    app: web.Application,
    host: str,
    port: int,
    *,
    stop: asyncio.Event | None = None,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGINT, SIGTERM or `stop`; then take no more, drain and close.

    Args:
        stop: ends serving when set; one of our own when left out.
        on_ready: called once connections are accepted.

    Raises:
        PortInUseError: another program listens on the port.
    """
    loop = asyncio.get_running_loop()
    # The event loop gives up the interpreter at every read and write of a socket; with the usual 5 ms it waits
    # that long for it each time that a thread works on the database, and so do the platforms.
    sys.setswitchinterval(_SWITCH_S)
    stop = stop or asyncio.Event()
    runner = await start(app, host, port)
    caught: list[signal.Signals] = []
    # Signals belong to the main thread; elsewhere (a test, a service wrapper) `stop` ends serving.
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
            caught.append(number)
    try:
        if on_ready is not None:
            on_ready()
        await stop.wait()
    finally:
        await runner.cleanup()
        for number in caught:
            loop.remove_signal_handler(number)
