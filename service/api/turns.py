"""Owns that slow bodies hold up nobody who asks for a list: one thread of a worker waits for one at a time.

A worker has two threads (scripts/serve.py). Two bodies that are begun and never sent would take both; with turns, the
second is refused, and the other thread goes on answering. A body that has come takes its turn in microseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from service.api.problems import ProblemFound

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

WAIT_SECONDS = 0.005
RETRY_SECONDS = 1


class InTurn:
    """A WSGI application that reads its bodies in turn."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._turn = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as the application does."""
        environ["wsgi.input"] = _Body(environ["wsgi.input"], self._turn)
        return self._application(environ, start_response)


class _Body:
    """A body whose reader may have to wait for it: `read` and `readline` take a turn, or raise `ProblemFound` 503."""

    def __init__(self, stream: InputStream, turn: threading.Lock) -> None:
        self._stream = stream
        self._turn = turn

    def read(self, size: int = -1) -> bytes:
        """As a stream does."""
        return self._taken(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        """As a stream does."""
        return self._taken(self._stream.readline, size)

    def _taken(self, read: Callable[[int], bytes], size: int) -> bytes:
        if not self._turn.acquire(timeout=WAIT_SECONDS):
            detail = "Another body is only arriving: send this one again in a moment."
            raise ProblemFound(503, "busy", detail, RETRY_SECONDS)
        try:
            return read(size)
        finally:
            self._turn.release()
