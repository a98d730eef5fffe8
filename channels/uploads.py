"""Reading one uploaded file, bounded, whatever is sent."""

from __future__ import annotations

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from channels.problem import Problem

# What aiohttp raises for a multipart body that is broken off or is none.
BROKEN_MULTIPART = (ValueError, AssertionError, RuntimeError, aiohttp.ClientError, HttpProcessingError)


async def file_of(request: web.Request, limit_bytes: int) -> bytes:
    """Read the part `file` of a multipart body, and no byte more than is allowed."""
    too_large = Problem(
        "body-too-large",
        f"照片超过 {limit_bytes // 1024 // 1024} MB，请压缩后再发。",
        f"The photo is larger than {limit_bytes // 1024 // 1024} MB; send a smaller one.",
        headers={"Connection": "close"},
    )
    if (request.content_length or 0) > limit_bytes + 64 * 1024:
        raise too_large
    if request.content_type != "multipart/form-data":
        raise Problem(
            "unsupported-media-type",
            "请以 multipart/form-data 上传，字段名 file。",
            "Upload as multipart/form-data in the field `file`.",
        )
    missing = Problem("bad-request", "缺少字段 file。", "The field `file` is missing.")
    try:
        reader = await request.multipart()
        for _ in range(8):
            part = await reader.next()
            if part is None:
                raise missing
            if not isinstance(part, aiohttp.BodyPartReader) or part.name != "file":
                continue
            data = bytearray()
            while chunk := await part.read_chunk(64 * 1024):
                data += chunk
                if len(data) > limit_bytes:
                    raise too_large
            return bytes(data)
    except BROKEN_MULTIPART as error:
        raise Problem("bad-request", "上传内容不完整。", "The upload is not complete.") from error
    raise missing
