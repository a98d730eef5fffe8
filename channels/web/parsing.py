"""From bytes to a citizen's message: one parser for HTTP and WebSocket."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from channels.config import Limits
from channels.incoming import stand_in
from channels.jsonio import JsonError, loads_object
from channels.problem import Problem
from channels.text import clean_text
from city.messages import LANGUAGES

MAX_ATTACHMENTS = 20
_UPLOAD = re.compile(r"[\w-]{1,64}", re.ASCII)
_MESSAGE_ID = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True)
class ParsedMessage:
    """A message that passed every check: cleaned text, an id, a wish for a language or none.

    `metadata` holds `location` ({"lat","lon"}, degrees) and `attachments` (ids of uploads) where they were sent.
    """

    text: str
    message_id: str
    language: str | None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ParsedFeedback:
    """A rating (`up` or `down`) of the answer to one message."""

    message_id: str
    rating: str
    comment: str


def _bad(zh: str, en: str) -> Problem:
    return Problem("bad-request", zh, en)


def parse_json(body: bytes | str) -> dict[str, Any]:
    """Return the JSON object in `body`; raise the problem `bad-json`."""
    try:
        return loads_object(body)
    except JsonError as error:
        raise Problem(
            "bad-json",
            f"内容不是有效的 JSON 对象：{error}",
            f"The content is not a valid JSON object: {error}.",
        ) from error


async def read_json(request: web.Request) -> dict[str, Any]:
    """Return the JSON object a request carries; raise `unsupported-media-type` or `bad-json`."""
    if request.content_type != "application/json":
        raise Problem(
            "unsupported-media-type",
            "请以 Content-Type: application/json 发送 JSON。",
            f"Send JSON with Content-Type: application/json, not {request.content_type}.",
        )
    return parse_json(await request.read())


def parse_message_id(value: Any) -> str:
    """Return a message id of 1 to 128 visible ASCII characters; raise `bad-request`."""
    if not isinstance(value, str) or not _MESSAGE_ID.fullmatch(value):
        raise _bad(
            "message_id 须为 1 至 128 个可见 ASCII 字符。",
            "message_id must be a string of 1 to 128 visible ASCII characters.",
        )
    return value


def parse_message(data: Mapping[str, Any], limits: Limits) -> ParsedMessage:
    """Check and clean a message.

    Raises:
        Problem: `bad-request` for a missing, empty or non-string text, a bad id or an unknown language;
            `text-too-long` above `limits.text_chars`.
    """
    metadata = {**_location(data.get("location")), **_attachments(data.get("attachments"))}
    raw = data.get("text", stand_in(metadata) if metadata else None)
    if not isinstance(raw, str):
        raise _bad(
            "缺少文字内容：text 须为字符串。", "text is missing or not a string; send what the citizen wrote."
        )
    text = clean_text(raw)
    if not text:
        raise _bad("内容为空，请输入您的问题。", "text is empty; write a question.")
    if len(text) > limits.text_chars:
        raise Problem(
            "text-too-long",
            f"内容共 {len(text)} 字，超过 {limits.text_chars} 字的上限，请缩短或分次发送。",
            f"The text has {len(text)} characters; the limit is {limits.text_chars}. Shorten or split it.",
        )
    language = data.get("language")
    if language is not None and language not in LANGUAGES:
        raise _bad('language 只能是 "zh" 或 "en"。', 'language must be "zh" or "en", or be left out.')
    given = data.get("message_id")
    message_id = uuid.uuid4().hex if given is None else parse_message_id(given)
    return ParsedMessage(text, message_id, language, metadata)


def _location(value: Any) -> dict[str, Any]:
    """Return a shared position, `{}` when none was sent; raise `bad-request` when it is none on earth."""
    if value is None:
        return {}
    numbers: list[Any] = [value.get("lat"), value.get("lon")] if isinstance(value, dict) else [None]
    if all(isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        lat, lon = (float(n) for n in numbers)
        if -90 <= lat <= 90 and -180 <= lon <= 180:
            return {"location": {"lat": round(lat, 6), "lon": round(lon, 6)}}
    raise _bad(
        'location 须为 {"lat": 纬度, "lon": 经度}，单位为度。',
        'location must be {"lat": …, "lon": …} in degrees.',
    )


def _attachments(value: Any) -> dict[str, Any]:
    """Return the ids of uploaded files, `{}` when none were sent; raise `bad-request`."""
    if value is None or value == []:
        return {}
    if isinstance(value, list) and len(value) <= MAX_ATTACHMENTS and all(_is_upload(item) for item in value):
        return {"attachments": value}
    raise _bad(
        f"attachments 须为上传接口给出的编号列表，至多 {MAX_ATTACHMENTS} 个。",
        f"attachments must be a list of at most {MAX_ATTACHMENTS} ids that uploading returned.",
    )


def _is_upload(value: Any) -> bool:
    return isinstance(value, str) and _UPLOAD.fullmatch(value) is not None


def parse_feedback(data: Mapping[str, Any], limits: Limits) -> ParsedFeedback:
    """Check a rating and clean its comment; raise `bad-request` or `text-too-long`."""
    message_id = parse_message_id(data.get("message_id"))
    rating = data.get("rating")
    if rating not in ("up", "down"):
        raise _bad('rating 只能是 "up" 或 "down"。', 'rating must be "up" or "down".')
    raw = data.get("comment")
    if raw is not None and not isinstance(raw, str):
        raise _bad("comment 须为字符串。", "comment must be a string.")
    comment = clean_text(raw or "")
    if len(comment) > limits.comment_chars:
        raise Problem(
            "text-too-long",
            f"意见请控制在 {limits.comment_chars} 字以内。",
            f"Keep the comment to {limits.comment_chars} characters.",
        )
    return ParsedFeedback(message_id, str(rating), comment)
