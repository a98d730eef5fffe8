"""Notices on their own database, and CAP documents of our own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from actions.notices.service import Draft, NoticeService
from actions.notices.settings import NoticesSection
from actions.notices.store import NoticeStore
from city.db import make_engine
from city.outbox import Outbox

DISTRICTS = [
    {
        "id": "zhongxin",
        "name": {"zh": "中心区", "en": "Zhongxin District"},
        "lat": 29.0,
        "lon": 124.5,
        "codes": ["901"],
    },
    {"id": "lingang", "name": {"zh": "临港区", "en": "Lingang District"}, "lat": 28.9, "lon": 124.6},
]
INFO = """
  <info>
    <language>{language}</language><category>Met</category><event>{event}</event><responseType>Shelter</responseType>
    <urgency>Expected</urgency><severity>{severity}</severity><certainty>Likely</certainty>
    {expires}<senderName>{name}</senderName><headline>{headline}</headline><description>{description}</description>
    <instruction>{instruction}</instruction>
    <area><areaDesc>{area}</areaDesc>{shape}</area>
  </info>"""
CHINESE = {
    "language": "zh-CN",
    "event": "台风",
    "severity": "Severe",
    "name": "澜川市气象台",
    "headline": "台风橙色预警",
    "description": "预计今夜有大风。",
    "instruction": "1. 关好门窗；\n2. *不要*外出 <海边>。".replace("<", "&lt;").replace(">", "&gt;"),
    "area": "临港区",
    "shape": "",
    "expires": "<expires>2026-11-24T08:00:00+08:00</expires>",
}
ENGLISH = {
    **CHINESE,
    "language": "en-GB",
    "event": "Typhoon",
    "name": "Lanchuan Weather Office",
    "headline": "Orange typhoon warning",
    "description": "Strong wind is expected tonight.",
    "instruction": "Stay indoors.",
    "area": "Lingang District",
}


def cap(
    identifier: str = "LC-1",
    *,
    kind: str = "Alert",
    references: str = "",
    infos: tuple[dict[str, str], ...] = (CHINESE, ENGLISH),
    sent: str = "2026-11-23T09:00:00+08:00",
    sender: str = "warn@lanchuan.example",
    **fields: str,
) -> bytes:
    """Return a CAP document."""
    status, scope = fields.get("status", "Actual"), fields.get("scope", "Public")
    refers = f"<references>{references}</references>" if references else ""
    blocks = "".join(INFO.format(**info) for info in infos)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
  <identifier>{identifier}</identifier><sender>{sender}</sender><sent>{sent}</sent><status>{status}</status>
  <msgType>{kind}</msgType><scope>{scope}</scope>{refers}{blocks}
</alert>""".encode()


def reference(identifier: str = "LC-1", sent: str = "2026-11-23T09:00:00+08:00") -> str:
    """Return what another message writes to refer to one of `cap`."""
    return f"warn@lanchuan.example,{identifier},{sent}"


class Clock:
    """Monday, 10:00 in the city."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 2, 0)

    def __call__(self) -> datetime:
        return self.time

    def move(self, **span: float) -> None:
        self.time += timedelta(**span)


class Board:
    """Notices with an outbox behind them."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.clock = Clock()
        self.outbox = Outbox(make_engine(f"sqlite:///{folder / 'chat.db'}"))
        self.outbox.create_tables()
        self.section = NoticesSection(**{"districts": DISTRICTS, **settings})
        self.open()

    def open(self) -> None:
        """Open the notices, again after a restart."""
        store = NoticeStore(make_engine(f"sqlite:///{self.folder / 'notices.db'}"))
        self.service = NoticeService(
            store,
            self.section,
            ZoneInfo("Asia/Shanghai"),
            ("澜川市", "Lanchuan City"),
            lambda: self.outbox,
            self.clock,
        )
        self.store = store

    def subscribe(self, who: str, *districts: str, language: str = "zh", channel: str = "web") -> None:
        self.store.subscribe(who, language, channel, districts, self.clock())

    def sent(self) -> list[tuple[str, str]]:
        """Return what went out since the last time: conversation and text."""
        found = []
        while parcels := self.outbox.take("test", 500, 60):
            for parcel in parcels:
                self.outbox.sent(parcel.seq)
                found.append((parcel.conversation_id, parcel.replies[0].text))
        return found


def draft(**changes: Any) -> Draft:
    """Return a notice of a water cut."""
    values = {
        "title": {"zh": "停水通知", "en": "Water cut"},
        "text": {"zh": "今晚停水检修。", "en": "Water is off tonight for repairs."},
        **changes,
    }
    return Draft(**values)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


@pytest.fixture
def make_board(tmp_path: Path) -> Callable[..., Board]:
    return lambda **settings: Board(tmp_path, **settings)
