"""GeoReport v2 in JSON and XML (wiki.open311.org/GeoReport_v2): written for our server, read by our client."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring
from zoneinfo import ZoneInfo

from defusedxml import ElementTree as SafeTree
from defusedxml.common import DefusedXmlException

from actions.requests.catalogue import Category
from actions.requests.contacts import hide_contacts
from actions.requests.news import state_name
from actions.requests.records import Request
from actions.requests.service import RequestService
from city.masking import mask

Item = dict[str, Any]
# The wrapping and the inner element of each list.
LISTS = {
    "services": "service",
    "service_requests": "request",
    "errors": "error",
    "attributes": "attribute",
    "values": "value",
    "endpoints": "endpoint",
    "formats": "format",
}
# Characters that XML 1.0 cannot carry (section 2.2).
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Where our server shows reports' photos.
MEDIA = "/open311/v2/media"
# The reference to our own number in what we file elsewhere.
MARKER = re.compile(r"\[[A-Z]{2,4}-20\d{2}-\d{8}\]")
MAX_ANSWER_BYTES = 20 * 1024 * 1024


class GarbageError(ValueError):
    """A body that is no GeoReport answer; the message says what it is instead."""


def service_item(category: Category, language: str) -> Item:
    """Return a category as a GeoReport service."""
    words = [*category.keywords["zh"][:4], *category.keywords["en"][:4]]
    return {
        "service_code": category.id,
        "service_name": category.name.get(language),
        "description": " / ".join((category.name.zh, category.name.en)),
        "metadata": False,
        "type": "realtime",
        "keywords": ", ".join(words),
        "group": category.group or category.kind,
    }


def definition_item(category: Category) -> Item:
    """Return a service's definition; our categories ask for nothing beyond the standard fields."""
    return {"service_code": category.id, "attributes": []}


def request_item(
    request: Request, service: RequestService, language: str, media: Callable[[str], str] | None = None
) -> Item:
    """Return a request as others may see it: contacts and personal numbers in its text are masked.

    Args:
        media: gives the address of a photo by its id; `None` names no photos.
    """
    category = service.catalogue.get(request.category)
    news = [e.text for e in service.store.history(request.id, public_only=True) if e.text]
    return {
        "service_request_id": request.number,
        "status": "open" if request.is_open else "closed",
        "status_notes": news[-1] if news else state_name(request, language),
        "service_name": category.name.get(language),
        "service_code": category.id,
        "description": _public(request.description),
        "agency_responsible": service.catalogue.department_name(request.department, language),
        "service_notice": None,
        "requested_datetime": w3c(request.created_at, service.zone),
        "updated_datetime": w3c(request.updated_at, service.zone),
        "expected_datetime": w3c(request.resolve_due, service.zone),
        "address": request.address or None,
        "address_id": None,
        "zipcode": None,
        "lat": request.lat,
        "long": request.lon,
        "media_url": _media_url(request, service, media) if media is not None else None,
    }


def _public(text: str) -> str:
    """Mask a description; the reference under which it was filed elsewhere stays, so that its sender finds it."""
    parts = re.split(f"({MARKER.pattern})", text)
    return "".join(part if MARKER.fullmatch(part) else mask(hide_contacts(part)) for part in parts)


def _media_url(request: Request, service: RequestService, media: Callable[[str], str]) -> str | None:
    """Return the address of the first photo, else the one that an Open311 client gave."""
    photos = service.store.photos(request_id=request.id)
    return media(photos[0].id) if photos else request.attributes.get("media_url")


def w3c(value: datetime, zone: ZoneInfo) -> str:
    """Return a UTC time in the W3C format that GeoReport asks for, in the city's time zone."""
    return value.replace(tzinfo=timezone.utc).astimezone(zone).isoformat(timespec="seconds")


def parse_time(text: str) -> datetime:
    """Return a W3C time as UTC without an offset; raises `ValueError`."""
    value = datetime.fromisoformat(text.strip().replace(" ", "+").replace("Z", "+00:00"))
    if value.tzinfo is None:
        return value
    return value.astimezone(timezone.utc).replace(tzinfo=None)


def to_json(data: Any) -> bytes:
    """Return JSON in UTF-8; lists stand bare, as in the specification's examples."""
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")


def to_xml(root: str, data: Any) -> bytes:
    """Return XML with the specification's element names; `root` is "services", "service_requests", …"""
    element = Element(root)
    _fill(element, data)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + bytes(tostring(element, encoding="utf-8"))


def _fill(element: Element, data: Any) -> None:
    if isinstance(data, Mapping):
        for key, value in data.items():
            _fill(SubElement(element, key), value)
    elif isinstance(data, Sequence) and not isinstance(data, str):
        inner = LISTS.get(element.tag, "item")
        for item in data:
            _fill(SubElement(element, inner), item)
    elif isinstance(data, bool):
        element.text = "true" if data else "false"
    elif data is not None:
        element.text = _NO_XML.sub("", str(data))


def parse_list(body: bytes, content_type: str, root: str) -> list[Item]:
    """Return the items of a remote server's answer.

    Args:
        content_type: what the server called it; a body that starts with "<" is read as XML all the same.
        root: the element that wraps the items.

    Raises:
        GarbageError: it is neither JSON nor XML of that shape.
    """
    if len(body) > MAX_ANSWER_BYTES:
        raise GarbageError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
    text = body.lstrip(b"\xef\xbb\xbf \r\n\t")
    data = _from_xml(text, root) if text.startswith(b"<") else _from_json(text, root)
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise GarbageError(f"{content_type or 'the answer'} holds no list of {LISTS[root]}s")
    return data


def _from_json(text: bytes, root: str) -> Any:
    try:
        data = json.loads(text.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise GarbageError(f"is no JSON ({str(error)[:120]})") from None
    if isinstance(data, dict):
        # Some servers wrap the list as XML does.
        data = data.get(root, data)
        if isinstance(data, dict):
            data = data.get(LISTS[root], [data])
    return [data] if isinstance(data, dict) else data


def _from_xml(text: bytes, root: str) -> Any:
    try:
        element = SafeTree.fromstring(text)
    except (SafeTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise GarbageError(f"is no XML ({str(error)[:120]})") from None
    if element.tag != root:
        raise GarbageError(f"is <{element.tag}>, not <{root}>")
    return [{child.tag: (child.text or "").strip() for child in item} for item in element]
