"""Sends one HTTP request to a checked address, under limits of time and size.

Uses no proxy, cookie or password of the environment, and follows no redirect.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import NamedTuple, cast

from index.fetching.reach import Address, Reach
from index.fetching.target import NotFetched, Target, target_of

AGENT = "related-stories"
HEADERS = {
    "User-Agent": f"{AGENT}/0.1 (a newsroom's index of its own stories)",
    "Accept": "text/html, application/xhtml+xml, application/rss+xml, application/atom+xml, application/xml;q=0.9",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "close",
}
PIECE_BYTES = 1 << 16
MOST_TRIED = 3  # addresses of a host


class Limits(NamedTuple):
    """Of one request: `seconds` from the connection to the last byte (the system's resolver has limits of its own),
    `size` in bytes, packed and unpacked."""

    seconds: float = 30
    size: int = 16 << 20


class Answer(NamedTuple):
    """`content` is unpacked, and empty unless the status is 200."""

    url: str
    status: int
    headers: Message
    content: bytes = b""


class Requests:
    """Asks within reach. TLS certificates are verified against the host's name, by the system's authorities."""

    def __init__(
        self, reach: Reach | None = None, limits: Limits | None = None, trust: ssl.SSLContext | None = None
    ) -> None:
        self._reach = Reach() if reach is None else reach
        self._limits = Limits() if limits is None else limits
        self._trust = ssl.create_default_context() if trust is None else trust

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer, of whatever status. Raises `NotFetched`; `Refused`, where no connection was opened."""
        target = target_of(url)
        addresses = self._reach.addresses(url, target)
        deadline = time.monotonic() + self._limits.seconds
        try:
            with ExitStack() as opened:
                sock = self._connected(target, addresses, deadline, opened)
                response = _asked(target, _Timed(sock, deadline), {**HEADERS, **(headers or {})})
                content = self._content(response) if response.status == 200 else b""
        except (OSError, HTTPException, ValueError, zlib.error) as error:
            raise NotFetched(url, str(error) or type(error).__name__) from error
        return Answer(url, response.status, response.headers, content)

    def _connected(
        self, target: Target, addresses: list[Address], deadline: float, opened: ExitStack
    ) -> socket.socket:
        """Connected to the first address that answers, by number: nobody looks the name up again."""
        errors: list[OSError] = []
        for address in addresses[:MOST_TRIED]:
            try:
                plain = socket.create_connection((str(address), target.port), _left(deadline))
                break
            except OSError as error:
                errors.append(error)
        else:
            raise errors[-1]
        opened.enter_context(plain)
        if target.scheme == "http":
            return plain
        plain.settimeout(_left(deadline))
        return opened.enter_context(self._trust.wrap_socket(plain, server_hostname=target.host))

    def _content(self, response: HTTPResponse) -> bytes:
        """Raises `ValueError` for more than the limit, or a coding that was not asked for."""
        unpack = _unpacking(response.headers.get("Content-Encoding", ""))
        content = bytearray()
        given = 0
        while piece := response.read1(PIECE_BYTES):
            given += len(piece)
            content += unpack(piece, self._limits.size + 1 - len(content))
            if max(given, len(content)) > self._limits.size:
                raise ValueError(f"the answer is longer than {self._limits.size:,} bytes")
        if response.length:
            raise ValueError("the answer is torn")
        return bytes(content)


def _asked(target: Target, sock: _Timed, headers: Mapping[str, str]) -> HTTPResponse:
    kind = HTTPSConnection if target.scheme == "https" else HTTPConnection
    connection = kind(target.host, target.port)
    connection.auto_open = 0  # never a connection that is not ours
    connection.sock = cast(socket.socket, sock)
    connection.request("GET", target.path, headers=headers)
    return connection.getresponse()


class _Timed(io.RawIOBase):
    """A socket that has until the deadline for all it does; closed by whoever opened it."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, content: bytes) -> None:
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(content)

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        return io.BufferedReader(_Timed(self._sock, self._deadline))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("it takes too long")
    return left


def _unpacking(coding: str) -> Callable[[bytes, int], bytes]:
    """Undoes a content coding, piece by piece, to no more than so many bytes."""
    name = coding.strip().lower()
    if name in ("", "identity"):
        return lambda piece, _: piece
    if name not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"the answer comes in a coding that was not asked for: {coding[:40]}")
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress  # 32: either, told by its beginning
