"""Reads the tables of a GTFS zip or folder row by row, within limits, whatever their encoding."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from actions.transit.errors import (
    FeedArchiveError,
    FeedBadRow,
    FeedEmpty,
    FeedEncoding,
    FeedMissingColumn,
    FeedMissingFile,
    FeedNested,
    FeedNotFound,
    FeedTooLarge,
    Report,
)

TABLES: tuple[str, ...] = (
    "agency.txt",
    "stops.txt",
    "routes.txt",
    "trips.txt",
    "stop_times.txt",
    "calendar.txt",
    "calendar_dates.txt",
    "frequencies.txt",
    "feed_info.txt",
    "translations.txt",
    "fare_attributes.txt",
    "fare_rules.txt",
)
_CHUNK = 1 << 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


@dataclass(frozen=True)
class Limits:
    """What a feed may cost: bytes unpacked in all and per table, rows per table, bytes of one field."""

    total_bytes: int = 2 << 30
    table_bytes: int = 1 << 30
    rows: int = 30_000_000
    field_bytes: int = 1 << 17


class _Counted(io.RawIOBase):
    """A read-only stream that refuses to yield more than `limit` bytes; a zip's stated sizes may lie."""

    def __init__(self, raw: IO[bytes], limit: int, file: str) -> None:
        self._raw, self._left, self._limit, self._file = raw, limit, limit, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self._raw.read(len(view))
        self._left -= len(data)
        if self._left < 0:
            raise FeedTooLarge(self._file, limit=f"{self._limit >> 20} MiB")
        view[: len(data)] = data
        return len(data)


class Source:
    """A GTFS zip or folder. Close it, or use it as a context manager.

    Raises:
        FeedNotFound: nothing is at `path`.
        FeedArchiveError: it is not a zip, or a damaged one.
        FeedTooLarge: its tables are larger than `limits`.
    """

    def __init__(self, path: Path | str, report: Report | None = None, limits: Limits | None = None) -> None:
        self.path = Path(path)
        self.limits = limits or Limits()
        self.report = report or Report()
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, str] = {}
        self._encodings: dict[str, str] = {}
        if self.path.is_dir():
            found = {p.name.lower(): p.name for p in self.path.iterdir() if p.is_file()}
            self._members = {t: found[t] for t in TABLES if t in found}
            sizes = {t: (self.path / n).stat().st_size for t, n in self._members.items()}
        elif self.path.is_file():
            sizes = self._open_zip()
        else:
            raise FeedNotFound(str(path))
        for table, size in sizes.items():
            if size > self.limits.table_bytes:
                raise FeedTooLarge(table, limit=f"{self.limits.table_bytes >> 20} MiB")
        if sum(sizes.values()) > self.limits.total_bytes:
            raise FeedTooLarge(self.path.name, limit=f"{self.limits.total_bytes >> 20} MiB")

    def _open_zip(self) -> dict[str, int]:
        try:
            self._zip = zipfile.ZipFile(self.path)
            infos = self._zip.infolist()
        except _DAMAGED as error:
            raise FeedArchiveError(self.path.name, reason=str(error) or type(error).__name__) from error
        best: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            folder, _, name = info.filename.rpartition("/")
            name = name.lower()
            if name not in TABLES or "__MACOSX" in folder:
                continue
            if name not in best or folder.count("/") + bool(folder) < best[name].filename.count("/"):
                best[name] = info
        nested = {info.filename.rpartition("/")[0] for info in best.values()} - {""}
        if nested:
            self.report.warning(FeedNested(self.path.name, folder=", ".join(sorted(nested))))
        self._members = {name: info.filename for name, info in best.items()}
        return {name: info.file_size for name, info in best.items()}

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        if self._zip is not None:
            self._zip.close()

    def has(self, file: str) -> bool:
        """Return whether the table is present."""
        return file in self._members

    def digest(self) -> str:
        """Return a SHA-256 over the content, as hexadecimal digits."""
        sha = hashlib.sha256()
        paths = [self.path] if self._zip else [self.path / self._members[t] for t in sorted(self._members)]
        for path in paths:
            sha.update(path.name.encode() if not self._zip else b"")
            with path.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    sha.update(chunk)
        return sha.hexdigest()

    @contextmanager
    def _bytes(self, file: str) -> Iterator[IO[bytes]]:
        name = self._members[file]
        try:
            raw: IO[bytes] = self._zip.open(name) if self._zip else (self.path / name).open("rb")
            with raw:
                yield io.BufferedReader(_Counted(raw, self.limits.table_bytes, file), _CHUNK)
        except _DAMAGED as error:
            if isinstance(error, UnicodeError):
                raise
            raise FeedArchiveError(file, reason=str(error) or type(error).__name__) from error

    def _encoding(self, file: str) -> str:
        if file in self._encodings:
            return self._encodings[file]
        with self._bytes(file) as stream:
            head = stream.peek(4)[:4] if isinstance(stream, io.BufferedReader) else b""
        guess = ""
        if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            guess = "utf-16"
        candidates = [guess] if guess else ["utf-8-sig", "gb18030", "cp1252", "latin-1"]
        chosen = next((c for c in candidates if self._decodes(file, c)), "latin-1")
        if chosen != "utf-8-sig":
            self.report.warning(FeedEncoding(file, encoding=chosen))
        self._encodings[file] = chosen
        return chosen

    def _decodes(self, file: str, encoding: str) -> bool:
        decoder = codecs.getincrementaldecoder(encoding)()
        letters = common = 0
        with self._bytes(file) as stream:
            try:
                while chunk := stream.read(_CHUNK):
                    text = decoder.decode(chunk)
                    if encoding == "gb18030":
                        odd = [c for c in text if c > "\x7f"]
                        letters += len(odd)
                        common += sum("\u4e00" <= c <= "\u9fff" or "\u3000" <= c <= "\u303f" for c in odd)
                decoder.decode(b"", True)
            except UnicodeError:
                return False
        # Western accents also decode as gb18030, into rare characters between Latin letters
        return encoding != "gb18030" or (letters >= 2 and common > 0.9 * letters)

    def header(self, file: str) -> list[str]:
        """Return the column names of a table; empty when it has none."""
        for _, row in self.raw_rows(file):
            return row
        return []

    def raw_rows(self, file: str) -> Iterator[tuple[int, list[str]]]:
        """Yield (physical line, cells) with the header first; blank lines are skipped.

        Raises:
            FeedMissingFile, FeedBadRow, FeedArchiveError, FeedTooLarge.
        """
        if file not in self._members:
            raise FeedMissingFile(file)
        # The reader's own limit is one for the whole process: others may have raised it.
        csv.field_size_limit(max(csv.field_size_limit(), self.limits.field_bytes))
        count = 0
        try:
            for line, row in self._parse(file, strict=True):
                count += 1
                yield line, row
        except FeedBadRow as error:
            if "expected after" not in str(error):
                raise
            # blanks between a closing quote and the comma: only the lenient reader takes them
            yield from islice(self._parse(file, strict=False), count, None)

    def _parse(self, file: str, *, strict: bool) -> Iterator[tuple[int, list[str]]]:
        with self._bytes(file) as stream:
            text = io.TextIOWrapper(stream, encoding=self._encoding(file), newline="")
            reader = csv.reader(text, strict=strict, skipinitialspace=True)
            line, count = 1, 0
            try:
                for row in reader:
                    if row and (len(row) > 1 or row[0].strip()):
                        if max(map(len, row)) > self.limits.field_bytes:
                            reason = f"a field is larger than {self.limits.field_bytes} characters"
                            raise FeedBadRow(file, line, reason=reason)
                        yield line, row
                        count += 1
                        if count > self.limits.rows:
                            raise FeedTooLarge(file, limit=f"{self.limits.rows} rows")
                    line = reader.line_num + 1
            except csv.Error as error:
                raise FeedBadRow(file, line, reason=str(error)) from error

    def table(
        self, file: str, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()
    ) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield (line, {column: stripped text}) for the columns asked for; absent ones are "".

        Raises:
            FeedMissingColumn: a required column is not in the header; and what `raw_rows` raises.
        """
        rows = self.raw_rows(file)
        first = next(rows, None)
        if first is None:
            raise FeedEmpty(file)
        at = columns(file, first[1], required)
        wanted = [(name, at[name]) for name in (*required, *optional) if name in at]
        blank = dict.fromkeys((*required, *optional), "")
        for line, row in rows:
            cells = dict(blank)
            for name, index in wanted:
                if index < len(row):
                    cells[name] = row[index].strip()
            yield line, cells


def columns(file: str, header: list[str], required: tuple[str, ...]) -> dict[str, int]:
    """Return {column name: position}; raises `FeedMissingColumn` for the first required one absent."""
    at: dict[str, int] = {}
    for index, name in enumerate(header):
        at.setdefault(name.strip().strip("\ufeff").lower(), index)
    for name in required:
        if name not in at:
            raise FeedMissingColumn(file, 1, name)
    return at
