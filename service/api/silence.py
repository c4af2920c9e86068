"""Owns that a body which stopped coming is given up: the web server has no time limit of its own for bodies.

It does not tell the application which connection a request came by, only its address. So what is closed for reading
is every connection of that address on which nothing has come for so long and nothing is on its way out: the one that
is meant, and idle ones, which any client opens anew. None while a question of that address has been worked on for as
long. And whoever waits for a body from there may be the one who was cut, also where he began to wait a moment after
the last bytes came. Linux only; elsewhere a body is waited for as long as its connection stays open.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import struct
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOOK_SECONDS = 0.5
_LAST_DATA_RECEIVED = 52  # tcpi_last_data_recv of struct tcp_info, linux/tcp.h: milliseconds, an u32

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Waiting:
    """Somebody who waits for a body. `port`: of ours; `ended`: a connection of that address was, maybe this one."""

    address: str
    port: int
    since: float
    ended: bool = False


class Silence:
    """Ends the silent connections of addresses from which a body has been awaited for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at_work: dict[int, tuple[str, float]] = {}  # by thread; each step is one of a dictionary, which is safe
        self._waiting: set[Waiting] = set()
        self._lock = threading.Lock()
        self._looks = False

    def begin_work(self, address: str) -> None:
        """From now on this thread works on what an address asked: its connection is silent, and in use."""
        self._at_work[threading.get_ident()] = address, time.monotonic()

    def end_work(self) -> None:
        """It does no longer."""
        self._at_work.pop(threading.get_ident(), None)

    @contextmanager
    def ends(self, address: str, port: int) -> Iterator[Waiting]:
        """Look after a body until the block ends."""
        waiting = Waiting(address, port, time.monotonic())
        with self._lock:
            self._waiting.add(waiting)
            begins, self._looks = not self._looks, True
        if begins:
            threading.Thread(target=self._keep_looking, name="silence", daemon=True).start()
        try:
            yield waiting
        finally:
            with self._lock:
                self._waiting.discard(waiting)

    def _keep_looking(self) -> None:
        """Until nobody waits any more: a body that comes later begins again."""
        pause = threading.Event()
        while True:
            pause.wait(LOOK_SECONDS)
            with self._lock:
                if not self._waiting:
                    self._looks = False
                    return
                late = [each for each in self._waiting if time.monotonic() - each.since >= self._seconds]
            try:
                for address, port in {(each.address, each.port) for each in late}:
                    self._end(address, port)
            except Exception:  # whatever this may be, bodies must go on being looked after
                log.exception("connections that fell silent were not ended")

    def _end(self, address: str, port: int) -> None:
        before = time.monotonic() - self._seconds
        if any(each == address and since <= before for each, since in list(self._at_work.values())):
            return
        for connection in connections(address, port):
            with connection, contextlib.suppress(OSError):  # it ends at this moment
                if silent_seconds(connection) >= self._seconds and not unsent_bytes(connection):
                    self._tell(address, port)
                    connection.shutdown(socket.SHUT_RD)

    def _tell(self, address: str, port: int) -> None:
        with self._lock:
            for each in self._waiting:
                if (each.address, each.port) == (address, port):
                    each.ended = True


def connections(address: str, port: int) -> Iterator[socket.socket]:
    """This process's connections from an address to a port of its own, each under a handle of the caller's."""
    if not sys.platform.startswith("linux"):
        return
    for handle in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed by now, or no connection
            if str(handle.readlink()).startswith("socket:"):
                found = _socket(os.dup(int(handle.name)))
                if _is_between(found, address, port):
                    yield found
                else:
                    found.close()


def _socket(handle: int) -> socket.socket:
    """Raises OSError, without the handle, for what is none: its number may be another file's by now."""
    try:
        return socket.socket(fileno=handle)
    except OSError:
        os.close(handle)
        raise


def unsent_bytes(connection: socket.socket) -> int:
    """How much of an answer the other side has not acknowledged yet."""
    told = fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(told, sys.byteorder)


def silent_seconds(connection: socket.socket) -> float:
    """How long nothing has come on it."""
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_RECEIVED + 4)
    return float(struct.unpack_from("=I", told, _LAST_DATA_RECEIVED)[0]) / 1_000


def _is_between(found: socket.socket, address: str, port: int) -> bool:
    if found.family not in (socket.AF_INET, socket.AF_INET6) or found.type != socket.SOCK_STREAM:
        return False
    with contextlib.suppress(OSError):  # it listens, or has ended
        return bool(found.getpeername()[0] == address and found.getsockname()[1] == port)
    return False
