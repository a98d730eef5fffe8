"""Files that staff send: attachments of articles, and archives that must not unpack to more than memory holds."""

from __future__ import annotations

import hashlib
import io
import os
import re
import zipfile
from pathlib import Path

MAX_ATTACHMENT = 8 * 1024 * 1024
MAX_UNPACKED = 64 * 1024 * 1024
MAX_MEMBERS = 5_000
NAME = re.compile(r"[0-9a-f]{32}\.(?:pdf|docx|xlsx|png|jpg)\Z")
TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "png": "image/png",
    "jpg": "image/jpeg",
}
_MAGIC = {
    "pdf": b"%PDF-",
    "docx": b"PK\x03\x04",
    "xlsx": b"PK\x03\x04",
    "png": b"\x89PNG\r\n\x1a\n",
    "jpg": b"\xff\xd8\xff",
}
_PART = {"docx": "word/document.xml", "xlsx": "xl/workbook.xml"}


class UploadError(ValueError):
    """A file cannot be taken; `key` is the text that says why."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def check_archive(content: bytes) -> list[str]:
    """Return the names in a zip archive.

    Raises:
        UploadError: it is none, has too many members, or unpacks to too much (a zip bomb).
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise UploadError("knowledge.import.kind") from None
    if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_UNPACKED:
        raise UploadError("knowledge.import.bomb")
    return [member.filename for member in members]


def suffix_of(name: str) -> str:
    """Return the ending of a file's name, lower case, without the dot."""
    suffix = Path(name).suffix[1:].lower()
    return "jpg" if suffix == "jpeg" else suffix


def keep_attachment(folder: Path, name: str, content: bytes) -> str:
    """Keep a file under the hash of its content and return that name.

    Raises:
        UploadError: too large, of another kind, or not what its name says.
    """
    suffix = suffix_of(name)
    if len(content) > MAX_ATTACHMENT:
        raise UploadError("knowledge.file_large")
    if suffix not in TYPES or not content.startswith(_MAGIC[suffix]):
        raise UploadError("knowledge.file_kind")
    if suffix in _PART and _PART[suffix] not in check_archive(content):
        raise UploadError("knowledge.file_kind")
    stored = f"{hashlib.sha256(content).hexdigest()[:32]}.{suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{stored}.{os.getpid()}"
    part.write_bytes(content)
    part.replace(folder / stored)
    return stored


def attachments_in(text: str) -> list[str]:
    """Return the attachments that a text links to."""
    return list(dict.fromkeys(re.findall(r"\]\(/files/([0-9a-f]{32}\.[a-z]{3,4})\)", text)))
