"""What both sides of the requests share: catalogue, store, places, router, photos, clock, and news to citizens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from actions.requests.catalogue import Catalogue
from actions.requests.news import Put, news_reply
from actions.requests.photos import PhotoBox
from actions.requests.places import PlaceFinder
from actions.requests.records import Request
from actions.requests.routing import Route, Router
from actions.requests.settings import RequestsSection
from actions.requests.store import RequestStore, utc_now

logger = logging.getLogger(__name__)

CITIZEN = "citizen"


class Register:
    """What citizens' and staff's sides share.

    Args:
        section: the settings.
        catalogue: the categories.
        store: the database.
        places: finds places in texts.
        router: finds the category of a text.
        photos: the stored photos.
        zone: the city's time zone.
        now: the clock, UTC without an offset; for tests.
    """

    def __init__(
        self,
        section: RequestsSection,
        catalogue: Catalogue,
        store: RequestStore,
        places: PlaceFinder,
        router: Router,
        photos: PhotoBox,
        zone: ZoneInfo,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.section, self.catalogue, self.store = section, catalogue, store
        self.places, self.router, self.photos = places, router, photos
        self.zone, self.now = zone, now
        # Puts news where it is delivered from; set by the process that serves conversations.
        self.put: Put | None = None
        # Told of every newly filed request, so that it is also filed at a remote server.
        self.on_filed: list[Callable[[Request], None]] = []
        self._pushing = threading.Lock()

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def route(self, text: str, kind: str, language: str = "zh") -> Route:
        """Return the likeliest category of a text; names of places in it do not mislead."""
        bare = text
        for found in reversed(self.places.find(text, language)):
            bare = bare[: found.start] + " " + bare[found.end :]
        return self.router.route(bare if bare.strip() else text, kind)

    def push(self) -> int:
        """Hand public news that was not told yet to the outbox; return how many messages.

        Without an outbox (a command of the shell) the news waits for the server.
        """
        if self.put is None:
            return 0
        told = 0
        with self._pushing:
            for event, request, readers in self.store.untold():
                try:
                    for conversation_id, language in readers:
                        reply = news_reply(event, request, self.catalogue, language)
                        told += self.put(
                            conversation_id, [reply], f"request-event-{event.id}-{conversation_id}"
                        )
                except Exception:
                    logger.exception("news of request %s waits for the next attempt", request.number)
                    break
                self.store.mark_told([event.id])
        return told


def history_line(
    at: datetime, actor: str, kind: str, state: str | None, public: bool, text: str, told: bool
) -> dict[str, object]:
    """Return the columns of one line of a request's history; `told` says that its news needs no telling."""
    return {
        "at": at,
        "actor": actor[:120],
        "kind": kind,
        "state": state,
        "public": public,
        "text": text,
        "told": told,
    }
