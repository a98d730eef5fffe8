"""What the rooms below offer to the console's pages; the command line hands in what is running."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from actions.handover.service import HandoverService
    from actions.notices.service import NoticeService
    from actions.requests.service import RequestService
    from channels.dispatcher import Dispatcher
    from channels.switches import ChannelSwitches
    from channels.traces import TraceStore
    from city.live import LiveSettings
    from city.settings import Settings
    from knowledge.service import KnowledgeService


class ServiceMissingError(LookupError):
    """A page needs a part that this console runs without; the message names it."""


@dataclass(frozen=True)
class Services:
    """One field per service; `None` where the console runs without it."""

    settings: Settings | None = None
    knowledge: KnowledgeService | None = None
    traces: TraceStore | None = None
    dispatcher: Dispatcher | None = None
    handover: HandoverService | None = None
    notices: NoticeService | None = None
    requests: RequestService | None = None
    charts: Path | None = None
    exports: Path | None = None
    files: Path | None = None
    live: LiveSettings | None = None
    switches: ChannelSwitches | None = None
    channels: Sequence[str] = ()
