"""Defines a peer of the benchmark, and what several peers share to run and to be queried."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from scripts.benchmarks.peers.vectors import Vectors
from scripts.tools.http_load import Load, load_with_wrk
from scripts.tools.server_process import wait_until_open

K = 10
ASKED = K + 1  # an article is its own nearest
BLOCK = 10_000  # rows that are sent at once
DRAWN = """\
math.randomseed(os.time())
request = function()
  local row = math.random(0, {last})
  return wrk.format("GET", {path})
end
"""


class Asked(Protocol):
    """A peer that answers. `version`, `client`: what is measured, and with what."""

    version: str
    client: str

    def found(self, row: int) -> list[int]:
        """The rows it says are nearest, best first, the row itself among them or not."""

    def load(self, connections: int, seconds: int) -> Load:
        """What it stands when rows drawn evenly are asked for, each connection asking again once answered."""


class Peer(Protocol):
    """Something to be asked. `in_process`: called, not asked over the network, and by one caller alone."""

    name: str
    in_process: bool

    def missing(self) -> str | None:
        """What is needed and not there; None when it can run."""

    def serving(self, vectors: Vectors, folder: Path) -> AbstractContextManager[Asked]:
        """Runs until the block ends; files go to the folder."""


class AskedByWrk:
    """A server over HTTP; `script` draws its requests."""

    client = "wrk"

    def __init__(self, told: str, url: str, script: Path) -> None:
        self.version, self.url, self._script = told, url, script

    def load(self, connections: int, seconds: int) -> Load:
        """See `peers.Asked`."""
        return load_with_wrk(self.url, connections, seconds, script=self._script)


@contextmanager
def stopped_at_the_end(command: list[str], port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server from when its port is open until the block ends; what it says goes to a file in the folder."""
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            wait_until_open(port, server, seconds=120)
            yield server
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def asked(url: str, body: Any = None, key: str = "") -> Any:
    """The JSON that a server answers to a GET, or to a POST of a body. Raises OSError."""
    return json.loads(sent(url, None if body is None else json.dumps(body).encode(), key) or b"null")


def sent(url: str, body: bytes | None, key: str = "") -> bytes:
    """What it answers. Raises OSError."""
    headers = {"X-TYPESENSE-API-KEY": key, "Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - of this machine
    with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content


def until_healthy(url: str, seconds: float = 60) -> None:
    """Return once it answers. Raises RuntimeError when that takes too long."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        try:
            sent(url, None)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{url} does not say that it is well")
