"""Serves the WSGI application over granian's RSGI interface.

Lists by article ID are answered on the event loop. Every other request goes to Flask in a small thread pool, after
its body has been read under a size limit and a deadline: a slow upload holds the memory of its bytes, and no thread.
Under any other WSGI server the application gives the same bytes; this front serves it better.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING, Any

from service.api.fast_path import LIST, FastPath
from service.http.problems import ProblemFound
from service.http.request_bodies import ARTICLE_BYTES
from service.observability.middleware import BEGAN

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment
    from granian._granian import RSGIHTTPProtocol as HTTPProtocol
    from granian.rsgi import Scope

THREADS = 16  # most of them wait, if anything, for the search process or the live store
SWITCH_SECONDS = 0.0005  # a thread that computes hands the interpreter to the event loop this soon
SILENT_SECONDS = 10.0  # between two pieces of a body
TOTAL_SECONDS = 60.0  # for a whole body
ANONYMOUS_BYTES, KEY_BYTES = 8 << 20, 16 << 20  # of bodies in memory, without and with a valid API key
RETRY_SECONDS = 1

_TOO_SLOW = ProblemFound(408, "body_timeout", "The rest of the body did not arrive in time.")
_NO_LENGTH = ProblemFound(411, "length_required", "Declare the body's length: Content-Length, not chunks.")
_BUSY = ProblemFound(503, "busy", "Too many uploads in progress. Retry in 1 second.", RETRY_SECONDS)
_PREFIXED = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


class Front:
    """An RSGI application in front of a WSGI application."""

    def __init__(
        self, application: WSGIApplication, fast_path: FastPath | None, has_key: Callable[[WSGIEnvironment], bool]
    ) -> None:
        """`has_key` tells whether a request brings a valid API key; `fast_path` is None where lists need one."""
        self._application = application
        self._fast_path = fast_path
        self._has_key = has_key
        self._anonymous, self._with_key = ByteBudget(ANONYMOUS_BYTES), ByteBudget(KEY_BYTES)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called by granian in each worker."""
        self._loop = loop
        self._pool = ThreadPoolExecutor(THREADS, "flask")
        sys.setswitchinterval(SWITCH_SECONDS)

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request."""
        environ = environ_of(scope)
        environ[LIST] = found = self._fast_path.find(environ) if self._fast_path is not None else None
        if found is not None:
            _send(protocol, *answer_of(self._application, environ))
            return
        budget = self._with_key if self._has_key(environ) else self._anonymous
        body = Body(budget)
        try:
            if "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0") != "0":
                await body.receive(protocol, environ)
            answer = await self._loop.run_in_executor(self._pool, answer_of, self._application, environ)
        finally:
            body.release()
        _send(protocol, *answer)


class ByteBudget:
    """How many bytes of request bodies may be in memory. For one thread."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, count: int) -> bool:
        """Whether so many bytes were left; they are taken then."""
        if count > self._left:
            return False
        self._left -= count
        return True

    def give_back(self, count: int) -> None:
        """Return taken bytes."""
        self._left += count


class Body:
    """A request body that is read into memory before its request is answered."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._taken = 0

    async def receive(self, protocol: HTTPProtocol, environ: WSGIEnvironment) -> None:
        """Read the body into `wsgi.input`; where it cannot be had, whoever reads that raises the problem.

        A body that declares more than the largest limit is not read: Flask refuses it by its length. Nor is one in
        chunks: granian ends a broken or cut one as it ends a whole one, so half an upload would be taken for all.
        """
        if "HTTP_TRANSFER_ENCODING" in environ:
            environ["wsgi.input"] = Unreadable(_NO_LENGTH)
            environ["wsgi.input_terminated"] = True  # else Flask takes a body without a length for an empty one
            return
        declared = environ.get("CONTENT_LENGTH", "0")
        if declared.isdecimal() and int(declared) > ARTICLE_BYTES:
            return
        try:
            pieces = await self._pieces(protocol)
        except TimeoutError:
            environ["wsgi.input"] = Unreadable(_TOO_SLOW)
            return
        if pieces is None:
            environ["wsgi.input"] = Unreadable(_BUSY)
            return
        environ["wsgi.input"] = io.BytesIO(b"".join(pieces))  # Flask refuses one that is shorter than declared

    def release(self) -> None:
        """Return the memory to the budget."""
        self._budget.give_back(self._taken)
        self._taken = 0

    async def _pieces(self, protocol: HTTPProtocol) -> list[bytes] | None:
        """The pieces up to the end; None where the budget is used up."""
        loop, pieces = asyncio.get_running_loop(), []
        end = loop.time() + TOTAL_SECONDS
        async with asyncio.timeout_at(min(end, loop.time() + SILENT_SECONDS)) as deadline:
            async for piece in protocol:
                if not self._budget.take(len(piece)):
                    return None
                self._taken += len(piece)
                pieces.append(piece)
                deadline.reschedule(min(end, loop.time() + SILENT_SECONDS))
        return pieces


class Unreadable(io.RawIOBase):
    """The input of a request whose body did not arrive; reading raises the problem to answer with."""

    def __init__(self, problem: ProblemFound) -> None:
        self._problem = problem

    def readable(self) -> bool:
        """True, so that it counts as a stream."""
        return True

    def readinto(self, _buffer: Any) -> int:
        """Raises the problem."""
        raise self._problem


def environ_of(scope: Scope) -> WSGIEnvironment:
    """The WSGI environ of a request, with no body yet.

    A header with an underscore in its name is left out: its variable would be that of another header, with a hyphen.

    *Source*: PEP 3333; repeated headers are joined by commas, cookies by semicolons (RFC 9110, RFC 6265).
    """
    host, _, port = scope.server.rpartition(":")
    client, _, client_port = scope.client.rpartition(":")
    environ: WSGIEnvironment = {
        BEGAN: perf_counter(),
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": scope.query_string.encode("utf-8", "surrogateescape").decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": client,
        "REMOTE_PORT": client_port,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        if "_" in name:
            continue
        key = _PREFIXED.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
        if key in environ:
            value = f"{environ[key]}{'; ' if name == 'cookie' else ','}{value}"
        environ[key] = value
    return environ


def answer_of(application: WSGIApplication, environ: WSGIEnvironment) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of the application's answer."""
    begun: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], object]:
        begun.append((status, headers))
        return lambda _: None

    content = application(environ, start_response)
    try:
        body = b"".join(content)
    finally:
        if (close := getattr(content, "close", None)) is not None:
            close()
    status, headers = begun[-1]
    return int(status[:3]), headers, body


def _send(protocol: HTTPProtocol, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    if body:
        protocol.response_bytes(status, headers, body)
    else:
        protocol.response_empty(status, headers)
