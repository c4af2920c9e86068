"""Owns how a line is written: a time, ASCII JSON or printable text, whole and in one go.

Whatever a request sent is escaped: a line stays one line, so that nobody writes lines of their own or commands for a
terminal.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from multiprocessing.util import Finalize
from typing import Generic, TypeVar

import msgspec

STDERR = 2
HELD = 10_000  # lines, of about 300 bytes; beyond, the oldest are lost
WRITE_SECONDS = 0.1
END_SECONDS = 1.0  # at most, at the process's end

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


def write_lines(lines: Iterable[str], descriptor: int) -> None:
    """A full disk or a reader of the log that went away costs lines, not answers."""
    content = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
    with contextlib.suppress(OSError):
        while content:
            content = content[os.write(descriptor, content) :]


class HeldLines(Generic[T]):
    """Lines that a thread of their own writes, many at a time. Safe to share between threads.

    Writing one takes a third as long as a lookup, and a reader of the log that hangs costs lines, not answers. A kill
    takes what is not yet written, a tenth of a second. `line` makes a line of what is put; one that cannot be made is
    lost. `more` gives a line that nobody put, if there is one to write; it is told whether the process ends.
    """

    def __init__(
        self,
        line: Callable[[T], str],
        descriptor: int = STDERR,
        more: Callable[[bool], str | None] = lambda _ends: None,
    ) -> None:
        self._line = line
        self._more = more
        self._descriptor = descriptor
        self._start()

    def put(self, item: T) -> None:
        """Have it written soon."""
        if self._process != os.getpid():  # a server may load the application, then fork
            self._start()
        self._held.append(item)

    def flush(self, ends: bool = False) -> None:
        """Write what is held; `ends`: at the end of the process."""
        lines = []
        while self._held:
            with contextlib.suppress(Exception):  # it must cost no other line
                lines.append(self._line(self._held.popleft()))
        if (more := self._more(ends)) is not None:
            lines.append(more)
        if lines:
            write_lines(lines, self._descriptor)

    def _start(self) -> None:
        self._process = os.getpid()
        self._held: deque[T] = deque(maxlen=HELD)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._keep_writing, args=(self._ends,), name="log", daemon=True)
        self._thread.start()
        Finalize(None, self._end, exitpriority=0)  # unlike atexit's, also in the children of multiprocessing

    def _keep_writing(self, ends: threading.Event) -> None:
        while not ends.wait(WRITE_SECONDS):
            self.flush()
        self.flush(ends=True)

    def _end(self) -> None:
        self._ends.set()
        self._thread.join(END_SECONDS)


def moment(at: float) -> str:
    """Epoch seconds as ISO 8601, to the millisecond."""
    return f"{_second(int(at))}.{int(at % 1 * 1000):03}Z"


def as_json(fields: object) -> str:
    """On one line of ASCII."""
    with contextlib.suppress(UnicodeEncodeError):  # half a surrogate pair
        if (line := _encode(fields)).isascii():
            return line.decode()
    return json.dumps(msgspec.to_builtins(fields))  # ASCII: U+2028 ends a line for some, U+009B begins a command


def printable(text: str) -> str:
    """With every character escaped that is none to be seen."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


@lru_cache(4)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
