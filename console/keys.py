"""What the console keeps in its application and in each request."""

from __future__ import annotations

from aiohttp import web

from console.config import ConsoleConfig
from console.i18n import Catalogue
from console.staff import AuditLog, StaffSession

CONFIG = web.AppKey("console_config", ConsoleConfig)
CATALOGUE = web.AppKey("console_catalogue", Catalogue)
AUDIT = web.AppKey("console_audit", AuditLog)
# Keys of the request.
SESSION = "console_session"
LANGUAGE = "console_language"
VISIT = "console_visit"


def session_of(request: web.Request) -> StaffSession | None:
    """Return the session of the request, `None` when nobody is signed in."""
    session: StaffSession | None = request.get(SESSION)
    return session
