"""Caches embedding vectors in SQLite, keyed by digest of text, model fingerprint and text recipe.

One file a model. Every put is one durable transaction, so a build that is killed resumes after its last put. Several
processes may read and write at once, a rebuild and the search process. A checksum of each vector is verified as it is
read: a damaged vector counts as missing and is embedded again; a file that SQLite cannot read is replaced by an empty
one.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from index.embedding.shard_import import KEY_BYTES, import_shards
from index.execution.executor import Engine, Local
from index.text.passages import RECIPE
from index.types import BadVectors, Embedder, checked_unit_rows

FloatArray = npt.NDArray[np.float32]
T = TypeVar("T")

FLUSH_EVERY = 512  # texts a transaction: about half a minute of embedding on two cores, 0.8 MB
KEYS_A_QUERY = 500
BUSY_SECONDS = 60.0
PAGE_BYTES = 8_192  # holds five vectors of 384 dimensions; SQLite's 4,096 would hold two and waste a quarter

_SCHEMA = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, checksum INTEGER NOT NULL, vector BLOB NOT NULL)"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

log = logging.getLogger(__name__)


class VectorCache:
    """The vectors of one model under `directory`; other models' vectors lie beside it untouched. Thread-safe.

    Every method raises OSError where the disk fails or another process holds the file for over a minute.
    """

    def __init__(self, directory: Path, fingerprint: str, dimension: int) -> None:
        """Opens the file or creates it; vectors in the shards of earlier versions are moved into it."""
        self.fingerprint = fingerprint
        self.dimension = dimension
        self._salt = f"{fingerprint}\0{RECIPE}\0{dimension}\0".encode()
        name = blake2b(self._salt, digest_size=8).hexdigest()
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / f"{name}.db"
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        import_shards(directory / name, dimension, self.put)

    def __len__(self) -> int:
        return self._run(lambda connection: int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0]))

    def key(self, text: str) -> bytes:
        """16 bytes that name this text under this model and recipe."""
        return blake2b(self._salt + text.encode(), digest_size=KEY_BYTES).digest()

    def put(self, keys: Sequence[bytes], vectors: npt.ArrayLike) -> None:
        """Store unit rows (n, dimension) under n distinct keys, durably. Raises `BadVectors` (nothing stored)."""
        rows = checked_unit_rows(vectors, len(keys), self.dimension).astype("<f4", copy=False)
        contents = [row.tobytes() for row in rows]
        records = [(key, zlib.crc32(content), content) for key, content in zip(keys, contents, strict=True)]
        self._run(
            lambda connection: connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", records)
        )

    def get(self, keys: Sequence[bytes]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """The vectors (n, dimension) float32 in the order of `keys`, and (n,) which of them are stored.

        A vector that is not stored is zero; a damaged one is deleted and counts as not stored.
        """
        vectors = np.zeros((len(keys), self.dimension), dtype=np.float32)
        stored = np.zeros(len(keys), dtype=np.bool_)
        positions = _positions(keys)

        def read(connection: sqlite3.Connection) -> list[tuple[bytes]]:
            damaged = []
            for key, checksum, content in _select(connection, list(positions)):
                if zlib.crc32(content) == checksum and len(content) == 4 * self.dimension:
                    at = positions[key]
                    vectors[at], stored[at] = np.frombuffer(content, "<f4"), True
                else:
                    damaged.append((key,))
            connection.executemany("DELETE FROM vectors WHERE key = ?", damaged)
            return damaged

        if damaged := self._run(read):
            log.warning("%s: %s damaged vectors are embedded again", self.path, len(damaged))
        return vectors, stored

    def keep_only(self, keys: Iterable[bytes]) -> int:
        """Delete all vectors but those under `keys`, and overwrite them on disk; returns how many were deleted."""

        def delete(connection: sqlite3.Connection) -> int:
            connection.execute("CREATE TEMPORARY TABLE kept (key BLOB PRIMARY KEY)")
            connection.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((key,) for key in keys))
            deleted = connection.execute("DELETE FROM vectors WHERE key NOT IN (SELECT key FROM kept)").rowcount
            connection.execute("DROP TABLE kept")
            return deleted

        deleted = self._run(delete)
        self._run(_empty_write_ahead_log)
        return deleted

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._disconnect()

    def _run(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """The result of one transaction. A damaged file is replaced first."""
        with self._lock:
            try:
                try:
                    return self._attempt(operation)
                except sqlite3.DatabaseError as error:
                    if error.sqlite_errorcode & 0xFF not in _DAMAGED:
                        raise
                    self._replace(error)
                    return self._attempt(operation)
            except sqlite3.Error as error:
                full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
                raise OSError(errno.ENOSPC if full else errno.EIO, str(error), str(self.path)) from error

    def _attempt(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None or self._inode != _inode(self.path):  # deleted or replaced since
            self._disconnect()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _connect(self.path)
            self._inode = _inode(self.path)
        with self._connection:
            return operation(self._connection)

    def _replace(self, error: sqlite3.Error) -> None:
        """Delete the damaged file, unless another process has replaced it already."""
        if self._connection is None or self._inode == _inode(self.path):
            log.warning("%s is damaged (%s): its texts are embedded again", self.path, error)
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _inode(path: Path) -> int:
    """The file's number; 0 where there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _select(connection: sqlite3.Connection, keys: Sequence[bytes]) -> Iterator[tuple[bytes, int, bytes]]:
    """Key, checksum and content of those keys that are stored."""
    for batch in _batches(keys, KEYS_A_QUERY):
        marks = ", ".join("?" * len(batch))
        yield from connection.execute(f"SELECT key, checksum, vector FROM vectors WHERE key IN ({marks})", batch)  # noqa: S608


def _empty_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Deleted vectors stand in it until it is emptied."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def cached_embed(
    cache: VectorCache,
    embedder: Embedder,
    texts: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
    flush_every: int = FLUSH_EVERY,
    engine: Engine | None = None,
) -> tuple[FloatArray, int]:
    """(n, dimension) unit rows in the order of `texts`, and how many distinct texts were embedded now.

    Each distinct text that the cache lacks is embedded once; `flush_every` texts at a time are stored. `progress`
    takes done and total of these. `engine`: where they are embedded, by default in this process. Raises `BadVectors`,
    OSError.
    """
    if cache.fingerprint != embedder.fingerprint:
        raise BadVectors(f"a cache of {cache.fingerprint} was asked to hold vectors of {embedder.fingerprint}")
    keys = [cache.key(text) for text in texts]
    vectors, stored = cache.get(keys)
    missing = {key: text for key, text, known in zip(keys, texts, stored, strict=True) if not known}
    # Longest first: batches of like lengths, and a progress bar whose forecast errs on the late side.
    chunks = list(_batches(sorted(missing, key=lambda key: -len(missing[key])), flush_every))

    def report(done: int) -> None:
        if progress is not None:
            progress(done, len(missing))

    embedded = (engine or Local(1)).embed(embedder, [[missing[key] for key in chunk] for chunk in chunks], report)
    positions = _positions(keys)
    for chunk, rows in zip(chunks, embedded, strict=True):
        cache.put(chunk, rows)
        for key, row in zip(chunk, rows, strict=True):
            vectors[positions[key]] = row
    return vectors, len(missing)


def _positions(keys: Sequence[bytes]) -> dict[bytes, list[int]]:
    """Where each distinct key stands."""
    positions: dict[bytes, list[int]] = {}
    for position, key in enumerate(keys):
        positions.setdefault(key, []).append(position)
    return positions


def _batches(keys: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))
