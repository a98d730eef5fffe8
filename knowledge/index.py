"""The hybrid index on disk: one writer, versioned files, an atomic manifest, and readers that follow it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from threading import RLock
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from knowledge.article import LANGUAGES, Article
from knowledge.background import Background, open_background, write_background
from knowledge.catalogue import Segment, build_segment, read_segment, text_hash, write_segment
from knowledge.files import check, write_atomic
from knowledge.importing import Progress
from knowledge.lexicon import Lexicon
from knowledge.lexicon.kept import PATTERN, KeptLexicon
from knowledge.locking import Locked
from knowledge.records import StoredPiece
from knowledge.snapshot import Snapshot
from knowledge.store import ArticleStore
from knowledge.text import clean
from knowledge.vectors import VectorStore, VectorStoreError

FORMAT = 3
MANIFEST, PREVIOUS = "manifest.json", "manifest.previous.json"
# Recently edited articles are kept in a small segment of their own, which an edit writes anew.
RECENT_ARTICLES = 60
# Share of replaced articles from which the whole index is written anew, in the background.
GONE_SHARE, GONE_ARTICLES = 0.3, 50
_ENCODE_BATCH = 16


class SentenceEncoder(Protocol):
    """What the index needs of `nlp.encoder.Encoder`."""

    fingerprint: str
    dimension: int

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return one unit vector a text, (n, dimension)."""

    def encode_one(self, text: str) -> npt.NDArray[np.float32]:
        """Return the unit vector of one text."""


class KnowledgeIndexError(Exception):
    """The index cannot be opened or written; the message names the file and the mend."""


class Index:
    """Keeps an index of the store's published articles in a folder.

    Any number of processes may open the same folder. A reader holds a snapshot and takes the next one when the
    manifest changes; the process that gets the writer's lock brings the index up to the store's change log.

    Args:
        folder: where the index lies; made when missing.
        store: the articles.
        encoder: turns texts into vectors; another encoder makes the index be built anew.
        vectors: where vectors are kept.
        stop_words: further words that say nothing.
    """

    def __init__(
        self,
        folder: Path,
        store: ArticleStore,
        encoder: SentenceEncoder,
        vectors: VectorStore,
        stop_words: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.store = store
        self.encoder = encoder
        self.vectors = vectors
        self.stop_words = frozenset(clean(word).lower() for word in stop_words)
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = RLock()
        self._file_lock = FileLock(str(folder / "writer.lock"))
        self._seen: tuple[int, int] | None = None
        self._snapshot: Snapshot | None = None
        self._lexicon = KeptLexicon(folder)

    @property
    def snapshot(self) -> Snapshot:
        """The newest opened state. Raises `KnowledgeIndexError` before `catch_up` has made one."""
        if self._snapshot is None:
            raise KnowledgeIndexError(
                f"{self.folder}: the index is not built yet; run `chengda knowledge reindex`"
            )
        return self._snapshot

    @property
    def is_open(self) -> bool:
        """Whether there is a state to search."""
        return self._snapshot is not None

    @property
    def lexicon(self) -> Lexicon:
        """Under which words an article in one language is found from the other."""
        return self._lexicon.read(self.snapshot.manifest["lexicon"])

    # Reading

    def refresh(self) -> bool:
        """Open the newest state on disk when it is another one than the open one; return whether it was.

        A damaged newest state falls back on the one before it, so that answering goes on.
        """
        stamp = self._stamp()
        if stamp is None or stamp == self._seen:
            return False
        with self._lock:
            for _ in range(5):
                stamp = self._stamp()
                for name in (MANIFEST, PREVIOUS):
                    try:
                        snapshot = self._open(self._read_manifest(name))
                    except (OSError, ValueError, KeyError, VectorStoreError):
                        continue
                    if self._snapshot is not None and name == PREVIOUS:
                        # The open state is at least as new.
                        break
                    self._snapshot, self._seen = snapshot, stamp
                    return True
                if stamp == self._stamp():
                    break
                # The writer swapped the manifest and removed files while they were being opened.
        return False

    # Writing

    def catch_up(self, progress: Progress | None = None, *, wait_s: float = 60.0) -> bool:
        """Bring the index up to the store's latest change; return whether there was anything to do.

        Args:
            progress: told what is done, how many texts of how many.
            wait_s: how long to wait for another process that is writing; it does the same work meanwhile.

        Raises:
            KnowledgeIndexError: when the lock cannot be had in time and there is no state to search.
        """
        self.refresh()
        if self._is_current():
            return False
        try:
            with self._writing(wait_s):
                self.refresh()
                if not self._fits():
                    self._rebuild(progress)
                elif not self._is_current():
                    self._apply_changes()
                else:
                    return False
        except Timeout:
            if self._snapshot is None:
                raise KnowledgeIndexError(
                    f"{self.folder}: another process has been writing the index for {wait_s:.0f} s; "
                    "wait for it, or end it"
                ) from None
            return False
        return True

    def rebuild(self, progress: Progress | None = None) -> None:
        """Build the index anew; the old one answers until the new one is complete."""
        with self._writing(600):
            self.refresh()
            self._rebuild(progress)

    def compact(self) -> bool:
        """Build anew when too many articles of the large segment are replaced; return whether it was done."""
        if self._snapshot is None or not self._needs_rebuild():
            return False
        with self._writing(60):
            self.refresh()
            # Another process may have done it while this one waited.
            if not self._needs_rebuild():
                return False
            self._rebuild(None)
        return True

    def set_calibration(self, calibration: dict[str, Any]) -> None:
        """Store a calibration with the index."""
        with self._writing(60):
            self.refresh()
            self._commit({**self.snapshot.manifest, "calibration": calibration})

    def set_background(
        self,
        texts: Mapping[str, Sequence[str]],
        kinds: Mapping[str, npt.NDArray[np.float32]] | None = None,
        encoder: SentenceEncoder | None = None,
    ) -> None:
        """Store, by language, questions of the kind that no article answers; a query near to them is suspicious.

        Args:
            texts: the questions.
            kinds: weights by language, from `knowledge.kind.learn_kind`.
            encoder: reads the questions instead of the index's.
        """
        with self._writing(60):
            self.refresh()
            record = write_background(self.folder, encoder or self.encoder, texts, kinds or {})
            self._commit({**self.snapshot.manifest, "background": record})

    def _fits(self) -> bool:
        """Whether the open state was made by this encoder and these settings."""
        if self._snapshot is None:
            return False
        manifest = self._snapshot.manifest
        return bool(
            manifest["format"] == FORMAT
            and manifest["encoder"] == self.encoder.fingerprint
            and manifest["stop_words"] == sorted(self.stop_words)
            and manifest["store"] == type(self.vectors).__name__
            and manifest["seq"] <= self.store.change_seq()
        )

    def _is_current(self) -> bool:
        return self._fits() and self.snapshot.manifest["seq"] == self.store.change_seq()

    def _needs_rebuild(self) -> bool:
        if self._snapshot is None:
            return True
        records = self._snapshot.manifest["segments"]
        return bool(
            records and len(records[0]["gone"]) > max(GONE_ARTICLES, GONE_SHARE * records[0]["articles"])
        )

    def _rebuild(self, progress: Progress | None) -> None:
        seq, pieces = self.store.pieces()
        articles = self._articles(pieces)
        vectors = {}
        done = 0
        for language in LANGUAGES:
            rows = [piece for piece in pieces if piece.language == language]
            matrix = self._encode(rows, language, progress, done, len(pieces))
            done += len(rows)
            vectors[language] = self.vectors.build(language, _keys(rows), matrix)
        record = self._lexicon.learn(articles)
        segment = build_segment(
            self._new_name(), articles, pieces, self.stop_words, self._lexicon.read(record)
        )
        old = self._snapshot.manifest if self._snapshot is not None and self._fits() else {}
        self._commit(
            {
                "segments": [self._write(segment)],
                "vectors": vectors,
                "lexicon": record,
                "seq": seq,
                "calibration": old.get("calibration"),
                "background": old.get("background"),
            }
        )

    def _apply_changes(self) -> None:
        old = self.snapshot
        _, changed = self.store.changed_since(old.manifest["seq"])
        records = [dict(record) for record in old.manifest["segments"]]
        recent = (
            records[-1]
            if len(records) > 1 and records[-1]["articles"] + len(changed) <= RECENT_ARTICLES
            else None
        )
        again = set(changed)
        if recent is not None:
            records.pop()
            gone = set(recent["gone"])
            again |= {facts.id for facts in old.segments[-1].facts if facts.id not in gone}
        # Read together with the number of the latest change: an edit made just now is either in both or in neither.
        seq, pieces = self.store.pieces(sorted(again))
        _, late = self.store.changed_since(old.manifest["seq"])
        if late - again:
            return self._apply_changes()
        states = {}
        for language in LANGUAGES:
            rows = [piece for piece in pieces if piece.language == language and piece.article_id in changed]
            states[language] = self.vectors.update(
                language,
                old.manifest["vectors"][language],
                _keys(rows),
                self._encode(rows, language, None, 0, 0),
                old.keys_of(changed),
            )
        for record, segment in zip(records, old.segments, strict=False):
            held = {facts.id for facts in segment.facts}
            record["gone"] = sorted(set(record["gone"]) | (changed & held))
        articles = self._articles(pieces)
        if articles:
            alone = any(len(article.languages) < len(LANGUAGES) for article in articles)
            lexicon = self.lexicon if alone else None
            segment = build_segment(self._new_name(), articles, pieces, self.stop_words, lexicon)
            records.append(self._write(segment))
        self._commit({**old.manifest, "segments": records, "vectors": states, "seq": seq})
        return None

    def _articles(self, pieces: Sequence[StoredPiece]) -> list[Article]:
        wanted = dict.fromkeys((piece.article_id, piece.version) for piece in pieces)
        return [self.store.version(article_id, version) for article_id, version in wanted]

    def _encode(
        self, pieces: Sequence[StoredPiece], language: str, progress: Progress | None, done: int, total: int
    ) -> npt.NDArray[np.float32]:
        """Return the vectors of pieces, taken from the open state where the text is the same."""
        out = np.zeros((len(pieces), self.encoder.dimension), np.float32)
        missing = np.arange(len(pieces))
        if self._snapshot is not None and self._fits() and pieces:
            hashes = np.asarray([text_hash(piece.text) for piece in pieces], np.uint64)
            known, vectors = self._snapshot.known_vectors(hashes, language)
            out[known] = vectors[known]
            missing = np.flatnonzero(~known)
        # Texts of one length share a batch: padding short ones to the longest would cost more than reading them.
        missing = np.asarray(sorted(missing.tolist(), key=lambda row: len(pieces[row].text)), np.int64)
        for start in range(0, len(missing), _ENCODE_BATCH):
            if progress:
                progress("vectors", done + start, total)
            rows = missing[start : start + _ENCODE_BATCH]
            out[rows] = self.encoder.encode([clean(pieces[row].text) for row in rows])
        if progress and len(missing):
            progress("vectors", done + len(pieces), total)
        return out

    def _new_name(self) -> str:
        return f"segment-{time.time_ns():x}.npz"

    def _write(self, segment: Segment) -> dict[str, Any]:
        record = write_atomic(self.folder / segment.name, lambda stream: write_segment(segment, stream))
        return {**record, "articles": len(segment.facts), "gone": []}

    def _commit(self, content: dict[str, Any]) -> None:
        """Swap the manifest, open the new state, and remove what neither it nor the one before needs."""
        old = self._snapshot.manifest if self._snapshot is not None else None
        manifest = {
            **content,
            "format": FORMAT,
            "version": (old["version"] if old else 0) + 1,
            "encoder": self.encoder.fingerprint,
            "stop_words": sorted(self.stop_words),
            "store": type(self.vectors).__name__,
            "built_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        snapshot = self._open(manifest)
        if old is not None:
            write_atomic(self.folder / PREVIOUS, _json_writer(old))
        write_atomic(self.folder / MANIFEST, _json_writer(manifest))
        self._snapshot, self._seen = snapshot, self._stamp()
        kept = [manifest] + ([old] if old is not None else [])
        names = {record["file"] for state in kept for record in state["segments"]}
        names |= {state["background"]["file"] for state in kept if state.get("background")}
        names |= {state["lexicon"]["file"] for state in kept if state.get("lexicon")}
        for path in [*self.folder.glob("*.npz"), *self.folder.glob(PATTERN)]:
            if path.name not in names:
                path.unlink(missing_ok=True)
        self.vectors.discard([state["vectors"][language] for state in kept for language in LANGUAGES])

    def _open(self, manifest: dict[str, Any]) -> Snapshot:
        old = self._snapshot
        known = {segment.name: segment for segment in old.segments} if old is not None else {}
        segments = []
        for record in manifest["segments"]:
            if record["file"] not in known:
                problem = check(self.folder, record)
                if problem:
                    raise ValueError(problem)
                known[record["file"]] = read_segment(
                    record["file"], (self.folder / record["file"]).read_bytes()
                )
            segments.append(known[record["file"]])
        readers = {
            language: self.vectors.open(manifest["vectors"][language], old.readers[language] if old else None)
            for language in LANGUAGES
        }
        return Snapshot(manifest, segments, readers, self._open_background(manifest.get("background")))

    def _open_background(self, record: dict[str, Any] | None) -> Background:
        old = self._snapshot
        if record is None:
            return Background()
        if old is not None and old.manifest.get("background") == record:
            return old.known_background
        return open_background(self.folder, record)

    def _read_manifest(self, name: str) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self.folder / name).read_bytes())
        if manifest["format"] != FORMAT:
            raise ValueError(f"{name}: format {manifest['format']}")
        return manifest

    def _stamp(self) -> tuple[int, int] | None:
        """What a manifest looks like from outside: its time and its inode, both new with every swap."""
        try:
            status = os.stat(self.folder / MANIFEST)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def _writing(self, wait_s: float) -> Any:
        return Locked(self._lock, self._file_lock, wait_s)


def _keys(pieces: Sequence[StoredPiece]) -> npt.NDArray[np.int64]:
    return np.asarray([piece.key for piece in pieces], np.int64)


def _json_writer(data: Mapping[str, Any]) -> Callable[[Any], Any]:
    return lambda stream: stream.write(json.dumps(data, ensure_ascii=False).encode())
