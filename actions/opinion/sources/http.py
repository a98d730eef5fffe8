"""Fetches over HTTP with limits on bytes and time, so that an endless answer ends."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from actions.opinion.errors import SourceError

MOST_BYTES = 8 << 20


@dataclass(frozen=True)
class Fetched:
    """An answer: status (200 or 304), body, headers in lower case, and whether the body was cut."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    cut: bool


def fetch(
    url: str, timeout_s: float, headers: Mapping[str, str] | None = None, most_bytes: int = MOST_BYTES
) -> Fetched:
    """Return what an address answers.

    Args:
        url: http or https.
        timeout_s: for each wait; the whole may take four times as long.
        headers: to send.
        most_bytes: after which the answer is cut.

    Raises:
        SourceError: it cannot be reached or answers with an error.
    """
    if not url.startswith(("http://", "https://")):
        raise SourceError(f"{url[:80]} 不是 HTTP 地址", f"{url[:80]} is no HTTP address")
    request = urllib.request.Request(url, headers={"User-Agent": "chengda-opinion", **(headers or {})})
    until = time.monotonic() + 4 * timeout_s
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            parts: list[bytes] = []
            size = 0
            while size <= most_bytes and time.monotonic() < until:
                part = answer.read1(65_536)
                if not part:
                    break
                parts.append(part)
                size += len(part)
            cut = size > most_bytes or time.monotonic() >= until
            heads = {key.lower(): value for key, value in answer.headers.items()}
            return Fetched(answer.status, b"".join(parts)[:most_bytes], heads, cut)
    except urllib.error.HTTPError as error:
        if error.code == 304:
            return Fetched(304, b"", {}, False)
        raise SourceError(
            f"{_shown(url)} 返回 HTTP {error.code}",
            f"{_shown(url)} answered HTTP {error.code}; check address and key",
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise SourceError(
            f"{_shown(url)} 无法访问（{reason}）",
            f"{_shown(url)} cannot be reached ({reason}); it is tried again",
        ) from None


def _shown(url: str) -> str:
    return url.split("?", 1)[0][:120]
