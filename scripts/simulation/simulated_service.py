"""Runs the real service behind its web server with a clock that the requests set."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from flask import Flask, request

from scripts.tools.server_process import free_port, read_answer, wait_until_open
from service.app import create_app

TIME = "X-Simulated-Time"
ENDS_SECONDS = 10


class Teaser(msgspec.Struct, frozen=True):
    """What a simulation needs of it."""

    id: str


class Item(msgspec.Struct, frozen=True):
    """A story of a list."""

    teaser: Teaser


class OwnList(msgspec.Struct, frozen=True):
    """A reader's own list."""

    list_id: str
    experiment: str | None
    variant: str | None
    items: tuple[Item, ...]
    token: str | None

    @property
    def stories(self) -> list[str]:
        """The IDs of its stories by position."""
        return [item.teaser.id for item in self.items]


class Answered(NamedTuple):
    """How events were taken in: how many were accepted, and why each other one was not."""

    accepted: int
    refused: list[str]


class SimulatedService:
    """One connection that stays open. Every request says when it happens, in epoch seconds."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=60)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def own_list(self, article: str, unit: str, block: str, at: int) -> OwnList | None:
        """The list under an article; None if there is no such article then."""
        query = urlencode({"id": article, "unit": unit, "block": block})
        status, body = self._ask("GET", f"/v1/related?{query}", at)
        if status in (404, 410):
            return None
        if status != 200:
            raise RuntimeError(f"no list of {article}: {status} {body[:500]!r}")
        return _as_list(body)

    def send(self, events: bytes, at: int) -> Answered:
        """Send a body of events, as a page does that is being left."""
        status, body = self._ask("POST", "/v1/events", at, events)
        if status != 202:
            raise RuntimeError(f"events were not taken in: {status} {body[:500]!r}")
        told = msgspec.json.decode(body)
        return Answered(told["accepted"], [each["code"] for each in told["refused"]])

    def _ask(self, method: str, path: str, at: int, content: bytes = b"") -> tuple[int, bytes]:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{TIME}: {at}\r\nContent-Length: {len(content)}\r\n"
        self._connection.sendall(f"{head}Content-Type: text/plain\r\n\r\n".encode() + content)
        return read_answer(self._connection)


@contextmanager
def simulated_service(settings: Mapping[str, Any], log: Path) -> Iterator[SimulatedService]:
    """Serve with settings by their names in RELATED_..., and the rest of the environment, until the block ends.

    One web worker: each knows replays of its own events alone. Raises RuntimeError, with what stands in the log.
    """
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "1", "--no-ws", "--http", "1"]
    command += ["--log-level", "warning", "--host", "127.0.0.1", "--port", str(port), "--blocking-threads", "1"]
    command += ["--factory", "scripts.simulation.simulated_service:app_in_simulated_time"]
    told = {f"RELATED_{name.upper()}": str(value) for name, value in settings.items()}
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1", **told}
    with log.open("wb") as file:
        server = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        try:
            wait_until_open(port, server)
            with closing(SimulatedService(port)) as service:
                yield service
        except (RuntimeError, OSError) as error:
            raise RuntimeError(f"{error}\n{log.read_text('utf-8')[-3_000:]}") from error
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(ENDS_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def app_in_simulated_time() -> Flask:
    """The application, as RELATED_... says, whose clock shows what each request tells."""
    return create_app(clock=lambda: int(request.headers[TIME]))


_as_list = msgspec.json.Decoder(OwnList).decode
