"""Problem details for HTTP APIs (RFC 9457): every refusal has a stable `type` and says the mend."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from channels.jsonio import dumps

# RFC 9457, section 4.2 allows `tag:` URIs (RFC 4151) for types that are names, not pages.
TYPE_PREFIX = "tag:chengda.example,2026:problem/"
CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """One stable problem type: its last path segment, its HTTP status, its title."""

    name: str
    status: int
    title: str


_KINDS = (
    Kind("bad-json", 400, "The body is not valid JSON"),
    Kind("bad-request", 400, "The request is not valid"),
    Kind("bad-photo", 422, "The file is no usable photo"),
    Kind("unauthorized", 401, "A token is needed"),
    Kind("forbidden", 403, "Access refused"),
    Kind("not-found", 404, "Not found"),
    Kind("method-not-allowed", 405, "Method not allowed"),
    Kind("duplicate-in-flight", 409, "This message is being answered"),
    Kind("text-too-long", 413, "The text is too long"),
    Kind("body-too-large", 413, "The body is too large"),
    Kind("unsupported-media-type", 415, "Unsupported content type"),
    Kind("rate-limited", 429, "Too many requests"),
    Kind("internal", 500, "Internal error"),
    Kind("overloaded", 503, "All places are taken"),
    Kind("channel-off", 503, "This channel is switched off"),
    Kind("shutting-down", 503, "The service is restarting"),
    Kind("erase-incomplete", 503, "The conversation is not completely erased yet"),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _KINDS}


class Problem(Exception):
    """A refusal that the caller can act on.

    Args:
        name: a key of `KINDS`.
        zh: what happened and the mend, in Chinese.
        en: the same in English.
        retry_after_s: seconds to wait before trying again, sent as `Retry-After` (whole seconds).
        headers: further response headers.
    """

    def __init__(
        self,
        name: str,
        zh: str,
        en: str,
        *,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{name}: {en}")
        self.kind = KINDS[name]
        self.zh = zh
        self.en = en
        self.retry_after_s = None if retry_after_s is None else max(1, math.ceil(retry_after_s))
        self.headers = dict(headers or {})

    def to_dict(self) -> dict[str, Any]:
        """Return the problem object; `messages` holds `detail` once per language."""
        data: dict[str, Any] = {
            "type": TYPE_PREFIX + self.kind.name,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": f"{self.zh} / {self.en}",
            "messages": {"zh": self.zh, "en": self.en},
        }
        if self.retry_after_s is not None:
            data["retry_after"] = self.retry_after_s
        return data

    def response(self) -> web.Response:
        """Return the HTTP response for this problem."""
        headers = dict(self.headers)
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        return web.Response(
            status=self.kind.status,
            body=dumps(self.to_dict()),
            content_type=CONTENT_TYPE,
            headers=headers,
        )


def not_found() -> Problem:
    """Return the problem for a conversation that does not exist or was erased."""
    return Problem(
        "not-found", "没有这个对话，或它已被删除；请新建对话。", "No such conversation; start a new one."
    )


def too_large(limit_bytes: int) -> Problem:
    """Return the problem for a body above `limit_bytes`."""
    return Problem(
        "body-too-large",
        f"请求内容超过 {limit_bytes // 1024} KiB，请缩短后再发。",
        f"The body is larger than {limit_bytes // 1024} KiB; shorten it and send it again.",
    )


def from_http_error(error: web.HTTPException, body_limit_bytes: int) -> Problem:
    """Return the problem that stands for one of aiohttp's own HTTP errors (status 4xx or 5xx)."""
    if error.status == 404:
        return Problem("not-found", "没有这个地址。", "There is nothing at this address.")
    if error.status == 405:
        allowed = error.headers.get("Allow", "")
        return Problem(
            "method-not-allowed",
            f"此地址只接受：{allowed}。",
            f"This address accepts only: {allowed}.",
            headers={"Allow": allowed},
        )
    if error.status == 413:
        return too_large(body_limit_bytes)
    if error.status < 500:
        return Problem("bad-request", "请求格式不正确。", f"The request is not valid: {error.reason}.")
    return internal()


def internal() -> Problem:
    """Return the problem for a defect of ours; it tells the caller nothing about the inside."""
    return Problem("internal", "服务出错，请稍后再试。", "Something went wrong here; try again later.")
