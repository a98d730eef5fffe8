"""Files that appear whole or not at all, and whose damage is noticed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def write_atomic(path: Path, write: Callable[[BinaryIO], Any]) -> dict[str, Any]:
    """Write a file beside its place, force it to disk, then move it there.

    Returns:
        Its record for `check`: name, size in bytes and SHA-256.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        record = {"file": path.name, "size": partial.stat().st_size, "sha256": sha256(partial)}
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    # The rename itself must outlive a power cut, too.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return record


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def check(folder: Path, record: dict[str, Any]) -> str:
    """Return what is wrong with a file written by `write_atomic`, or ""."""
    path = folder / record["file"]
    try:
        if path.stat().st_size != record["size"]:
            return f"{path}: has {path.stat().st_size} bytes instead of {record['size']}"
        if sha256(path) != record["sha256"]:
            return f"{path}: checksum differs"
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror})"
    return ""
