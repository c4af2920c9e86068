"""Owns a request's line in the log: what it holds, and that telling it holds no request up.

No query, which may name a reader; no body; no key.
"""

from __future__ import annotations

import math
from time import time
from typing import NamedTuple

import msgspec

from service.observability.lines import STDERR, HeldLines, as_json, moment, printable, write_lines
from service.observability.logging import Level
from service.observability.request_info import Noted

PATH_BYTES = 200
LINES_PER_SECOND = 100  # of a process, below status 500 and level debug; requests beyond are counted in a later line


class _Line(msgspec.Struct, omit_defaults=True):
    """A request, as it is written."""

    time: str
    level: str
    process: str
    request_id: str
    method: str
    route: str
    path: str
    status: int
    seconds: float
    message: str
    policy: str = ""
    result: str = ""
    degraded: tuple[str, ...] = ()
    code: str = ""
    unlogged: int = 0  # requests since the line before that were not logged, as there were too many


class _Unlogged(msgspec.Struct):
    """How many requests have no line, where no request came after them whose line could say so."""

    time: str
    level: str
    process: str
    message: str
    unlogged: int


class _Request(NamedTuple):
    """What is kept of a request until its line is made: no list, which would hold a whole answer."""

    at: float
    request_id: str
    method: str
    route: str
    path: str
    status: int
    seconds: float
    policy: str
    result: str
    degraded: tuple[str, ...]
    code: str
    unlogged: int


class RequestLog:
    """A line for each request, up to `LINES_PER_SECOND`: level info, of a fault of ours (5xx) error.

    Safe to share between threads: two at once may lose count of a request that is not logged, no more.

    Not through `logging`, which takes longer than a lookup may; and once `hold` was called, by `HeldLines`.
    """

    def __init__(self, level: Level, text: bool, process: str, descriptor: int = STDERR) -> None:
        self._from_status = 0 if level in ("debug", "info") else 500
        self._lines_per_second = math.inf if level == "debug" else LINES_PER_SECOND
        self._second, self._lines, self._unlogged = 0, 0, 0
        self._text = text
        self._process = process
        self._descriptor = descriptor
        self._held: HeldLines[_Request] | None = None

    def __call__(self, noted: Noted, method: str, route: str, status: int, seconds: float, path: str) -> None:
        """Write it, if the level asks for it. `path` as WSGI gives it: UTF-8 in the guise of Latin-1."""
        if status < self._from_status:
            return
        at = time()
        if int(at) != self._second:
            self._second, self._lines = int(at), 0
        self._lines += 1
        if self._lines > self._lines_per_second and status < 500:
            self._unlogged += 1
            return
        shown = noted.lists[0] if noted.lists else None
        entry = _Request(
            at,
            noted.request_id,
            method,
            route,
            path[:PATH_BYTES],
            status,
            seconds,
            shown.policy if shown else "",
            shown.result if shown else "",
            shown.degraded if shown else (),
            noted.problem[0] if noted.problem else "",
            self._unlogged,
        )
        self._unlogged = 0
        if self._held is None:
            write_lines([self._line(entry)], self._descriptor)
        else:
            self._held.put(entry)

    def hold(self) -> None:
        """From now on, leave the writing to a thread."""
        self._held = HeldLines(self._line, self._descriptor, self._remainder)

    def flush(self) -> None:
        """Write what is held, and the count of requests that have no line."""
        if self._held is not None:
            self._held.flush(ends=True)

    def _remainder(self, ends: bool) -> str | None:
        """The line of requests that have none, once their second is over or the process ends."""
        at = time()
        if not self._unlogged or (int(at) == self._second and not ends):
            return None
        count, self._unlogged = self._unlogged, 0
        line = _Unlogged(moment(at), "info", self._process, "requests not logged", count)
        if self._text:
            return f"{line.time} {line.level:7} {line.process}: {count:,} requests not logged"
        return as_json(line)

    def _line(self, entry: _Request) -> str:
        line = _Line(
            time=moment(entry.at),
            level="error" if entry.status >= 500 else "info",
            process=self._process,
            request_id=entry.request_id,
            method=entry.method,
            route=entry.route,
            path=entry.path.encode("latin-1", "replace").decode("utf-8", "replace"),
            status=entry.status,
            seconds=round(entry.seconds, 6),
            message="request",
            policy=entry.policy,
            result=entry.result,
            degraded=entry.degraded,
            code=entry.code,
            unlogged=entry.unlogged,
        )
        return _text(line) if self._text else as_json(line)


def _text(line: _Line) -> str:
    parts = [line.time, f"{line.level:7}", f"{line.process}:", line.method, line.path, str(line.status)]
    parts += [f"{1000 * line.seconds:.1f} ms", line.policy, line.result, line.code]
    parts += [f"({line.unlogged:,} requests before it not logged)"] if line.unlogged else []
    return printable(" ".join(filter(None, parts))) + f"  [{line.request_id}]"
