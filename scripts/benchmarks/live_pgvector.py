"""Measures PostgreSQL with pgvector on the same vectors, beside scripts/benchmarks/bench_live.py."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from index.publishing.store import Store
from index.snapshot.reader import Snapshot
from scripts.tools.local_postgres import running_postgres
from scripts.tools.steady_load import Ask, steady_load

INSERTS = 200
PAUSE_SECONDS = 0.05  # between inserts, so that readers meet them for some 10 s
QUIET_SECONDS = 10
FOUND = 7  # a list of 6; the article is its own nearest
NEAREST = "SELECT id FROM articles ORDER BY embedding <=> (SELECT embedding FROM articles WHERE id = %s) LIMIT 7"
INSERT = "INSERT INTO articles VALUES (%s, %s)"


@dataclass(frozen=True)
class AskForNearest:
    """Opens a connection for a steady load: the nearest articles of one that the table has from the beginning."""

    url: str
    rows: int

    def __call__(self) -> Ask:
        """Right when it finds as many as there should be."""
        connection = psycopg.connect(self.url, autocommit=True)
        draw = np.random.default_rng(1).integers(0, self.rows, 10_000).tolist()

        def ask(number: int) -> bool:
            found = connection.execute(NEAREST, (draw[number % len(draw)],)).fetchall()
            return len(found) == FOUND

        return ask


def beside_pgvector(store: Path, programs: Path, rate: float) -> dict[str, Any]:
    """How soon another connection finds an inserted article by its ID, with a steady load of such questions.

    The vectors are the dense ones of the store's snapshot: all but the last 200 are in the table, which come.
    """
    texts = dense_vectors(store)
    held = len(texts) - INSERTS
    with running_postgres(programs) as server, psycopg.connect(server.url, autocommit=True) as writer:
        plan = make_table(writer, texts[:held])
        with psycopg.connect(server.url, autocommit=True) as reader, \
                steady_load(AskForNearest(server.url, held), rate) as load:  # fmt: skip
            times = [time.monotonic() + 2]  # the first questions plan their statements
            time.sleep(2 + QUIET_SECONDS)
            times.append(time.monotonic())
            committed, visible = inserted(writer, reader, texts, held)
            times.append(time.monotonic())
    quiet, during = (load.during([span])._asdict() for span in pairwise(times))
    return {
        "index used": "Index Scan using articles_embedding" in plan,
        "committed": percentiles(committed),
        "visible": percentiles(visible),
        "queries, quiet": quiet,
        "queries, while inserting": during,
    }


def dense_vectors(store: Path) -> list[str]:
    """The dense vectors of the store's snapshot, of length 1, as pgvector reads them."""
    opened = Store(store)
    snapshot = Snapshot.open(opened.directory(str(opened.active_id("default"))))
    dense = np.asarray(snapshot.vectors[:, : snapshot.manifest.models["dense_dimension"]], np.float32)
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    return [f"[{','.join(f'{value:.6g}' for value in row)}]" for row in dense.tolist()]


def make_table(connection: psycopg.Connection[Any], texts: Sequence[str]) -> str:
    """Fill a table and index it; returns how PostgreSQL means to find the nearest."""
    connection.execute("CREATE EXTENSION vector")
    dimension = texts[0].count(",") + 1
    connection.execute(f"CREATE TABLE articles (id bigint PRIMARY KEY, embedding vector({dimension}) NOT NULL)")
    with connection.cursor() as cursor, cursor.copy("COPY articles FROM STDIN") as copy:
        for number, text in enumerate(texts):
            copy.write_row((number, text))
    connection.execute("CREATE INDEX ON articles USING hnsw (embedding vector_cosine_ops)")
    connection.execute("ANALYZE articles")
    connection.execute("ALTER DATABASE postgres SET enable_seqscan = off")  # few rows: it would read them all, slower
    connection.execute("SET enable_seqscan = off")  # the former is for connections yet to come
    return str(connection.execute(f"EXPLAIN {NEAREST}", (0,)).fetchall())


def inserted(
    writer: psycopg.Connection[Any], reader: psycopg.Connection[Any], texts: Sequence[str], first: int
) -> tuple[list[float], list[float]]:
    """Seconds from before each insert until it is committed, and until the other connection finds it by its ID."""
    committed, visible = [], []
    for number in range(first, len(texts)):
        begin = time.monotonic()
        writer.execute(INSERT, (number, texts[number]))
        committed.append(time.monotonic() - begin)
        while (number,) not in reader.execute(NEAREST, (number,)).fetchall():
            pass
        visible.append(time.monotonic() - begin)
        time.sleep(PAUSE_SECONDS)
    return committed, visible


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """How many, p50, p95 and longest, in milliseconds."""
    p50, p95, longest = np.percentile(seconds, [50, 95, 100]) * 1_000
    return {"n": len(seconds), "p50_ms": float(p50), "p95_ms": float(p95), "max_ms": float(longest)}
