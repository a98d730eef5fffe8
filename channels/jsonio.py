"""Reading and writing JSON at the edge: strict on what comes in, UTF-8 on what goes out."""

from __future__ import annotations

import json
from typing import Any


class JsonError(ValueError):
    """The bytes are not one JSON object in UTF-8; the message says where."""


def dumps(data: Any) -> bytes:
    """Return compact UTF-8 JSON (RFC 8259)."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _refuse_constant(name: str) -> Any:
    raise JsonError(f"{name} is not a JSON value")


def loads_object(body: bytes | str) -> dict[str, Any]:
    """Return the JSON object in `body`.

    Raises:
        JsonError: the body is not UTF-8, not JSON, nested too deeply, or not an object.
    """
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        data = json.loads(text, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise JsonError(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise JsonError("nested too deeply") from error
    if not isinstance(data, dict):
        raise JsonError("the top level must be an object")
    return data
