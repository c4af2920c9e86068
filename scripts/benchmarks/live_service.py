"""Starts the real service for a benchmark (scripts/serve.py), with one connection to each web worker."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import psutil

from scripts.tools.server_process import free_port, read_answer
from scripts.tools.steady_load import Ask

SCRIPTS = Path(__file__).parents[1]
WORKERS = 2
POLL_SECONDS = 0.02  # often enough for a goal of a second, seldom enough to leave readers alone
PATIENCE_SECONDS = 60


class Reply(NamedTuple):
    """A status and a JSON document, {} for anything else."""

    status: int
    body: Mapping[str, Any]


class Connection:
    """One connection that stays open, and so belongs to one web worker."""

    def __init__(self, port: int, key: str) -> None:
        self.http = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        self.http.connect()
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def ask(self, path: str, method: str = "GET", body: object = None) -> Reply:
        """Ask with the key of the newsroom."""
        raw = None if body is None else json.dumps(body).encode()
        self.http.request(method, path, raw, self._headers)
        with self.http.getresponse() as response:
            content = response.read()
            held = "json" in response.headers["Content-Type"]
        return Reply(response.status, json.loads(content) if held else {})

    def article(self, identifier: str) -> Reply:
        """Where an article stands."""
        return self.ask(f"/v1/article?id={quote(identifier, safe='')}")

    def related(self, identifier: str, limit: int = 6) -> Reply:
        """An article's list."""
        return self.ask(f"/v1/related?id={quote(identifier, safe='')}&limit={limit}")

    def publish(self, article: Mapping[str, Any]) -> Reply:
        """Publish or update an article."""
        return self.ask(f"/v1/article?id={quote(article['id'], safe='')}", "PUT", article)

    def withdraw(self, identifier: str) -> Reply:
        """Withdraw an article."""
        return self.ask(f"/v1/article?id={quote(identifier, safe='')}", "DELETE")

    def waiting(self) -> int:
        """How many articles wait to be compared, as far as this worker knows."""
        return int(self.ask("/readyz").body["waiting"])


class Service(NamedTuple):
    """A service that runs: one connection to each web worker."""

    port: int
    key_file: Path
    workers: list[Connection]

    def seen_by_all(self, true: Callable[[Connection], bool], seconds: float = PATIENCE_SECONDS) -> bool:
        """Ask each worker until it is true there; False when it is not within so many seconds."""
        waiting, end = self.workers, time.monotonic() + seconds
        while waiting := [worker for worker in waiting if not true(worker)]:
            if time.monotonic() > end:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def idle(self) -> bool:
        """Wait until every article has been compared."""
        return self.seen_by_all(lambda worker: worker.waiting() == 0)


@contextmanager
def serving(store: Path, live: str, queue_limit: int = 1_000) -> Iterator[Service]:
    """Serve a store until the block ends; a RuntimeError shows the end of the log. `live` as RELATED_LIVE."""
    port, key_file = free_port(), store / "key"
    environment = _environment(store, port, live, queue_limit)
    if not key_file.exists():
        key_file.write_text(_new_key(store / "keys.toml"))
    with (store / "log").open("ab") as log:
        command = [sys.executable, str(SCRIPTS / "serve.py")]
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=SCRIPTS.parent)
        try:
            yield Service(port, key_file, _a_connection_to_each_worker(server, port, key_file.read_text()))
        except RuntimeError:
            print((store / "log").read_text()[-5_000:], file=sys.stderr)
            raise
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()


@dataclass(frozen=True)
class AskForLists:
    """Opens a connection for a steady load: lists by Zipf's law, the newest articles' most often (exponent 1)."""

    port: int
    oldest_first: Sequence[str]

    def __call__(self) -> Ask:
        """A withdrawn article's 410 is as good an answer as a list."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        head = "GET /v1/related?id={} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        newest_first = [head.format(quote(each, safe="")).encode() for each in reversed(self.oldest_first)]

        def ask(number: int) -> bool:
            place = int(len(newest_first) ** random.Random(number).random()) - 1
            connection.sendall(newest_first[place])
            return read_answer(connection)[0] in (200, 410)

        return ask


def _environment(store: Path, port: int, live: str, queue_limit: int) -> dict[str, str]:
    """This process's environment with the service's settings in the place of any others."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RELATED_")} | {
        "RELATED_STORE": str(store),
        "RELATED_PORT": str(port),
        "RELATED_WORKERS": str(WORKERS),
        "RELATED_SEARCH_SOCKET": str(store / "search.sock"),
        "RELATED_LIVE": live,
        "RELATED_QUEUE_LIMIT": str(queue_limit),
        "RELATED_KEYS": str(store / "keys.toml"),
    }


def _new_key(path: Path) -> str:
    command = [sys.executable, str(SCRIPTS / "keys.py"), "new", "newsroom", "--file", str(path), "--scopes", "write"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=SCRIPTS.parent)
    return done.stdout.removeprefix("key: ").strip()


def _a_connection_to_each_worker(server: subprocess.Popen[bytes], port: int, key: str) -> list[Connection]:
    """The workers share a port, and the kernel gives each new connection to one of them: open some until all have."""
    found: dict[int, Connection] = {}
    end = time.monotonic() + PATIENCE_SECONDS
    for _ in count():
        if server.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{' '.join(map(str, server.args))} did not begin to answer: see its log")
        try:
            connection = Connection(port, key)
            answered = connection.ask("/readyz").status == 200
        except OSError:
            answered = False
        worker = _holder(connection, server.pid) if answered else None
        if worker is not None:
            found.setdefault(worker, connection)
        if len(found) == WORKERS:
            return list(found.values())
        time.sleep(0.05)
    raise AssertionError("count() does not end")


def _holder(connection: Connection, server: int) -> int | None:
    """The process, of those that a server started, which holds the other end of a connection."""
    ours = connection.http.sock.getsockname()
    for process in psutil.Process(server).children(recursive=True):
        if any(connection.raddr == ours for connection in process.net_connections("tcp")):
            return process.pid
    return None
