"""Settings of the gateway; the command line builds them from `city.yml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import Engine

from channels.limits import Rate
from channels.protocols import ConversationObserver, ConversationOwner, PhotoTaker, TurnObserver

if TYPE_CHECKING:
    from channels.base import Channel
    from channels.courier import Retries
    from channels.extension import Extension
    from channels.queue.base import InboundQueue
    from channels.switches import ChannelSwitches
    from city.live import LiveSettings
    from city.outbox import Outbox


@dataclass(frozen=True)
class Bilingual:
    """One text for people, in both languages."""

    zh: str
    en: str

    def to_dict(self) -> dict[str, str]:
        """Return `{"zh": …, "en": …}`."""
        return {"zh": self.zh, "en": self.en}


@dataclass(frozen=True)
class PhoneNumber:
    """A telephone number one tap away, with its name in both languages."""

    number: str
    zh: str
    en: str


@dataclass(frozen=True)
class Limits:
    """What one message, one citizen, one address and the whole gateway may use.

    `text_chars` counts code points after cleaning; `concurrency` is the number of messages answered at the
    same time, `waiting` how many more may queue before 503; `*_s` are seconds.
    """

    text_chars: int = 2_000
    comment_chars: int = 1_000
    body_bytes: int = 64 * 1024
    concurrency: int = 8
    waiting: int = 256
    message_timeout_s: float = 20.0
    drain_s: float = 10.0
    per_conversation: Rate = field(default_factory=lambda: Rate(per_s=1.0, burst=40))
    per_address: Rate = field(default_factory=lambda: Rate(per_s=20.0, burst=400))
    new_conversations: Rate = field(default_factory=lambda: Rate(per_s=1.0, burst=120))
    sockets: int = 2_000
    sockets_per_address: int = 100
    socket_auth_s: float = 10.0
    socket_ping_s: float = 25.0


@dataclass(frozen=True)
class GatewayConfig:
    """Everything the gateway needs to know about the city and the machine it runs on.

    Args:
        city_name: shown in the header and the page title.
        database: SQLAlchemy URL or a ready engine; the gateway disposes of an engine that it made itself.
        languages: offered on the page, first one preferred.
        assistant_name: how the assistant introduces itself.
        emergency_numbers: always visible, one tap away.
        contact: the city's non-urgent line, where a person answers.
        notice: a banner for an outage or a storm; `None` shows none.
        alerts: whether an extension serves `/api/v1/notices`, which the page then asks.
        suggestions: first questions offered in an empty conversation.
        limits: see `Limits`.
        allowed_origins: origins (`https://www.city.example`) whose pages may call the API (CORS); also may
            embed the chat page in a frame. `"*"` allows every origin.
        trusted_proxies: networks (CIDR) whose `X-Forwarded-For` names the citizen's address.
        channels: chat apps answering under `/channels/{name}/webhook`.
        charts: folder of pictures that replies name as `/charts/NAME`; `None` serves none.
        owner: knows which conversations a person answers; `None` leaves them all to the bot.
        extensions: what stands beside the chat API, such as the hotline.
        turn_observers: told of every answered turn, such as the trace recorder.
        conversation_observers: told of ratings and erasures.
        outbox: where other rooms put what is to be said later; one on `database` when left out.
        inbox: the queue of accepted deliveries; one on `database` when left out.
        switches: which channels are on; kept in `database` when left out.
        roles: staff role by (channel name, sender id); everyone else is a citizen.
        retries: back-off of the sends to chat apps; `None` takes the usual one.
        photos: keeps photos from chat apps; `None` takes none.
        live: settings that staff change at run time, such as the notice; `None` has none.
        keep_days: returns the days that messages are kept, asked each hour; `None` keeps them all.
        files: folder of attachments that articles link to as `/files/NAME`; `None` serves none.
        exports: folder of files that replies name as `/exports/NAME`; `None` serves none.
        exports_at: address of the staff console, which hands those files to staff only; goes before `exports`.
        create_tables: create missing tables at start; leave off where migrations do it.
    """

    city_name: Bilingual
    database: str | Engine
    languages: Sequence[str] = ("zh", "en")
    assistant_name: Bilingual = Bilingual("城答", "Chengda")
    emergency_numbers: Sequence[PhoneNumber] = ()
    contact: PhoneNumber | None = None
    notice: Bilingual | None = None
    alerts: bool = False
    suggestions: Sequence[Bilingual] = ()
    limits: Limits = field(default_factory=Limits)
    allowed_origins: Sequence[str] = ()
    trusted_proxies: Sequence[str] = ()
    channels: Sequence[Channel] = ()
    outbox: Outbox | None = None
    inbox: InboundQueue | None = None
    switches: ChannelSwitches | None = None
    roles: Mapping[tuple[str, str], str] = field(default_factory=dict)
    retries: Retries | None = None
    create_tables: bool = True
    charts: Path | None = None
    owner: ConversationOwner | None = None
    extensions: Sequence[Extension] = ()
    turn_observers: Sequence[TurnObserver] = ()
    conversation_observers: Sequence[ConversationObserver] = ()
    exports: Path | None = None
    exports_at: str = ""
    files: Path | None = None
    live: LiveSettings | None = None
    keep_days: Callable[[], int | None] = lambda: None
    photos: PhotoTaker | None = None
