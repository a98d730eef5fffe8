"""Content fingerprints, so that nothing is trained or built again that did not change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

_SKIPPED_PARTS = {"__pycache__", ".rasa", "models", "results"}


def fingerprint_files(paths: Iterable[Path], *salt: str) -> str:
    """Return a hash over the names and contents of files and of all files below folders.

    Args:
        paths: files or folders; a folder is read recursively, hidden and cached files left out.
        salt: further strings that the result depends on, such as a code version.

    Returns:
        32 hexadecimal digits.

    Raises:
        FileNotFoundError: when a path does not exist.
    """
    digest = hashlib.sha256("\0".join(salt).encode())
    for path in paths:
        if path.is_dir():
            files = sorted(
                file
                for file in path.rglob("*")
                if file.is_file()
                and not file.name.startswith(".")
                and not _SKIPPED_PARTS.intersection(file.relative_to(path).parts)
            )
        else:
            files = [path]
        for file in files:
            name = file.relative_to(path).as_posix() if path.is_dir() else file.name
            digest.update(name.encode() + b"\0")
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
            digest.update(b"\0")
    return digest.hexdigest()[:32]
