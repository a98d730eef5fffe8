"""What Open311 clients send: fields as a form, multipart or JSON, photos beside them; and the report that they make."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from actions.requests.records import NewRequest, Place
from actions.requests.service import RequestService
from channels.jsonio import JsonError, loads_object
from channels.text import clean_text
from channels.uploads import BROKEN_MULTIPART

DESCRIPTION_CHARS, VALUE_CHARS = 4000, 500
_PARTS, _PHOTOS, _PART_BYTES = 60, 10, 64 * 1024
_ATTRIBUTE = re.compile(r"^attribute\[(\w{1,60})\](?:\[\w*\])?$")
_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")


class GeoReportError(Exception):
    """A refusal in the specification's own form."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status, self.description = status, description


@dataclass
class Sent:
    """The fields of a POST, and the bytes of the photos with it."""

    fields: dict[str, str] = field(default_factory=dict)
    photos: list[bytes] = field(default_factory=list)


async def read_sent(request: web.Request, photo_bytes: int) -> Sent:
    """Read a POST of any of the three sorts.

    Args:
        photo_bytes: the most that one photo may have.

    Raises:
        GeoReportError: 400 for a body that cannot be read, 413 for one that is too large.
    """
    if request.content_type == "application/json":
        try:
            data = loads_object(await request.read())
        except JsonError as error:
            raise GeoReportError(400, f"the body is no JSON object: {error}") from error
        return Sent({name: str(v) for name, v in data.items() if isinstance(v, (str, int, float))})
    if request.content_type == "multipart/form-data":
        try:
            return await _multipart(request, photo_bytes)
        except BROKEN_MULTIPART as error:
            raise GeoReportError(400, "the body is no complete multipart/form-data") from error
    try:
        return Sent({name: value for name, value in (await request.post()).items() if isinstance(value, str)})
    except (ValueError, LookupError) as error:
        raise GeoReportError(400, "the body is no form") from error


async def _multipart(request: web.Request, photo_bytes: int) -> Sent:
    sent = Sent()
    reader = await request.multipart()
    for _ in range(_PARTS):
        part = await reader.next()
        if part is None:
            return sent
        if not isinstance(part, aiohttp.BodyPartReader) or not part.name:
            continue
        limit = photo_bytes if part.filename else _PART_BYTES
        data = bytearray()
        while chunk := await part.read_chunk(64 * 1024):
            data += chunk
            if len(data) > limit:
                raise GeoReportError(413, f"{part.name} is larger than {limit} bytes")
        if not part.filename:
            sent.fields[part.name] = data.decode("utf-8", "replace")
        elif data:
            sent.photos.append(bytes(data))
        if len(sent.photos) > _PHOTOS:
            raise GeoReportError(413, f"more than {_PHOTOS} photos")
    raise GeoReportError(400, f"more than {_PARTS} fields")


def new_request(service: RequestService, fields: Mapping[str, str], key: str, language: str) -> NewRequest:
    """Return the report that a client's fields make.

    Args:
        key: the filing key: the same again files nothing twice.

    Raises:
        GeoReportError: a field is missing, unknown or wrong.
    """
    code = fields.get("service_code", "")
    if not code:
        raise GeoReportError(400, "service_code was not provided")
    category = service.catalogue.categories.get(code)
    if category is None or category.kind != "report":
        raise GeoReportError(404, "service_code was not found")
    description = clean_text(fields.get("description", ""))
    if len(description) > DESCRIPTION_CHARS:
        raise GeoReportError(400, f"description is longer than {DESCRIPTION_CHARS} characters")
    return NewRequest(
        key=key,
        category=code,
        description=description or category.name.get(language),
        place=_place(service, fields, language),
        contact=_contact(fields),
        language=language,
        channel="open311",
        source="open311",
        attributes=_attributes(fields),
    )


def _place(service: RequestService, fields: Mapping[str, str], language: str) -> Place | None:
    lat, lon = fields.get("lat", ""), fields.get("long", "")
    address = clean_text(fields.get("address_string", "") or fields.get("address_id", ""))[:200]
    if bool(lat) != bool(lon):
        raise GeoReportError(400, "lat and long must be given together")
    if lat:
        try:
            point = service.places.at(float(lat), float(lon), language)
        except (ValueError, OverflowError):
            point = None
        if point is None:
            raise GeoReportError(400, "lat and long must be degrees (WGS 84)")
        return Place(address or point.text, point.lat, point.lon, point.district, "point")
    if not address:
        raise GeoReportError(400, "a location is needed: lat and long, address_string or address_id")
    found = service.places.find(address, language)
    return found[0].place if found else Place(address)


def _contact(fields: Mapping[str, str]) -> str:
    email = fields.get("email", "").strip()
    if email and not _EMAIL.match(email):
        raise GeoReportError(400, "email is no address")
    parts = [fields.get(name, "") for name in ("first_name", "last_name", "phone")]
    return clean_text(" ".join(part for part in (*parts, email) if part.strip()))[:200]


def _attributes(fields: Mapping[str, str]) -> dict[str, Any]:
    media = fields.get("media_url", "").strip()
    if media:
        parts = urlsplit(media) if len(media) <= VALUE_CHARS else None
        if parts is None or parts.scheme not in ("http", "https") or not parts.netloc:
            raise GeoReportError(
                400, f"media_url must be an HTTP address of at most {VALUE_CHARS} characters"
            )
    known = {n: clean_text(v)[:VALUE_CHARS] for n, v in fields.items() if n in ("device_id", "account_id")}
    answers = {m[1]: clean_text(v)[:VALUE_CHARS] for n, v in fields.items() if (m := _ATTRIBUTE.match(n))}
    return {**known, **({"media_url": media} if media else {}), **({"answers": answers} if answers else {})}
