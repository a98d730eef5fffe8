"""The desk as one object: what the gateway, the dialogue, the console and the command line use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actions.handover.desk import Desk
from actions.handover.hours import Hours
from actions.handover.keeper import Keeper
from actions.handover.office import Office
from actions.handover.reception import Reception
from actions.handover.records import Past, RequestFiler
from actions.handover.rules import Rules, read_canned, read_rules
from actions.handover.settings import HandoverSection
from actions.handover.store import HandoverStore
from actions.handover.telephone import Switchboard
from city.db import make_engine
from city.outbox import Outbox, get_outbox
from city.settings import Settings, module_section


@dataclass(frozen=True)
class HandoverService:
    """The parts of the desk; `close` ends them."""

    office: Office
    reception: Reception
    desk: Desk
    keeper: Keeper
    switchboard: Switchboard

    @property
    def store(self) -> HandoverStore:
        """The desk's memory."""
        return self.office.store

    def close(self) -> None:
        """Stop looking after the desk and close its database."""
        self.office.close()
        self.keeper.stop()
        self.store.engine.dispose()


def load_service(
    settings: Settings,
    *,
    past: Past | None = None,
    filer: RequestFiler | None = None,
    outbox: Callable[[], Outbox] = get_outbox,
) -> HandoverService | None:
    """Open the desk that the settings describe; `None` when they have no `handover:` section.

    Args:
        past: tells what was said before a person was asked for.
        filer: files what nobody took in.
        outbox: where what is said to citizens goes.

    Raises:
        SettingsError: a key is wrong. RulesError: a file of rules or canned replies cannot be used.
        DatabaseError: the database cannot be opened.
    """
    section = module_section(settings, "handover", HandoverSection)
    if section is None:
        return None
    store = HandoverStore(make_engine(section.store_url or f"sqlite:///{settings.data / 'handover.db'}"))
    office = Office(
        store=store,
        section=section,
        hours=Hours(section.hours, settings.zone, section.holidays, section.closed, section.opened),
        contact=settings.contact,
        outbox=outbox,
        rules=Rules(read_rules(settings.path(section.rules)) if section.rules else ()),
        canned=read_canned(settings.path(section.canned)) if section.canned else (),
        city=(settings.city.name.get("zh"), settings.city.name.get("en")),
    )
    reception = Reception(office, past, filer)
    return HandoverService(office, reception, Desk(office), Keeper(office, reception), Switchboard(reception))
