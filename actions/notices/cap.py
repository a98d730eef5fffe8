"""Common Alerting Protocol 1.2 (OASIS CAP-v1.2-os): reading one alert from bytes, strictly and safely.

No document type, no entities, nothing fetched, and a limit on size: a hostile document costs no more than a good one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree as SafeTree
from defusedxml.common import DefusedXmlException

from actions.notices.errors import CapError

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MAX_BYTES = 1_000_000
MAX_INFOS, MAX_AREAS, MAX_POINTS, MAX_TEXT = 50, 500, 100_000, 20_000
STATUSES = ("Actual", "Exercise", "System", "Test", "Draft")
TYPES = ("Alert", "Update", "Cancel", "Ack", "Error")
SCOPES = ("Public", "Restricted", "Private")
CATEGORIES = "Geo Met Safety Security Rescue Fire Health Env Transport Infra CBRNE Other".split()
URGENCIES = ("Immediate", "Expected", "Future", "Past", "Unknown")
SEVERITIES = ("Extreme", "Severe", "Moderate", "Minor", "Unknown")
CERTAINTIES = ("Observed", "Likely", "Possible", "Unlikely", "Unknown")
# The standard writes offsets as ±hh:mm; many senders write Z.
_TIME = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[+-]\d{2}:\d{2}|Z)$")
_NAME = re.compile(r"^[^\s,<&]{1,200}$")
Point = tuple[float, float]


@dataclass(frozen=True)
class CapArea:
    """One area: its name, polygons of (lat, lon) in degrees, circles of (lat, lon, radius in km), geocode values."""

    desc: str
    polygons: Sequence[Sequence[Point]] = ()
    circles: Sequence[tuple[float, float, float]] = ()
    geocodes: Sequence[str] = ()


@dataclass(frozen=True)
class CapInfo:
    """What an alert says in one language; texts stand as the sender wrote them."""

    language: str
    categories: Sequence[str]
    event: str
    urgency: str
    severity: str
    certainty: str
    onset: datetime | None = None
    expires: datetime | None = None
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    areas: Sequence[CapArea] = ()


@dataclass(frozen=True)
class CapAlert:
    """One alert message. `references` are the earlier ones that an Update or a Cancel is about, as `key`."""

    identifier: str
    sender: str
    sent: datetime
    status: str
    msg_type: str
    scope: str
    references: Sequence[str] = ()
    infos: Sequence[CapInfo] = ()
    note: str = ""

    @property
    def key(self) -> str:
        """What names this message for good."""
        return key_of(self.sender, self.identifier, self.sent)


def key_of(sender: str, identifier: str, sent: datetime) -> str:
    """Return the name of a message from the three elements that make it unique."""
    return f"{sender},{identifier},{sent.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def parse_cap(data: bytes, max_bytes: int = MAX_BYTES) -> CapAlert:
    """Read one alert.

    Args:
        data: the document.
        max_bytes: longest one taken.

    Raises:
        CapError: it is no CAP 1.2, or an element is missing or wrong; the message names it.
    """
    if len(data) > max_bytes:
        raise CapError(f"it has {len(data)} bytes; at most {max_bytes} are taken")
    try:
        root = SafeTree.fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise CapError(
            f"it holds a document type or entities, which are not taken ({type(error).__name__})"
        ) from None
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise CapError(f"it is no well-formed XML ({error})") from None
    if root.tag != f"{{{NAMESPACE}}}alert":
        raise CapError(f"its root is {root.tag[:80]!r}; expected alert in {NAMESPACE}")
    identifier, sender = _name(root, "identifier"), _name(root, "sender")
    msg_type = _choice(root, "msgType", TYPES)
    alert = CapAlert(
        identifier=identifier,
        sender=sender,
        sent=_time(_need(root, "sent"), "sent"),
        status=_choice(root, "status", STATUSES),
        msg_type=msg_type,
        scope=_choice(root, "scope", SCOPES),
        references=_references(_text(root, "references")),
        infos=[_info(info) for info in _all(root, "info", MAX_INFOS)],
        note=_text(root, "note"),
    )
    if msg_type in ("Update", "Cancel") and not alert.references:
        raise CapError(f"references is missing; an {msg_type} must say which alert it is about")
    if msg_type in ("Alert", "Update") and not alert.infos:
        raise CapError("info is missing; there is nothing to tell")
    return alert


def _info(node: Element) -> CapInfo:
    categories = [str(child.text or "").strip() for child in _all(node, "category", 20)]
    if not categories:
        raise CapError("info/category is missing")
    for category in categories:
        if category not in CATEGORIES:
            raise CapError(f"info/category {category[:40]!r} is none of {', '.join(CATEGORIES)}")
    return CapInfo(
        language=(_text(node, "language") or "en-US").lower(),
        categories=categories,
        event=_need(node, "event"),
        urgency=_choice(node, "urgency", URGENCIES),
        severity=_choice(node, "severity", SEVERITIES),
        certainty=_choice(node, "certainty", CERTAINTIES),
        onset=_maybe_time(node, "onset") or _maybe_time(node, "effective"),
        expires=_maybe_time(node, "expires"),
        sender_name=_text(node, "senderName"),
        headline=_text(node, "headline"),
        description=_text(node, "description"),
        instruction=_text(node, "instruction"),
        web=_web(node),
        areas=[_area(area) for area in _all(node, "area", MAX_AREAS)],
    )


def _area(node: Element) -> CapArea:
    polygons = [_polygon(str(child.text or "")) for child in _all(node, "polygon", MAX_AREAS)]
    circles = [_circle(str(child.text or "")) for child in _all(node, "circle", MAX_AREAS)]
    codes = [_need(child, "value") for child in _all(node, "geocode", MAX_AREAS)]
    return CapArea(_need(node, "areaDesc"), polygons, circles, codes)


def _polygon(text: str) -> list[Point]:
    points = [_point(pair) for pair in text.split()[: MAX_POINTS + 1]]
    if len(points) > MAX_POINTS:
        raise CapError(f"area/polygon has more than {MAX_POINTS} points")
    if len(points) < 4 or points[0] != points[-1]:
        raise CapError("area/polygon must have at least 4 points, the last one equal to the first")
    return points


def _circle(text: str) -> tuple[float, float, float]:
    parts = text.split()
    if len(parts) != 2:
        raise CapError(f"area/circle {text[:60]!r} is not 'lat,lon radius'")
    lat, lon = _point(parts[0])
    radius = _number(parts[1], "area/circle")
    if not 0 <= radius <= 25_000:
        raise CapError(f"area/circle has a radius of {radius} km")
    return lat, lon, radius


def _point(text: str) -> Point:
    first, comma, second = text.partition(",")
    lat, lon = _number(first, "area/polygon"), _number(second, "area/polygon") if comma else 999.0
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise CapError(f"area holds the point {text[:40]!r}; write lat,lon in degrees")
    return lat, lon


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise CapError(f"{where} holds {text[:40]!r}, which is no number") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise CapError(f"{where} holds {text[:40]!r}, which is no number")
    return value


def _references(text: str) -> list[str]:
    found = []
    for part in text.split()[:200]:
        pieces = part.split(",")
        if len(pieces) != 3:
            raise CapError(f"references holds {part[:80]!r}; expected sender,identifier,sent")
        found.append(key_of(pieces[0], pieces[1], _time(pieces[2], "references")))
    return found


def _all(node: Element, name: str, most: int) -> list[Element]:
    found = node.findall(f"{{{NAMESPACE}}}{name}")
    if len(found) > most:
        raise CapError(f"{name} occurs {len(found)} times; at most {most} are taken")
    return found


def _text(node: Element, name: str) -> str:
    found = node.find(f"{{{NAMESPACE}}}{name}")
    value = str(found.text or "").strip() if found is not None else ""
    if len(value) > MAX_TEXT:
        raise CapError(f"{name} has {len(value)} characters; at most {MAX_TEXT} are taken")
    return value


def _need(node: Element, name: str) -> str:
    value = _text(node, name)
    if not value:
        raise CapError(f"{name} is missing or empty")
    return value


def _name(node: Element, name: str) -> str:
    value = _need(node, name)
    if not _NAME.match(value):
        raise CapError(f"{name} {value[:60]!r} must have no spaces, commas, < or &")
    return value


def _choice(node: Element, name: str, choices: Sequence[str]) -> str:
    value = _need(node, name)
    if value not in choices:
        raise CapError(f"{name} {value[:40]!r} is none of {', '.join(choices)}")
    return value


def _maybe_time(node: Element, name: str) -> datetime | None:
    value = _text(node, name)
    return _time(value, name) if value else None


def _time(value: str, name: str) -> datetime:
    if not _TIME.match(value):
        raise CapError(f"{name} {value[:40]!r} is no time; write it as 2026-07-01T08:00:00+08:00")
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise CapError(f"{name} {value[:40]!r} does not exist") from None


def _web(node: Element) -> str:
    value = _text(node, "web")
    return value if value.startswith(("https://", "http://")) else ""
