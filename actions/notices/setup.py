"""Opens the notices that the settings describe."""

from __future__ import annotations

from collections.abc import Callable

from actions.notices.errors import NoticesNotConfigured
from actions.notices.service import NoticeService
from actions.notices.settings import NoticesSection
from actions.notices.store import NoticeStore
from city.db import make_engine
from city.outbox import Outbox, get_outbox
from city.settings import Settings, module_section


def load_service(settings: Settings, outbox: Callable[[], Outbox] = get_outbox) -> NoticeService:
    """Open the notices.

    Raises:
        NoticesNotConfigured: there is no `notices:` section.
        SettingsError: a key of it is wrong. DatabaseError: the database cannot be opened.
    """
    section = module_section(settings, "notices", NoticesSection)
    if section is None:
        raise NoticesNotConfigured()
    store = NoticeStore(make_engine(section.store_url or f"sqlite:///{settings.data / 'notices.db'}"))
    city = [name for name in (settings.city.name.zh, settings.city.name.en) if name]
    return NoticeService(store, section, settings.zone, city, outbox)
