"""Bodies that never come, sent to the real server: they hold up neither lists nor who has a key, and are given up."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import serve
from newsroom import WRITER, write_keys
from served import Service, editions, served, until

from index.store import Store
from service.api.turns import OF_ONE_ADDRESS, SILENT_SECONDS, THREADS, WITH_KEY

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


def test_bodies_of_strangers_that_never_come_hold_up_no_key_and_are_given_up(
    service: Service, connections: ExitStack
) -> None:
    begun = time.monotonic()
    opened = [service.begin(connections, "POST /v1/events") for _ in range(OF_ONE_ADDRESS)]
    until(lambda: service.event() == 503)  # this address has no turn left
    opened += [service.begin(connections, "POST /v1/events") for _ in range(20)]
    assert write(service) in (200, 201)
    assert service.get("/v1/related?id=a7")[0] == 200
    assert time.monotonic() - begun < SILENT_SECONDS
    until(lambda: service.event() == 422, 2 * SILENT_SECONDS)
    assert time.monotonic() - begun >= SILENT_SECONDS
    assert sorted(status(each) for each in opened) == sorted(["408"] * OF_ONE_ADDRESS + ["503"] * 20)


def test_a_keys_bodies_that_never_come_leave_events_and_lists_alone_and_are_given_up(
    service: Service, connections: ExitStack
) -> None:
    opened = [service.begin(connections, "PUT /v1/article?id=slow", WRITER) for _ in range(WITH_KEY)]
    until(lambda: write(service) == 503)
    assert service.event() == 422
    assert service.get("/v1/related?id=a7")[0] == 200
    until(lambda: write(service) in (200, 201), 2 * SILENT_SECONDS)
    assert [status(each) for each in opened] == ["408"] * WITH_KEY


def test_a_body_that_comes_slowly_is_read_to_its_end(service: Service, connections: ExitStack) -> None:
    body = b'{"events": []}' + b" " * 486
    connection = service.begin(connections, "POST /v1/events")
    for part in (body[1:3], body[3:8], body[8:]):
        threading.Event().wait(SILENT_SECONDS / 2)
        connection.sendall(part)
    assert status(connection) == "422"


def status(connection: socket.socket) -> str:
    """The status of its answer, "cut" where there was none."""
    try:
        return connection.recv(64).decode().split()[1]
    except (OSError, IndexError):
        return "cut"


def test_the_server_has_the_threads_that_the_turns_need() -> None:
    assert serve.WEB_THREADS == THREADS
