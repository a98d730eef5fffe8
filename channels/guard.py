"""What every webhook checks: equal in constant time, fresh, and not the signature of another body."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable

from channels.base import VerificationError

WINDOW_S = 300.0
_REMEMBERED = 50_000


def same(given: str, expected: str) -> bool:
    """Return whether two texts are equal, in constant time; an empty one never is."""
    return bool(given) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


class ReplayGuard:
    """Refuses stale time stamps, and a signature that comes again with another body.

    A platform that repeats a delivery repeats its body too; that one passes and is known by its id.

    Args:
        window_s: how far a time stamp may be from now, both ways.
        clock: seconds since 1970.
    """

    def __init__(self, window_s: float = WINDOW_S, clock: Callable[[], float] = time.time) -> None:
        self._window_s = window_s
        self._clock = clock
        self._seen: OrderedDict[str, bytes] = OrderedDict()
        self._messages: OrderedDict[str, set[str]] = OrderedDict()

    def fresh(self, stamp: str, *, per_second: float = 1.0) -> None:
        """Raise `VerificationError` unless a time stamp (`per_second` units) is within the window."""
        try:
            when = int(stamp) / per_second
        except (ValueError, OverflowError):
            raise VerificationError(f"the time stamp {stamp[:40]!r} is no time") from None
        age_s = self._clock() - when
        if abs(age_s) > self._window_s:
            raise VerificationError(
                f"the time stamp is {age_s:.0f} s old; {self._window_s:.0f} s are allowed"
            )

    def once(self, signature: str, body: bytes) -> None:
        """Raise `VerificationError` when a signature was seen with another body."""
        digest = hashlib.sha256(body).digest()
        known = self._seen.setdefault(signature, digest)
        self._seen.move_to_end(signature)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        if known != digest:
            raise VerificationError("the signature was used for another body")

    def few(self, signature: str, message_id: str, most: int) -> None:
        """Raise `VerificationError` when a signature comes with more than `most` messages.

        For a platform that signs the time alone: messages of the same moment share a signature.
        """
        known = self._messages.setdefault(signature, set())
        self._messages.move_to_end(signature)
        while len(self._messages) > _REMEMBERED:
            self._messages.popitem(last=False)
        known.add(message_id)
        if len(known) > most:
            known.discard(message_id)
            raise VerificationError("the signature was used for too many messages")
