"""Searches a snapshot's vectors in PostgreSQL with pgvector, under a deadline.

Exact where few rows may match, by an HNSW graph where many may; cosines are exact float32 products either way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Composed

from index.snapshot.reader import Snapshot
from index.vector_index.protocol import FloatArray, Rows, VectorSearchUnavailable
from service.live_store.postgres import CONNECT_SECONDS, ImpatientConnection
from service.search.pgvector_tables import VECTORS, Held, held

EXACT_ROWS = 10_000  # compared one by one, in some 10 ms, rather than searched for in the graph
MOST_SCANNED = 20_000  # rows that a search of the graph passes by for those allowed; beyond, one by one
# Once the graph's first `ef_search` rows are used up the search goes on from there, nearest first but not strictly.
# Sequential scans and sorts are what the planner would prefer to the graph on the little that it knows of a bitmap.
SESSION = (
    "-c statement_timeout=5000 -c jit=off -c enable_seqscan=off -c enable_sort=off"
    " -c plan_cache_mode=force_custom_plan"  # a general plan would read the query's array anew for each row
    f" -c hnsw.ef_search=400 -c hnsw.iterative_scan=relaxed_order -c hnsw.max_scan_tuples={MOST_SCANNED}"
    " -c hnsw.scan_mem_multiplier=8"
)
# The order of the exact search is of no index: it is that of the products themselves.
_ONE_BY_ONE = (
    "SELECT row, -(vector::vector <#> %(query)b::float8[]::vector) FROM {table} {where}"
    " ORDER BY 2 DESC, 1 LIMIT %(k)s"
)
_BY_GRAPH = (
    "SELECT row, -(vector::vector <#> %(query)b::float8[]::vector) FROM {table} {where}"
    " ORDER BY vector <#> %(query)b::float8[]::halfvec LIMIT %(k)s"
)


class VectorEngine:
    """The database at a `postgresql://` URL. Connects when first used; safe between threads, not over a fork."""

    def __init__(self, url: str, exact_rows: int = EXACT_ROWS) -> None:
        """Raises ValueError, without the password, for a URL that cannot be read."""
        self.exact_rows = exact_rows
        self._url = engine_url(url)
        self._idle: deque[psycopg.Connection[Any]] = deque()

    def __call__(self, snapshot: Snapshot) -> VectorTable:
        """The search of a snapshot. Raises `VectorSearchUnavailable`, also where the snapshot is not loaded."""
        return VectorTable(self, snapshot.id, snapshot.manifest.files[VECTORS].sha256)

    def held(self, snapshot_id: str, digest: str) -> Held:
        """The table of a snapshot whose vectors have this digest. Raises `VectorSearchUnavailable`."""
        try:
            with self.connection() as connection:
                found = held(connection, snapshot_id)
        except VectorSearchUnavailable as error:
            if not _lacks_a_table(error):
                raise
            found = None  # nothing was ever loaded
        if found is None or not found.ready or found.digest != digest:
            raise VectorSearchUnavailable(
                f"the vectors of {snapshot_id} are not in the engine: run scripts/load_vectors.py"
            )
        return found

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """An idle connection, or a new one; one that failed is closed. Raises `VectorSearchUnavailable`."""
        try:
            connection = self._take() or self._connect()
            try:
                yield connection
            except psycopg.Error:
                connection.close()
                raise
        except (psycopg.Error, OSError) as error:
            self.close()  # after a restart of the server they are of no use either
            raise VectorSearchUnavailable(f"the vector engine cannot be used: {told(error, self._url)}") from error
        self._idle.append(connection)

    def _take(self) -> psycopg.Connection[Any] | None:
        try:
            return self._idle.pop()
        except IndexError:  # another thread took the last
            return None

    def close(self) -> None:
        """End the idle connections; the next use makes new ones."""
        while self._idle:
            self._idle.pop().close()

    def _connect(self) -> psycopg.Connection[Any]:
        return ImpatientConnection.connect(
            self._url, autocommit=True, connect_timeout=CONNECT_SECONDS, options=SESSION
        )


class VectorTable:
    """The vectors of one snapshot in the engine; an `index.vector_index.protocol.VectorSearch`."""

    def __init__(self, engine: VectorEngine, snapshot_id: str, digest: str) -> None:
        """Raises `VectorSearchUnavailable`."""
        self._engine = engine
        self._snapshot = snapshot_id, digest
        self._held = engine.held(*self._snapshot)

    def search(
        self, queries: FloatArray, k: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Rows, FloatArray]:
        """See `VectorSearch.search`."""
        try:
            return self._searched(queries, k, allowed)
        except VectorSearchUnavailable as error:
            if not _lacks_a_table(error):
                raise
        self._held = self._engine.held(*self._snapshot)  # dropped and loaded again, under another name
        return self._searched(queries, k, allowed)

    def _searched(
        self, queries: FloatArray, k: int, allowed: npt.NDArray[np.bool_] | None
    ) -> tuple[Rows, FloatArray]:
        n = self._held.rows
        k = min(k, n)
        rows, cosines = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -np.inf, np.float32)
        among = n if allowed is None else int(np.count_nonzero(allowed))
        if min(k, among) == 0:
            return rows, cosines
        with self._engine.connection() as connection:
            for at, query in enumerate(queries):
                found = self._found(connection, query.tolist(), min(k, among), among, allowed)
                rows[at, : len(found)] = [row for row, _ in found]
                cosines[at, : len(found)] = [cosine for _, cosine in found]
        return rows, cosines

    def _found(
        self,
        connection: psycopg.Connection[Any],
        query: list[float],
        k: int,
        among: int,
        allowed: npt.NDArray[np.bool_] | None,
    ) -> list[tuple[int, float]]:
        """k rows and their cosines, best first."""
        few = among <= self._engine.exact_rows or k * self._held.rows > among * MOST_SCANNED
        if not few:
            bits = None if allowed is None else np.packbits(allowed, bitorder="little").tobytes()
            within = "" if bits is None else "WHERE get_bit(%(bits)b, row) = 1"
            statement = self._statement(_BY_GRAPH, within)
            found = connection.execute(statement, {"query": query, "k": k, "bits": bits}).fetchall()
            if len(found) == k:
                return sorted(found, key=lambda each: (-each[1], each[0]))
        if allowed is None or among == self._held.rows:
            return connection.execute(self._statement(_ONE_BY_ONE), {"query": query, "k": k}).fetchall()
        statement = self._statement(_ONE_BY_ONE, "WHERE row = ANY(%(rows)b::int[])")
        listed = np.flatnonzero(allowed).tolist()
        return connection.execute(statement, {"query": query, "k": k, "rows": listed}).fetchall()

    def _statement(self, template: str, where: str = "") -> Composed:
        return SQL(template).format(table=self._held.table, where=SQL(where))


def engine_url(url: str) -> str:
    """The URL, if it is one. Raises ValueError, without the password, for what cannot be read or is not what it says.

    A password whose @ or / is not escaped lends its end to the host, the port or the database, and errors name those.
    """
    wanted = "the URL of a vector engine is postgresql://USER:PASSWORD@HOST/DATABASE; a password's @ : / ? # % are "
    wanted += "written %40 %3A %2F %3F %23 %25"
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError:
        raise ValueError(wanted) from None
    ports = parts.get("port", "").replace(",", "")
    if any("@" in parts.get(name, "") for name in ("host", "port", "dbname")) or not (ports.isdecimal() or not ports):
        raise ValueError(wanted)
    return url


def told(error: Exception, url: str) -> str:
    """What the database said, in one line, without the password of the URL."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    password = str(conninfo_to_dict(url).get("password") or "")
    return lines[0].replace(password, "***") if password else lines[0]


def _lacks_a_table(error: VectorSearchUnavailable) -> bool:
    return isinstance(error.__cause__, psycopg.errors.UndefinedTable)
