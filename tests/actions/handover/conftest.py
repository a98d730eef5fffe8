"""A desk on its own database with a clock that stands until it is moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from actions.handover.desk import Desk
from actions.handover.hours import Hours
from actions.handover.keeper import Keeper
from actions.handover.office import Office
from actions.handover.owner import HandoverOwner
from actions.handover.reception import Reception
from actions.handover.records import Case, PastTurn
from actions.handover.rules import Rules, read_canned, read_rules
from actions.handover.service import HandoverService
from actions.handover.settings import HandoverSection
from actions.handover.store import HandoverStore
from actions.handover.telephone import Switchboard
from city.db import make_engine
from city.messages import Answer, Message, Reply, Trace
from city.outbox import Outbox
from city.settings import Bilingual, ContactSection

DEMO = Path(__file__).resolve().parents[3] / "actions" / "handover" / "demo"
TEAMS = [
    {"id": "general", "name": {"zh": "综合", "en": "General"}},
    {"id": "roads", "name": {"zh": "交通", "en": "Roads"}, "topics": ["transit"], "operators": ["wang"]},
    {"id": "care", "name": {"zh": "关怀", "en": "Care"}},
]


class Clock:
    """Monday, 10:00 in the city."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 2, 0)

    def __call__(self) -> datetime:
        return self.time

    def move(self, **span: float) -> None:
        self.time += timedelta(**span)


class Filer:
    """Files requests; `fail` raises."""

    def __init__(self) -> None:
        self.filed: dict[int, str] = {}
        self.fail: Exception | None = None

    def file(self, case: Case, text: str) -> str:
        if self.fail is not None:
            raise self.fail
        self.filed[case.id] = text
        return f"LC-{case.id}"


class Past:
    """What was said before."""

    def __init__(self) -> None:
        self.said: list[PastTurn] = []

    def turns(self, conversation_id: str, limit: int) -> Sequence[PastTurn]:
        return self.said[-limit:]


class Scene:
    """A desk with everything around it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.clock = Clock()
        self.filer = Filer()
        self.past = Past()
        self.outbox = Outbox(make_engine(f"sqlite:///{folder / 'chat.db'}"))
        self.outbox.create_tables()
        self.settings = {"teams": TEAMS, "presence_timeout_s": 60, **settings}
        self.open()

    def open(self) -> None:
        """Open the desk, again after a restart."""
        section = HandoverSection(**self.settings)
        office = Office(
            store=HandoverStore(make_engine(f"sqlite:///{self.folder / 'handover.db'}")),
            section=section,
            hours=Hours(section.hours, ZoneInfo("Asia/Shanghai"), section.holidays),
            contact=ContactSection(number="12345", zh="市民热线", en="Citizen hotline", hours=Bilingual()),
            outbox=lambda: self.outbox,
            rules=Rules(read_rules(DEMO / "rules.yml")),
            canned=read_canned(DEMO / "canned.yml"),
            city=("澜川市", "Lanchuan"),
            now=self.clock,
        )
        reception = Reception(office, self.past, self.filer)
        self.service = HandoverService(
            office, reception, Desk(office), Keeper(office, reception), Switchboard(reception)
        )
        self.office, self.reception, self.desk, self.keeper = (
            office,
            reception,
            self.service.desk,
            self.service.keeper,
        )
        self.owner = HandoverOwner(self.service)
        self.numbers = 0

    def ask(self, conversation: str = "c1", language: str = "zh") -> Any:
        return self.reception.ask(conversation, "web", language, "asked")

    def message(self, text: str, conversation: str = "c1", **more: Any) -> Message:
        self.numbers += 1
        return Message(conversation, f"m{self.numbers}", text, **more)

    async def write(self, text: str, conversation: str = "c1", **more: Any) -> list[str] | None:
        """Write as a citizen; return what is said at once, `None` when the bot answers."""
        said = await self.owner.take(self.message(text, conversation, **more))
        return None if said is None else [reply.text for reply in said]

    async def bot(self, text: str, source: str, intent: str = "", conversation: str = "c1") -> list[Reply]:
        """Let the bot answer with a reply of some source; return what the citizen gets."""
        trace = Trace(conversation, "m", [{"step": "nlu", "intent": {"name": intent}}])
        answer = Answer("m", "zh", [Reply("bot", source)], trace)
        return list(await self.owner.answered(self.message(text, conversation), answer))

    def sent(self, conversation: str = "c1") -> list[str]:
        """Return what went to the outbox, oldest first."""
        found = []
        while parcels := self.outbox.take("test", 50, 60):
            for parcel in parcels:
                self.outbox.sent(parcel.seq)
                found.append((parcel.conversation_id, parcel.replies[0].text))
        return [text for owner, text in found if owner == conversation]


@pytest.fixture
def make_scene(tmp_path: Path) -> Callable[..., Scene]:
    return lambda **settings: Scene(tmp_path, **settings)


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene()
