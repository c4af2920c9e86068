"""The whole product as its operators run it: serve.py, its web workers and the search process, over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
from constants import ROOT
from hashing_embedder import HashingEmbedder

from index.article import Article
from index.build import RebuildOptions, rebuild
from index.publishing.store import Store
from scripts.tools.server_process import free_port


class Service:
    """A running service and the store that it serves."""

    def __init__(self, store: Store, port: int, process: subprocess.Popen[bytes]) -> None:
        self.store, self.port, self.process = store, port, process

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (names in lower case), body, over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], Any]:
        """The same of a GET, with JSON decoded."""
        status, found, body = self.ask("GET", path, headers=headers)
        return status, found, json.loads(body) if body and "json" in found["content-type"] else body

    def begin(self, connections: ExitStack, target: str, key: str = "") -> socket.socket:
        """A request whose body is announced, begun, and then does not come; closed with the stack."""
        connection = connections.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=20))
        head = f"{target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n"
        given = f"X-API-Key: {key}\r\n" if key else ""
        connection.sendall(f"{head}{given}\r\n{{".encode())
        return connection

    def event(self) -> int:
        """The status that a reader's event gets: 422 is what it deserves, 503 that nobody read it."""
        return self.ask("POST", "/v1/events", b'{"events": []}')[0]

    def answers(self) -> bool:
        """Whether a snapshot serves."""
        try:
            return self.get("/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def workers(self) -> list[psutil.Process]:
        """The processes that answer: of each granian the one that it started."""
        found = []
        for server in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it ends at this moment
                if "granian" in " ".join(server.cmdline()):
                    found += server.children()
        return found

    def search_process(self) -> int:
        """Its process ID."""
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it ends at this moment
                if "service.cli.search_process" in child.cmdline():
                    return child.pid
        raise AssertionError("no search process")


@contextmanager
def served(store: Store, folder: Path, **settings: Any) -> Iterator[Service]:
    """Serve a store, on which a snapshot lies, until the block ends; `settings` as RELATED_..., in lower case.

    A setting that is None is not set.
    """
    port = free_port()
    chosen = {"store": store.root, "port": port, "search_socket": folder / "search.sock", "refresh_seconds": 0.1}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RELATED_")}
    environment |= {
        f"RELATED_{name.upper()}": str(value) for name, value in (chosen | settings).items() if value is not None
    }
    with (folder / "log").open("wb") as log:
        command = [sys.executable, ROOT / "scripts" / "serve.py"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=ROOT)
        running = Service(store, port, process)
        try:
            until(lambda: process.poll() is None and running.answers())
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(30)
    assert code == 0, (folder / "log").read_text()


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Look again and again until it is true; fail after so many seconds."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not true():
        assert time.monotonic() < end, "it did not become true in time"
        pause.wait(0.05)


def editions(store: Store, of: Sequence[int], articles: int = 40) -> dict[str, int]:
    """Snapshots by ID in each of which every headline names its edition: an answer of two of them shows."""
    made = {}
    for edition in of:
        found = [
            Article(
                id=f"a{at}",
                url=f"https://courier.example/{at}",
                headline=f"Headline {at}, edition {edition}",
                body=f"word{at} subject{at % 5} " * 20,
                section=f"s{at % 2}",
                published_at=1_760_000_000 + 3_600 * at,
            )
            for at in range(articles)
        ]
        report = rebuild(
            found, store, HashingEmbedder(), 1_764_000_000 + edition, RebuildOptions(force=True, keep=100)
        )
        made[report.snapshot_id] = edition
    return made
