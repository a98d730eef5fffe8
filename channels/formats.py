"""Reading what platforms send: JSON and XML without traps, and fields of the type that was promised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import ParseError as XmlError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from channels.base import ParseError
from channels.jsonio import JsonError, loads_object


def read_json(body: bytes | str) -> dict[str, Any]:
    """Return the JSON object in a body; raise `ParseError`."""
    try:
        return loads_object(body)
    except JsonError as error:
        raise ParseError(f"the body is no JSON object: {error}") from error


def read_xml(body: bytes | str) -> dict[str, str]:
    """Return the children of the root of a small XML document; raise `ParseError`, for bombs too."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except (XmlError, DefusedXmlException, ValueError, LookupError) as error:
        raise ParseError(f"the body is no XML that is accepted here: {type(error).__name__}") from error
    return {child.tag: child.text or "" for child in root}


def child(data: Any, *path: str) -> Mapping[str, Any]:
    """Return the object at a path, an empty one where there is none."""
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def items(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return the objects in a list, none where there is no list."""
    value = data.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def text_of(data: Mapping[str, Any], key: str) -> str:
    """Return a text or number as text, "" for anything else."""
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return str(value)


def needed(data: Mapping[str, Any], key: str) -> str:
    """Return a text that must be there; raise `ParseError` naming the field."""
    value = text_of(data, key)
    if not value:
        raise ParseError(f"the field {key} is missing")
    return value
