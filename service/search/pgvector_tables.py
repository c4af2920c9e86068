"""Manages the tables of vectors in PostgreSQL with pgvector: one a snapshot, and one that lists them.

Filled by scripts/load_vectors.py; read by `service.search.pgvector`. The vectors equal those of vectors.npy bit by
bit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.sql import SQL, Identifier, Literal

from index.snapshot.manifest import verify_file
from index.snapshot.reader import Snapshot

BLOCK = 10_000  # rows that are loaded in one transaction: what a killed command does again
VECTORS = "vectors.npy"
_LOCK = 7_365_021_940  # of PostgreSQL's advisory locks: a number that is ours
_REGISTER = """
CREATE TABLE IF NOT EXISTS nearest_snapshots (
    snapshot_id text PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    digest text NOT NULL,
    rows bigint NOT NULL,
    dimension int NOT NULL,
    loaded bigint NOT NULL DEFAULT 0,
    ready boolean NOT NULL DEFAULT false,
    stores text[] NOT NULL DEFAULT '{}'
)"""
_STORES = "ALTER TABLE nearest_snapshots ADD COLUMN IF NOT EXISTS stores text[] NOT NULL DEFAULT '{}'"  # older code's
COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_END = b"\xff\xff"

Connection = psycopg.Connection[Any]
Progress = Callable[[str, int, int], None]


class TablesLocked(Exception):
    """Another command is loading or dropping."""


class Held(NamedTuple):
    """The table of a snapshot. `digest`: SHA-256 of its vectors.npy; `loaded`: rows of it that are there."""

    number: int
    digest: str
    rows: int
    dimension: int
    loaded: int
    ready: bool

    @property
    def table(self) -> Identifier:
        """Its name."""
        return Identifier(f"nearest_{self.number}")


def held(connection: Connection, snapshot_id: str) -> Held | None:
    """The table of a snapshot, None where there is none.

    Raises psycopg.errors.UndefinedTable before anything was ever loaded.
    """
    query = "SELECT number, digest, rows, dimension, loaded, ready FROM nearest_snapshots WHERE snapshot_id = %s"
    row = connection.execute(query, (snapshot_id,)).fetchone()
    return None if row is None else Held(*row)


@contextmanager
def writing(connection: Connection) -> Iterator[None]:
    """Be the only one to load and drop, on a connection with autocommit. Raises `TablesLocked`."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
    if row != (True,):
        raise TablesLocked("another command is loading vectors into this database")
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(_REGISTER)
        connection.execute(_STORES)
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def load(connection: Connection, snapshot: Snapshot, memory_mb: int, progress: Progress, store_id: str = "") -> bool:
    """Load and index the vectors of a snapshot, from where an earlier try ended; False when that is done already.

    While `writing`. `memory_mb`: of PostgreSQL, to build the graph in; it is slow where that does not hold it.
    `store_id`: of the store that holds it, for `drop_others`.
    Raises `DamagedSnapshot`, psycopg.Error.
    """
    entry = snapshot.manifest.files[VECTORS]
    found = held(connection, snapshot.id)
    if found is not None and found.digest != entry.sha256:
        drop(connection, snapshot.id)
        found = None
    if found is not None and found.ready:
        return False
    verify_file(snapshot.directory, VECTORS, entry)
    found = found or _begin(connection, snapshot, entry.sha256)
    if store_id:
        claim(connection, store_id, [snapshot.id])  # before hours of work that another store must not undo
    for start in range(found.loaded, found.rows, BLOCK):
        progress("load", start, found.rows)
        _load_block(connection, found, snapshot, start)
    progress("load", found.rows, found.rows)
    _build_graph(connection, found, memory_mb, progress)
    return True


def drop(connection: Connection, snapshot_id: str) -> None:
    """Drop the table of a snapshot, if there is one. While `writing`."""
    found = held(connection, snapshot_id)
    if found is not None:
        with connection.transaction():
            connection.execute(SQL("DROP TABLE IF EXISTS {}").format(found.table))
            connection.execute("DELETE FROM nearest_snapshots WHERE snapshot_id = %s", (snapshot_id,))


def claim(connection: Connection, store_id: str, kept: Collection[str]) -> None:
    """Have it said of tables, where they are begun, that a store holds their snapshots. While `writing`."""
    connection.execute(
        "UPDATE nearest_snapshots SET stores = stores || %(store)s::text"
        " WHERE snapshot_id = ANY(%(kept)s) AND NOT %(store)s = ANY(stores)",
        {"store": store_id, "kept": list(kept)},
    )


def drop_others(connection: Connection, store_id: str, kept: Collection[str]) -> list[str]:
    """Drop the tables of all snapshots but these that no other store holds; returns whose went. While `writing`."""
    connection.execute(
        "UPDATE nearest_snapshots SET stores = array_remove(stores, %s) WHERE NOT snapshot_id = ANY(%s)",
        (store_id, list(kept)),
    )
    query = "SELECT snapshot_id FROM nearest_snapshots WHERE stores = '{}' AND NOT snapshot_id = ANY(%s) ORDER BY 1"
    gone = [name for (name,) in connection.execute(query, (list(kept),)).fetchall()]
    for name in gone:
        drop(connection, name)
    return gone


def _begin(connection: Connection, snapshot: Snapshot, digest: str) -> Held:
    rows, dimension = snapshot.vectors.shape
    with connection.transaction():
        connection.execute(
            "INSERT INTO nearest_snapshots (snapshot_id, digest, rows, dimension) VALUES (%s, %s, %s, %s)",
            (snapshot.id, digest, rows, dimension),
        )
        begun = held(connection, snapshot.id)
        assert begun is not None  # noqa: S101 - inserted a line above
        # Plain storage: a vector that PostgreSQL moves out of its row costs a second look-up at each comparison.
        connection.execute(
            SQL("CREATE TABLE {} (row int PRIMARY KEY, vector halfvec({}) STORAGE PLAIN NOT NULL)").format(
                begun.table, Literal(dimension)
            )
        )
    return begun


def _load_block(connection: Connection, found: Held, snapshot: Snapshot, start: int) -> None:
    vectors = snapshot.vectors[start : start + BLOCK]
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(SQL("COPY {} FROM STDIN (FORMAT binary)").format(found.table)) as copy:
            copy.write(COPY_HEADER + copied_rows(vectors, start) + COPY_END)
        cursor.execute(
            "UPDATE nearest_snapshots SET loaded = %s WHERE number = %s", (start + len(vectors), found.number)
        )


def copied_rows(vectors: npt.NDArray[np.float16], start: int) -> bytes:
    """Rows `start` and on as PostgreSQL's binary COPY takes them: number of fields, then size and value of each."""
    d = vectors.shape[1]
    fields = [("fields", ">i2"), ("row_size", ">i4"), ("row", ">i4"), ("size", ">i4"),
              ("dimension", ">i2"), ("unused", ">i2"), ("values", ">f2", (d,))]  # fmt: skip
    rows = np.zeros(len(vectors), np.dtype(fields))
    rows["fields"], rows["row_size"], rows["size"], rows["dimension"] = 2, 4, 4 + 2 * d, d
    rows["row"], rows["values"] = np.arange(start, start + len(vectors)), vectors
    return rows.tobytes()


def _build_graph(connection: Connection, found: Held, memory_mb: int, progress: Progress) -> None:
    """Build the HNSW graph; from then on the table counts as ready, both in one transaction."""
    progress("graph", 0, 1)
    with connection.transaction():
        connection.execute(SQL("SET LOCAL maintenance_work_mem = {}").format(Literal(f"{memory_mb}MB")))
        connection.execute(SQL("CREATE INDEX ON {} USING hnsw (vector halfvec_ip_ops)").format(found.table))
        connection.execute("UPDATE nearest_snapshots SET ready = true WHERE number = %s", (found.number,))
    connection.execute(SQL("VACUUM ANALYZE {}").format(found.table))
    progress("graph", 1, 1)
