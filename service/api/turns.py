"""Owns that slow bodies hold up nobody else: whoever waits for one does it in a thread that is kept for waiting.

A request gives its place at work (`service.api.places`) back while it waits for its body. So many may wait at once: a
few for holders of a key, whom strangers cannot shut out, more for everybody, and of these only some from one address.
On a connection from which nothing has come for `SILENT_SECONDS` the body is given up: 408. A body that has come takes
its turn in microseconds.

What it does not stop: somebody with several addresses who sends a byte every few seconds takes the turns of everybody
(events, sign-ins, webhooks, batches), not those of keys, and no list waits. A proxy that buffers bodies stops it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING

from service.api.places import ELSEWHERE, WORKING, Places
from service.api.problems import ProblemFound
from service.api.silence import Silence

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

WITH_KEY, OF_ALL, OF_ONE_ADDRESS = 2, 6, 3
THREADS = WORKING + ELSEWHERE + WITH_KEY + OF_ALL + 2  # two more, who are told that the turns are taken
WAIT_SECONDS = 0.005  # for a turn; a body that has come ends one in microseconds
WAIT_WITH_KEY_SECONDS = 0.2  # articles of a megabyte take longer, and who sends them is known
SILENT_SECONDS = 10.0
RETRY_SECONDS = 1
SERVER = "Granian"  # which sends what it was given before it closes it, and lets another thread have the connection


class InTurn:
    """A WSGI application of which so many requests are at work at once, and which reads bodies in turn."""

    def __init__(self, application: WSGIApplication, places: Places, silent_seconds: float = SILENT_SECONDS) -> None:
        self._application = application
        self._places = places
        self._turns = _Turns()
        self._silence = Silence(silent_seconds)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as the application does."""
        environ["wsgi.input"] = body = _Body(environ, self._places, self._turns, self._silence)
        self._silence.begin_work(body.address)
        self._places.take()
        try:
            found = self._application(environ, start_response)
        finally:
            body.end()  # where it was not read to its end
            is_spare = self._places.give_back()
            self._silence.end_work()
        if is_spare and isinstance(found, list) and environ.get("SERVER_SOFTWARE") == SERVER:
            return _ThenRest(found, self._places)
        return found


class _ThenRest:
    """An answer after which its thread rests: a server closes what it has sent."""

    def __init__(self, answer: Iterable[bytes], places: Places) -> None:
        self._answer = answer
        self._places = places

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        """See PEP 3333."""
        self._places.rest()


class _Turns:
    """Who waits for a body now."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._waiting: Counter[str] = Counter()  # by address; those with a key together, under ""
        self._strangers = 0

    def take(self, address: str) -> bool:
        """Take a turn, if there is one soon. `address`: "" for who has a key."""
        with self._free:
            if not self._free.wait_for(
                lambda: self._is_free(address), WAIT_SECONDS if address else WAIT_WITH_KEY_SECONDS
            ):
                return False
            self._waiting[address] += 1
            self._strangers += bool(address)
            return True

    def give_back(self, address: str) -> None:
        """End it."""
        with self._free:
            self._waiting[address] -= 1
            self._strangers -= bool(address)
            if not self._waiting[address]:
                del self._waiting[address]
            self._free.notify_all()

    def _is_free(self, address: str) -> bool:
        if not address:
            return self._waiting[address] < WITH_KEY
        return self._waiting[address] < OF_ONE_ADDRESS and self._strangers < OF_ALL


class _Body:
    """A body whose reader may have to wait: the first `read` or `readline` takes a turn, its end gives it back.

    Meanwhile the request has no place among those at work; with a body that it waits for, few others are in memory.
    """

    def __init__(self, environ: WSGIEnvironment, places: Places, turns: _Turns, silence: Silence) -> None:
        """Does not hold the environ, which holds this: a circle would keep bodies in memory."""
        self.has_key = False
        self._stream: InputStream = environ["wsgi.input"]
        self.address = environ.get("REMOTE_ADDR") or "-"
        self._port = int(environ.get("SERVER_PORT") or 0)
        self._places = places
        self._turns = turns
        self._silence = silence
        self._turn: str | None = None
        self._left = int(environ.get("CONTENT_LENGTH") or -1)

    def read(self, size: int = -1) -> bytes:
        """As a stream does. Raises `ProblemFound` 503 where too many wait, 408 where nothing comes any more."""
        return self._taken(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        """As a stream does, and as `read`."""
        return self._taken(self._stream.readline, size)

    def end(self) -> None:
        """Be at work again."""
        if self._turn is not None:
            self._silence.begin_work(self.address)
            self._places.take()
            self._turns.give_back(self._turn)
            self._turn = None

    def _taken(self, read: Callable[[int], bytes], size: int) -> bytes:
        self._begin("" if self.has_key else _network(self.address))
        with self._silence.ends(self.address, self._port) as waiting:
            found = read(size)
        self._left -= len(found)
        is_last = len(found) < size or size < 0 or self._left == 0
        if is_last:
            self.end()
        if is_last and waiting.ended and self._left > 0:  # a body in chunks that was cut is no JSON
            raise ProblemFound(408, "body_timeout", "The rest of the body did not come in time.")
        return found

    def _begin(self, turn: str) -> None:
        if self._turn is not None:
            return
        self._places.leave()
        self._silence.end_work()
        if not self._turns.take(turn):
            self._silence.begin_work(self.address)
            self._places.take()
            detail = "Other bodies are only arriving: send this one again in a moment."
            raise ProblemFound(503, "busy", detail, RETRY_SECONDS)
        self._turn = turn


def tell_of_key(environ: WSGIEnvironment) -> None:
    """Say that the request's key or session was found good."""
    body = environ.get("wsgi.input")
    if isinstance(body, _Body):
        body.has_key = True


def _network(address: str) -> str:
    """Of IPv6 the half that one subscriber has to himself."""
    try:
        found = ip_address(address)
    except ValueError:  # a Unix socket's
        return address
    if isinstance(found, IPv4Address):
        return address
    return str(found.ipv4_mapped or found.packed[:8].hex())
