"""Crowds of connections, and requests that wait for the search process, in the real server."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Service, editions, served, until

from index.publishing.store import Store
from service.search.client import MAX_WAITING

CROWD, QUESTIONS = 24, 40


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    store = Store(tmp_path / "store")
    editions(store, [0])
    more = {"live": "off", "events": tmp_path / "events", "search_deadline_ms": 8_000}
    with served(store, tmp_path, workers=1, **more) as running:
        yield running


def ask(connection: http.client.HTTPConnection, number: int, headers: dict[str, str]) -> int:
    connection.request("GET", f"/v1/articles/a{number % 40}/related?limit={1 + number % 9}", headers=headers)
    answer = connection.getresponse()
    assert len(answer.read()) == int(answer.getheader("Content-Length", "-1"))
    return answer.status


def crowd(service: Service, headers: dict[str, str] | None = None) -> list[http.client.HTTPConnection]:
    """Connections that asked many times, all of them at once, and got each answer; to be closed."""
    together, statuses = threading.Barrier(CROWD), []
    connections = [http.client.HTTPConnection("127.0.0.1", service.port, timeout=10) for _ in range(CROWD)]

    def asks(connection: http.client.HTTPConnection) -> None:
        together.wait(10)
        statuses.extend(ask(connection, number, headers or {}) for number in range(QUESTIONS))

    threads = [threading.Thread(target=asks, args=(each,)) for each in connections]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert statuses == [200] * CROWD * QUESTIONS
    return connections


def test_a_crowds_connections_go_on_after_their_answers(service: Service) -> None:
    for connection in crowd(service):
        assert ask(connection, 0, {}) == 200
        connection.close()
    for connection in crowd(service, {"Connection": "close"}):  # each answer ends its connection, opened anew
        connection.close()


def test_a_server_ends_when_it_is_told_to_after_a_crowd(service: Service) -> None:
    for connection in crowd(service):
        connection.close()
    began = time.monotonic()
    service.process.terminate()
    assert service.process.wait(20) == 0
    assert time.monotonic() - began < 5


def test_requests_that_wait_for_the_search_process_hold_up_no_list(service: Service) -> None:
    until((service.store.root.parent / "search.sock").exists)
    statuses: list[tuple[int, float]] = []

    def filtered(number: int) -> str:
        return f"/v1/related?id=a{number}&section=s0&limit=30&fallback=none"

    def ask(number: int) -> None:
        statuses.append((service.get(filtered(number))[0], time.monotonic()))

    until(lambda: service.get(filtered(39))[2]["degraded"] is None)
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(MAX_WAITING)]
    search = service.search_process()
    os.kill(search, signal.SIGSTOP)
    try:
        for each in threads:
            each.start()
        time.sleep(0.3)  # all of them are under way
        for number in range(20):
            assert service.get(f"/v1/related?id=a{number}")[0] == 200
        answered = time.monotonic()
    finally:
        os.kill(search, signal.SIGCONT)
        for each in threads:
            each.join(10)
    assert [status for status, _ in statuses] == [200] * MAX_WAITING
    assert all(at > answered for _, at in statuses)
