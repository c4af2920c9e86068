"""The front without a server: environs, bodies and their budgets."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from service.api import front
from service.api.front import Front, environ_of
from service.http.request_bodies import ARTICLE_BYTES

HEADERS = [("host", "courier.example"), ("cookie", "a=1"), ("cookie", "b=2"), ("x-list", "1"), ("x-list", "2"),
           ("content-type", "application/json")]  # fmt: skip


class Scope:
    """A request as granian describes it."""

    def __init__(self, method: str = "POST", path: str = "/", query: str = "", headers: Any = ()) -> None:
        self.proto, self.http_version, self.scheme = "http", "1.1", "http"
        self.server, self.client = "127.0.0.1:8000", "[2001:db8::1]:4000"
        self.method, self.path, self.query_string, self.headers = method, path, query, dict_of(headers)


def dict_of(headers: Iterable[tuple[str, str]]) -> Any:
    class Headers:
        def items(self) -> list[tuple[str, str]]:
            return list(headers)

    return Headers()


class Protocol:
    """Gives a body in pieces, waiting for `wait` before each, and holds the answer."""

    def __init__(self, *pieces: bytes, wait: float = 0) -> None:
        self.pieces, self.wait, self.answer = pieces, wait, None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            await asyncio.sleep(self.wait)
            yield piece

    def response_bytes(self, status: int, headers: Any, body: bytes) -> None:
        self.answer = status, headers, body

    def response_empty(self, status: int, headers: Any) -> None:
        self.answer = status, headers, b""


def echo(environ: Any, start_response: Any) -> list[bytes]:
    """Answers with the body, or with the problem that reading it raises."""
    try:
        body = environ["wsgi.input"].read()
    except front.ProblemFound as problem:
        start_response(f"{problem.status} Problem", [("Code", problem.code)])
        return [b""]
    start_response("200 OK", [("Length", environ.get("CONTENT_LENGTH", ""))])
    return [body]


def answered(*requests: tuple[Scope, Protocol], has_key: bool = False) -> list[Any]:
    """The answers to requests that come at once."""

    async def all_at_once() -> None:
        served = Front(echo, None, lambda _: has_key)
        served.__rsgi_init__(asyncio.get_running_loop())
        await asyncio.gather(*(served.__rsgi__(scope, protocol) for scope, protocol in requests))  # type: ignore[arg-type]

    with ThreadPoolExecutor(1) as pool:  # the browser's tests leave a running loop in the main thread
        pool.submit(asyncio.run, all_at_once()).result()
    return [protocol.answer for _, protocol in requests]


def sent(*pieces: bytes, declared: int | None = None, wait: float = 0) -> tuple[Scope, Protocol]:
    length = sum(map(len, pieces)) if declared is None else declared
    return Scope(headers=[("content-length", str(length))]), Protocol(*pieces, wait=wait)


def test_an_environ_is_what_pep_3333_asks_for() -> None:
    environ = environ_of(Scope("PUT", "/v1/articles/fähre x", "q=é&b=%20", HEADERS))  # type: ignore[arg-type]
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/v1/articles/fähre x"
    assert environ["QUERY_STRING"].encode("latin-1").decode() == "q=é&b=%20"
    assert (environ["REQUEST_METHOD"], environ["CONTENT_TYPE"]) == ("PUT", "application/json")
    assert (environ["HTTP_COOKIE"], environ["HTTP_X_LIST"]) == ("a=1; b=2", "1,2")
    assert (environ["REMOTE_ADDR"], environ["SERVER_PORT"]) == ("[2001:db8::1]", "8000")
    assert "CONTENT_LENGTH" not in environ


def test_a_body_in_pieces_is_whole_and_has_its_length() -> None:
    assert answered(sent(b"ab", b"", b"c"), sent(b"xyz", declared=3)) == [
        (200, [("Length", "3")], b"abc"),
        (200, [("Length", "3")], b"xyz"),
    ]


def test_a_body_that_ends_early_keeps_its_declared_length_so_that_it_is_refused() -> None:
    assert answered(sent(b"ab", declared=3)) == [(200, [("Length", "3")], b"ab")]


def test_a_body_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "SILENT_SECONDS", 0.05)
    slow, quick = sent(b"ab", b"c", declared=3, wait=0.2), sent(b"ab", b"c", declared=3, wait=0.01)
    assert [answer[0] for answer in answered(slow, quick)] == [408, 200]


def test_a_body_that_only_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "TOTAL_SECONDS", 0.1)
    dripping = sent(*[b"x"] * 30, declared=30, wait=0.02)
    assert answered(dripping)[0][:2] == (408, [("Code", "body_timeout")])


def test_uploads_beyond_the_budget_are_told_to_come_again_and_give_their_memory_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(front, "ANONYMOUS_BYTES", 100)
    first, second = sent(b"x" * 60, b"y", wait=0.05), sent(b"x" * 60, b"y", wait=0.06)
    after = sent(b"z" * 90, wait=0.3)
    assert [answer[0] for answer in answered(first, second, after)] == [200, 503, 200]
    assert [answer[0] for answer in answered(sent(b"x" * 60), sent(b"y" * 60), has_key=True)] == [200, 200]


def test_a_body_of_too_many_bytes_is_not_read() -> None:
    (unread,) = answered(sent(b"x" * 10, declared=ARTICLE_BYTES + 1))
    assert unread == (200, [("Length", str(ARTICLE_BYTES + 1))], b"")  # Flask refuses it by its length


def test_a_body_in_chunks_needs_a_length() -> None:
    chunked = Scope(headers=[("transfer-encoding", "chunked")]), Protocol(b"abc")
    assert answered(chunked)[0][:2] == (411, [("Code", "length_required")])


def test_a_header_with_an_underscore_is_not_taken_for_one_with_a_hyphen() -> None:
    headers = [("x-api-key", "real"), ("x_api_key", "other"), ("if_none_match", "*")]
    environ = environ_of(Scope(headers=headers))  # type: ignore[arg-type]
    assert environ["HTTP_X_API_KEY"] == "real"
    assert "HTTP_IF_NONE_MATCH" not in environ


def test_an_unreadable_body_raises_its_problem_however_it_is_read() -> None:
    problem = front.ProblemFound(408, "body_timeout", "x")
    for read in (lambda stream: stream.read(), lambda stream: stream.readline(), lambda stream: stream.read(10)):
        with pytest.raises(front.ProblemFound):
            read(front.Unreadable(problem))
        with pytest.raises(front.ProblemFound):
            read(io.BufferedReader(front.Unreadable(problem)))
