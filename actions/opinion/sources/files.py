"""CSV and JSONL files, one or a whole folder; each is read on from where it was left."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from actions.opinion.errors import SourceError
from actions.opinion.model import RawPost
from actions.opinion.sources.base import Batch, PullSource, to_raw

KINDS = (".csv", ".tsv", ".jsonl", ".ndjson")
_HEAD = 256
csv.field_size_limit(64 << 20)


class FileSource(PullSource):
    """Files below a path.

    The position keeps a hash of each file's beginning and the records read, so that a file that grows is read on
    and one that was replaced is read anew (its known posts are folded by their keys).
    """

    def __init__(self, name: str, path: Path, batch: int = 64, district: str = "") -> None:
        self.name, self._path, self._batch, self._district = name, path, batch, district

    def read(self, position: Mapping[str, Any]) -> Iterator[Batch]:
        """Yield batches of what is new."""
        state = {key: dict(value) for key, value in position.items()}
        for file in self._files():
            key = file.name if self._path.is_file() else str(file.relative_to(self._path))
            head = _head(file)
            known = state.get(key, {})
            done = (
                int(known.get("records", 0))
                if known.get("head") == head[: int(known.get("length", 0))].hex()
                else 0
            )
            for posts, records in self._batches(file, done):
                length = min(len(head), _HEAD)
                state[key] = {"head": head[:length].hex(), "length": length, "records": records}
                yield Batch(posts, {k: dict(v) for k, v in state.items()})

    def _files(self) -> list[Path]:
        if self._path.is_file():
            return [self._path]
        if self._path.is_dir():
            return sorted(f for f in self._path.rglob("*") if f.suffix.lower() in KINDS and f.is_file())
        raise SourceError(
            f"{self._path}：没有这个文件或文件夹；请检查路径",
            f"{self._path}: no such file or folder; check the path",
        )

    def _batches(self, file: Path, done: int) -> Iterator[tuple[list[RawPost], int]]:
        rows = _jsonl(file) if file.suffix.lower() in (".jsonl", ".ndjson") else _csv(file)
        try:
            for _ in itertools.islice(rows, done):
                continue
            while chunk := list(itertools.islice(rows, self._batch)):
                done += len(chunk)
                yield [self._raw(item, file) for item in chunk], done
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{file}：不是 UTF-8 文本（字节 {error.start}）；请另存为 UTF-8",
                f"{file}: is not UTF-8 (byte {error.start}); save it as UTF-8",
            ) from None
        except (OSError, csv.Error) as error:
            raise SourceError(
                f"{file}：无法读取（{error}）", f"{file}: cannot be read ({error}); check the file"
            ) from None

    def _raw(self, item: Any, file: Path) -> RawPost:
        return to_raw(item, self.name, self._district)


def _head(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_HEAD)


def _jsonl(file: Path) -> Iterator[Any]:
    with file.open(encoding="utf-8-sig") as stream:
        for line in stream:
            if not line.endswith("\n"):
                try:  # the last line may still be written
                    yield json.loads(line)
                except ValueError:
                    return
            elif line.strip():
                try:
                    yield json.loads(line)
                except ValueError:
                    # No post, but it must be counted, so that nobody wonders where it went.
                    yield {"id": "line-" + hashlib.sha256(line.encode()).hexdigest()[:24], "text": ""}


def _csv(file: Path) -> Iterator[Any]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
        yield from csv.DictReader((line.replace("\0", "") for line in stream), delimiter=delimiter)
