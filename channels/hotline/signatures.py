"""Checks that a webhook comes from the telephone provider."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping

from twilio.request_validator import RequestValidator

WINDOW_S = 300


def twilio_is_genuine(token: str, url: str, parameters: Mapping[str, str], signature: str) -> bool:
    """Check `X-Twilio-Signature` (HMAC-SHA1 over the address and the sorted parameters; Twilio, "Webhooks security")."""
    return bool(token and signature) and bool(
        RequestValidator(token).validate(url, dict(parameters), signature)
    )


def jambonz_is_genuine(secret: str, header: str, body: bytes, now_s: float | None = None) -> bool:
    """Check `Jambonz-Signature: t=SECONDS,v1=HEX`: HMAC-SHA256 over "SECONDS.BODY", at most five minutes old."""
    if not secret:
        return False
    fields = [part.strip().partition("=") for part in header.split(",")]
    stamp = next((value for name, _, value in fields if name == "t"), "")
    given = [value for name, _, value in fields if name == "v1"]
    if not (stamp.isascii() and stamp.isdecimal()) or len(stamp) > 15:
        return False
    if abs((time.time() if now_s is None else now_s) - int(stamp)) > WINDOW_S:
        return False
    wanted = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    # Every one is compared, so that the time taken tells nothing.
    matches = [hmac.compare_digest(wanted.encode(), value.encode("utf-8", "replace")) for value in given]
    return any(matches)


def token_is_right(secret: str, given: str) -> bool:
    """Compare a shared token in constant time; an empty secret matches nothing."""
    return bool(secret) and hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace"))
