"""Bodies too large, connections that never ask, and what this costs others.

The long forms print figures: `pytest -m proof -s tests/journeys/test_serving_floods.py`.
"""

from __future__ import annotations

import contextlib
import re
import resource
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from newsroom import WRITER, write_keys
from served import Service, editions, served, until

from index.publishing.store import Store

LIST = "/v1/articles/a7/related"
MEBIBYTE = 1 << 20


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    store = Store(tmp_path / "store")
    editions(store, [0])
    keys = write_keys(tmp_path / "keys.toml")
    with served(store, tmp_path, workers=2, keys=keys) as running:
        until(lambda: len(running.workers()) == 2)
        yield running


class Peak:
    """The most memory that some processes held for themselves together, in MB, while it was looked at."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self._processes, self._stop = processes, threading.Event()
        self.before = self.most = self._now()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _now(self) -> float:
        return sum(each.memory_full_info().uss for each in self._processes) / 2**20

    def _look(self) -> None:
        while not self._stop.wait(0.1):
            self.most = max(self.most, self._now())


def flood(service: Service, bodies: int) -> tuple[Counter[str], Peak]:
    """So many bodies of 1 MiB, all at once, half of them to an address that takes 64 KiB; what was answered."""
    answers: Counter[str] = Counter()
    body = b'{"headline": "' + b"x" * (MEBIBYTE - 16) + b'"}'
    heads = [
        f"{method} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {WRITER}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        for method in ("POST /v1/related", "PUT /v1/article?id=big")
    ]
    ready = threading.Barrier(bodies)

    def send(number: int) -> None:
        with socket.create_connection(("127.0.0.1", service.port), timeout=300) as connection:
            ready.wait()
            with contextlib.suppress(OSError):  # refused before all was sent: the answer may still be read
                connection.sendall(heads[number % 2] + body)
            try:
                answers[connection.recv(64).split(b" ")[1].decode()] += 1
            except (OSError, IndexError):
                answers["cut off"] += 1

    with Peak(service.workers()) as peak:
        threads = [threading.Thread(target=send, args=(number,)) for number in range(bodies)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return answers, peak


def test_a_hundred_large_bodies_at_once_do_no_harm(service: Service) -> None:
    answers, peak = flood(service, 100)
    assert set(answers) <= {"413", "422", "200", "201", "429", "503", "cut off"}
    assert peak.most - peak.before < 100
    assert service.get(LIST)[0] == 200


@pytest.mark.proof
def test_a_thousand_large_bodies_at_once_cost_less_than_100_mb(service: Service) -> None:
    answers, peak = flood(service, 1_000)
    print(f"\n1,000 bodies of 1 MiB: {dict(answers)}; {peak.before:.0f} MB before, {peak.most:.0f} MB at most")
    assert service.get(LIST)[0] == 200
    assert peak.most - peak.before < 100


def half_open(service: Service, connections: int) -> list[socket.socket]:
    """Connections that begin to ask and never end: in the head, or in the body."""
    begun = (b"GET /v1/related?id=a7 HTT", b"POST /v1/related HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{",
             b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{", b"")  # fmt: skip
    opened = []
    for number in range(connections):
        opened.append(socket.create_connection(("127.0.0.1", service.port), timeout=10))
        opened[-1].sendall(begun[number % len(begun)])
    return opened


def ask_beside(service: Service, connections: int, questions: int) -> list[float]:
    """How long good questions take beside so many half-open connections, in ms; each over a connection of its own."""
    opened = half_open(service, connections)
    try:
        took = []
        for _ in range(questions):
            begin = time.perf_counter()
            status, _, found = service.get(LIST)
            took.append(1_000 * (time.perf_counter() - begin))
            assert status == 200
            assert found["items"]
    finally:
        for each in opened:
            each.close()
    return took


def test_good_readers_are_answered_beside_a_hundred_who_never_finish(service: Service) -> None:
    ask_beside(service, 100, 20)


@pytest.mark.proof
def test_good_readers_are_answered_beside_five_hundred_who_never_finish(service: Service) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4_096), hard), hard))
    quiet, beside = ask_beside(service, 0, 300), ask_beside(service, 500, 300)
    for name, took in (("alone", quiet), ("beside 500 half-open", beside)):
        print(f"\n{name}: p50 {statistics.median(took):.1f} ms, p99 {statistics.quantiles(took, n=100)[98]:.1f} ms")


def test_a_body_in_chunks_is_refused_and_no_answer_names_a_release(service: Service) -> None:
    chunk = b"8000\r\n" + b"[" * 0x8000 + b"\r\n"
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(head + chunk * 40 + b"0\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 411 ")
    for bad in (b"GARBAGE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
            connection.sendall(bad)
            answer = connection.recv(1 << 16).lower()
        assert answer.startswith(b"http/1.1 40")
        assert not re.search(rb"granian[/ ]*\d|python|werkzeug|flask|hyper", answer)
