"""Uploads that are slow or never complete, sent to the real server: they hold up nobody and are given up."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from newsroom import EDITOR, WRITER, write_keys
from served import Service, editions, served

from index.publishing.store import Store
from service.api.front import SILENT_SECONDS

ARTICLE = json.dumps(
    {
        "headline": "The bridge opens",
        "url": "https://courier.example/bridge",
        "published_at": "2025-11-20T08:00:00Z",
        "body": "It opens.",
    }
).encode()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    store = Store(tmp_path / "store")
    editions(store, [0])
    keys = write_keys(tmp_path / "keys.toml")
    more = {"live": f"sqlite:///{tmp_path}/live.db", "events": tmp_path / "events"}
    with served(store, tmp_path, workers=1, keys=keys, **more) as running:
        yield running


@pytest.fixture
def connections() -> Iterator[ExitStack]:
    """Those of a test, closed at its end."""
    with ExitStack() as opened:
        yield opened


def write(service: Service) -> int:
    """The status that a short article of the newsroom gets."""
    return service.ask("PUT", "/v1/article?id=bridge", ARTICLE, {"X-API-Key": WRITER})[0]


def test_two_hundred_slow_uploads_from_one_address_hold_up_nobody_and_are_given_up(
    service: Service, connections: ExitStack
) -> None:
    begun = time.monotonic()
    opened = [service.begin(connections, "POST /v1/events") for _ in range(200)]
    opened += [service.begin(connections, "PUT /v1/article?id=slow", WRITER) for _ in range(20)]
    for _ in range(20):
        assert service.get("/v1/related?id=a7")[0] == 200
        assert service.event() == 422
        assert write(service) in (200, 201)
    assert time.monotonic() - begun < SILENT_SECONDS
    assert Counter(map(status, opened)) == {"408": 220}
    assert time.monotonic() - begun >= SILENT_SECONDS


def test_an_upload_that_is_given_up_costs_no_other_connection_of_its_address(
    service: Service, connections: ExitStack
) -> None:
    idle = [http.client.HTTPConnection("127.0.0.1", service.port, timeout=30) for _ in range(20)]
    for connection in idle:
        connections.callback(connection.close)
        ask(connection)
    slow = service.begin(connections, "POST /v1/events")
    assert status(slow) == "408"
    sockets = [connection.sock for connection in idle]
    for connection in idle:
        ask(connection)
    assert [connection.sock for connection in idle] == sockets  # none was opened anew


def test_a_body_that_comes_slowly_is_read_to_its_end(service: Service, connections: ExitStack) -> None:
    body = b'{"events": []}' + b" " * 486
    connection = service.begin(connections, "POST /v1/events")
    for part in (body[1:3], body[3:8], body[8:]):
        threading.Event().wait(SILENT_SECONDS / 2)
        connection.sendall(part)
    assert status(connection) == "422"


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/console/sign-in", "application/x-www-form-urlencoded", f"key={EDITOR}".encode()),
        ("/v1/article?id=cut", "application/json", ARTICLE),
    ],
)
def test_a_body_that_ends_before_its_declared_length_is_not_taken_as_whole(
    service: Service, connections: ExitStack, path: str, kind: str, body: bytes
) -> None:
    def sent(declared: int) -> str:
        connection = connections.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=20))
        method, given = ("PUT", f"X-API-Key: {WRITER}\r\n") if "article" in path else ("POST", "")
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{given}Content-Type: {kind}\r\n"
        connection.sendall(f"{head}Content-Length: {declared}\r\n\r\n".encode() + body)
        if declared > len(body):
            connection.shutdown(socket.SHUT_WR)
        return status(connection)

    assert sent(len(body) + 100) in ("400", "cut")
    if "article" in path:
        assert service.get("/v1/article?id=cut")[0] == 404
    assert sent(len(body)) in ("200", "201", "303")


@pytest.mark.parametrize("end", [b"0\r\n\r\n", b"zz\r\n", b"1f4\r\n{", b""], ids=["whole", "broken", "cut", "open"])
def test_a_body_in_chunks_is_never_taken_as_whole(service: Service, connections: ExitStack, end: bytes) -> None:
    connection = connections.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=20))
    head = (
        f"PUT /v1/article?id=chunks HTTP/1.1\r\nHost: x\r\nX-API-Key: {WRITER}\r\nContent-Type: application/json\r\n"
    )
    chunk = f"{len(ARTICLE):x}\r\n".encode() + ARTICLE + b"\r\n"
    connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk + end)
    assert status(connection) == "411"
    assert service.get("/v1/article?id=chunks")[0] == 404


def ask(connection: http.client.HTTPConnection) -> None:
    """Get a list over this connection."""
    connection.request("GET", "/v1/articles/a7/related")
    answer = connection.getresponse()
    assert answer.status == 200
    answer.read()


def status(connection: socket.socket) -> str:
    """The status of its answer, "cut" where there was none."""
    try:
        return connection.recv(64).decode().split()[1]
    except (OSError, IndexError):
        return "cut"
