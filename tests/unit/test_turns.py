"""Turns of bodies, without a server: who gets one, when it ends, and that nothing of a request outlives it."""

from __future__ import annotations

import contextlib
import gc
import io
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest
from served import until

from service.api.places import WORKING, Places
from service.api.problems import ProblemFound
from service.api.silence import Silence, silent_seconds
from service.api.turns import OF_ALL, OF_ONE_ADDRESS, SERVER, WITH_KEY, InTurn, tell_of_key


class Held(io.RawIOBase):
    """A body that comes when it is told to."""

    def __init__(self) -> None:
        self.waited_for, self.comes = threading.Event(), threading.Event()

    def read(self, size: int = -1) -> bytes:  # noqa: ARG002
        self.waited_for.set()
        assert self.comes.wait(30)
        return b""


def reads(environ: dict[str, Any], _start: Any) -> list[bytes]:
    if environ.get("test.key"):
        tell_of_key(environ)
    return [environ["wsgi.input"].read(10)]


def is_answered(app: InTurn, address: str) -> bool:
    try:
        return ask(app, io.BytesIO(b"x"), address) == [b"x"]
    except ProblemFound:
        return False


@pytest.fixture
def held() -> Iterator[list[Held]]:
    """Bodies that come at the test's end, if not before."""
    bodies: list[Held] = []
    yield bodies
    for each in bodies:
        each.comes.set()


def ask(app: InTurn, body: Any, address: str = "192.0.2.1", key: bool = False) -> list[bytes]:
    environ = {"wsgi.input": body, "REMOTE_ADDR": address, "SERVER_PORT": "1", "test.key": key}
    return list(app(environ, lambda *_: lambda _: None))


def begin(app: InTurn, held: list[Held], address: str, key: bool = False) -> None:
    """A request that waits for its body."""
    body = Held()
    held.append(body)
    threading.Thread(target=ask, args=(app, body, address, key), daemon=True).start()
    assert body.waited_for.wait(10)


def test_an_address_has_some_turns_and_all_strangers_together_more(held: list[Held]) -> None:
    app = InTurn(reads, Places())  # type: ignore[arg-type]
    for number in range(OF_ALL):
        begin(app, held, f"192.0.2.{number // OF_ONE_ADDRESS}")
        if number == OF_ONE_ADDRESS - 1:
            with pytest.raises(ProblemFound, match="only arriving"):
                ask(app, io.BytesIO(b"x"), "192.0.2.0")
    with pytest.raises(ProblemFound, match="only arriving"):
        ask(app, io.BytesIO(b"x"), "198.51.100.1")
    assert ask(app, io.BytesIO(b"x"), "198.51.100.1", key=True) == [b"x"]
    for _ in range(WITH_KEY):
        begin(app, held, "198.51.100.1", key=True)
    with pytest.raises(ProblemFound, match="only arriving"):
        ask(app, io.BytesIO(b"x"), "198.51.100.1", key=True)
    held[0].comes.set()
    until(lambda: is_answered(app, "198.51.100.2"))


def test_a_subscriber_has_one_address_however_many_of_ipv6_he_has(held: list[Held]) -> None:
    app = InTurn(reads, Places())  # type: ignore[arg-type]
    for host in ("1", "a:b:c", "9:b:c:d")[:OF_ONE_ADDRESS]:
        begin(app, held, f"2001:db8::{host}")  # shown without the zeros between
    with pytest.raises(ProblemFound, match="only arriving"):
        ask(app, io.BytesIO(b"x"), "2001:db8:0:0:ffff::1")
    assert ask(app, io.BytesIO(b"x"), "2001:db8:0:1::1") == [b"x"]


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's end and the server's of a connection on which nothing has come for a fifth of a second."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            accepted.setblocking(False)
            until(lambda: silent_seconds(accepted) > 0.2)
            yield client, accepted


def was_ended(connection: tuple[socket.socket, socket.socket], silence: Silence, seconds: float) -> bool:
    """Whether the server's end is closed for reading while a body of that address is awaited."""
    _, accepted = connection
    address, port = accepted.getpeername()[0], accepted.getsockname()[1]
    with silence.ends(address, port):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                return accepted.recv(1) == b""
            time.sleep(0.05)
    return False


def test_a_silent_connection_is_ended_while_a_body_is_awaited(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    assert was_ended(connection, Silence(0.2), 20)


def test_who_began_to_wait_later_is_told_too_that_a_connection_was_ended(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    _, accepted = connection
    silence, port = Silence(0.2), accepted.getsockname()[1]
    with silence.ends("127.0.0.1", port) as later, silence.ends("192.0.2.1", port) as elsewhere:
        later.since = elsewhere.since = time.monotonic() + 1_000
        assert was_ended(connection, silence, 20)
        assert later.ended
        assert not elsewhere.ended


def test_no_connection_is_ended_while_a_question_of_its_address_is_worked_on(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    silence = Silence(0.2)
    silence.begin_work("127.0.0.1")
    time.sleep(0.3)
    assert not was_ended(connection, silence, 2)
    silence.end_work()
    assert was_ended(connection, silence, 20)


def test_no_connection_is_ended_while_an_answer_is_on_its_way(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    client, accepted = connection
    with contextlib.suppress(BlockingIOError):
        while True:
            accepted.send(b"x" * 100_000)  # which the client does not read yet
    assert not was_ended(connection, Silence(0.2), 2)
    client.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        while client.recv(1_000_000):
            pass
    assert was_ended(connection, Silence(0.2), 20)


class Slow(io.BytesIO):
    """A body that comes when a connection, silent for longer, will have been ended."""

    def __init__(self, body: bytes, silent: socket.socket) -> None:
        super().__init__(body)
        self._silent = silent

    def read(self, size: int | None = -1) -> bytes:
        until(lambda: silent_seconds(self._silent) > 2)
        return super().read(size)


def test_a_body_in_chunks_is_whole_though_another_connection_fell_silent(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    _, accepted = connection

    port = str(accepted.getsockname()[1])
    environ = {"wsgi.input": Slow(b"{}", accepted), "REMOTE_ADDR": "127.0.0.1", "SERVER_PORT": port}
    assert list(InTurn(reads, Places(), 0.2)(environ, lambda *_: lambda _: None)) == [b"{}"]  # type: ignore[arg-type]
    assert accepted.recv(1) == b""


def test_a_long_body_is_read_on_though_another_connection_fell_silent(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    _, accepted = connection

    def reads_twice(environ: dict[str, Any], _start: Any) -> list[bytes]:
        return [environ["wsgi.input"].read(3), environ["wsgi.input"].read(2)]

    port = str(accepted.getsockname()[1])
    environ = {"wsgi.input": Slow(b"[1,2]", accepted), "REMOTE_ADDR": "127.0.0.1"}
    environ |= {"SERVER_PORT": port, "CONTENT_LENGTH": "5"}
    assert list(InTurn(reads_twice, Places(), 0.2)(environ, lambda *_: lambda _: None)) == [b"[1,", b"2]"]  # type: ignore[arg-type]
    assert accepted.recv(1) == b""


def test_who_waits_for_a_body_takes_no_place_from_those_who_work(held: list[Held]) -> None:
    app = InTurn(reads, Places())  # type: ignore[arg-type]
    for _ in range(WORKING + 1):
        begin(app, held, "192.0.2.1")
    assert ask(app, io.BytesIO(b"x"), "192.0.2.2") == [b"x"]


def test_a_body_that_is_not_read_to_its_end_gives_its_turn_back() -> None:
    def begins(environ: dict[str, Any], _start: Any) -> list[bytes]:
        return [environ["wsgi.input"].read(1)]

    app = InTurn(begins, Places())  # type: ignore[arg-type]
    for _ in range(2 * OF_ONE_ADDRESS):
        assert ask(app, io.BytesIO(b"xyz")) == [b"x"]


class Server:
    """Answers of a server's threads that are at work until they are told to end."""

    def __init__(self, name: str = SERVER) -> None:
        self.app = InTurn(self._works, Places())  # type: ignore[arg-type]
        self._name = name
        self._end: dict[str, threading.Event] = {}
        self._at_work: SimpleQueue[str] = SimpleQueue()
        self.answered: SimpleQueue[Any] = SimpleQueue()

    def _works(self, environ: dict[str, Any], _start: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "body":
            return [environ["wsgi.input"].read(10)]
        self._at_work.put(environ["PATH_INFO"])
        assert self._end[environ["PATH_INFO"]].wait(30)
        return [b"x"]

    def begin(self, name: str, is_at_work: bool = True) -> None:
        self._end[name] = threading.Event()
        threading.Thread(target=self._ask, args=(name, io.BytesIO()), daemon=True).start()
        if is_at_work:
            assert self._at_work.get(timeout=10) == name

    def begin_three(self) -> None:
        """Two have the places ("a", "b"), one waits for a place ("c")."""
        self.begin("a")
        self.begin("b")
        self.begin("c", is_at_work=False)

    def end(self, name: str) -> Any:
        self._end[name].set()
        return self.answered.get(timeout=10)

    def wait_for_a_body(self, body: Held) -> None:
        threading.Thread(target=self._ask, args=("body", body), daemon=True).start()
        assert body.waited_for.wait(10)

    def _ask(self, name: str, body: Any) -> None:
        environ = {"wsgi.input": body, "REMOTE_ADDR": "192.0.2.1", "SERVER_PORT": "1", "PATH_INFO": name}
        self.answered.put(self.app({**environ, "SERVER_SOFTWARE": self._name}, lambda *_: lambda _: None))


def closed(answer: Any) -> threading.Event:
    """Set when a thread that closes an answer comes back."""
    comes_back = threading.Event()

    def close() -> None:
        answer.close()
        comes_back.set()

    threading.Thread(target=close, daemon=True).start()
    return comes_back


def test_a_thread_that_is_not_needed_rests_until_somebody_waits_for_a_body(held: list[Held]) -> None:
    server, body = Server(), Held()
    held.append(body)
    server.begin_three()
    answer = server.end("a")  # two others are under way
    assert list(answer) == [b"x"]
    back = closed(answer)
    assert not back.wait(0.3)
    assert isinstance(server.end("b"), list)
    assert not back.wait(0.3)
    server.wait_for_a_body(body)
    assert back.wait(10)
    assert isinstance(server.end("c"), list)


def test_a_thread_rests_no_more_where_the_others_have_ended_meanwhile() -> None:
    server = Server()
    server.begin_three()
    answer = server.end("a")
    server.end("b")
    assert closed(answer).wait(10)
    server.end("c")


def test_who_waits_for_a_body_is_none_of_those_for_whom_another_may_rest(held: list[Held]) -> None:
    server = Server()
    held += [Held() for _ in range(WORKING)]
    for body in held:
        server.wait_for_a_body(body)
    server.begin("a")
    server.begin("b")
    assert isinstance(server.end("a"), list)
    assert isinstance(server.end("b"), list)


def test_no_thread_of_another_server_rests() -> None:
    server = Server("gunicorn/23.0.0")
    server.begin_three()
    for name in ("a", "b", "c"):
        assert isinstance(server.end(name), list)


def test_nothing_of_a_request_outlives_it() -> None:
    app, body = InTurn(reads, Places()), io.BytesIO(b"x" * 100)  # type: ignore[arg-type]
    kept = weakref.ref(body)
    gc.disable()
    try:
        ask(app, body)
        del body
        assert kept() is None
    finally:
        gc.enable()
