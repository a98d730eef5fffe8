"""Tokens against requests that another site makes a staff browser send (OWASP: HMAC over the session)."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from aiohttp import web

from console.keys import VISIT, session_of

FIELD = "_csrf"
HEADER = "X-CSRF-Token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SECRET = web.AppKey("console_csrf_secret", bytes)


def csrf_token(request: web.Request) -> str:
    """Return the token of this session, or of this visit when nobody is signed in."""
    session = session_of(request)
    subject = f"session {session.key}" if session is not None else f"visit {request[VISIT]}"
    return hmac.new(request.app[SECRET], subject.encode(), hashlib.sha256).hexdigest()


def from_this_site(request: web.Request) -> bool:
    """Return whether the browser says that a page of this console sent the request (Fetch metadata, Origin).

    Browsers send at least one of the two with every request that changes something; programs may send neither.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def token_fits(request: web.Request, sent: str) -> bool:
    """Return whether the token that was sent is the one of this session."""
    return hmac.compare_digest(sent.encode("utf-8", "replace"), csrf_token(request).encode())
