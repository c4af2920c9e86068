"""Owns a request's line in the log: what it holds, and that telling it holds no request up.

No query, which may name a reader; no body; no key.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from time import time

import msgspec

from service.operations.lines import STDERR, as_json, moment, printable, write_lines
from service.operations.logs import Level
from service.operations.noting import Noted

PATH_BYTES = 200
HELD = 10_000  # lines, of about 300 bytes
WRITE_SECONDS = 0.1

log = logging.getLogger(__name__)


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


_Request = tuple[float, Noted, str, str, int, float, str]


class RequestLog:
    """A line for each request: level info, of a fault of ours (5xx) error. Safe to share between threads.

    Not through `logging`, which takes longer than a lookup may; and once `hold` was called, written by a thread of
    its own, many lines at a time: writing one takes a third as long as a lookup, and a reader of the log that
    hangs costs lines, not answers. A kill takes what is not yet written, a tenth of a second.
    """

    def __init__(self, level: Level, text: bool, process: str, descriptor: int = STDERR) -> None:
        self._from_status = 0 if level in ("debug", "info") else 500
        self._text = text
        self._process = process
        self._descriptor = descriptor
        self._held: deque[_Request] | None = None

    def __call__(self, noted: Noted, method: str, route: str, status: int, seconds: float, path: str) -> None:
        """Write it, if the level asks for it. `path` as WSGI gives it: UTF-8 in the guise of Latin-1."""
        if status < self._from_status:
            return
        told = time(), noted, method, route, status, seconds, path
        if self._held is None:
            write_lines([self._line(told)], self._descriptor)
        else:
            self._held.append(told)

    def hold(self) -> None:
        """From now on, leave the writing to a thread."""
        self._held = deque(maxlen=HELD)
        self._start()
        os.register_at_fork(after_in_child=self._start)  # a server may load the application, then fork

    def _start(self) -> None:
        threading.Thread(target=self._keep_writing, name="log", daemon=True).start()

    def flush(self) -> None:
        """Write what is held."""
        held, lines = self._held, []
        while held:
            lines.append(self._line(held.popleft()))
        if lines:
            write_lines(lines, self._descriptor)

    def _keep_writing(self) -> None:
        pause = threading.Event()
        while not pause.wait(WRITE_SECONDS):
            try:
                self.flush()
            except Exception:  # a line that cannot be told must not end the log
                log.exception("lines of requests were lost")

    def _line(self, told: _Request) -> str:
        at, noted, method, route, status, seconds, path = told
        shown = noted.lists[0] if noted.lists else None
        line = _Line(
            time=moment(at),
            level="error" if status >= 500 else "info",
            process=self._process,
            request_id=noted.request_id,
            method=method,
            route=route,
            path=path[:PATH_BYTES].encode("latin-1", "replace").decode("utf-8", "replace"),
            status=status,
            seconds=round(seconds, 6),
            message="request",
            policy=shown.policy if shown else "",
            result=shown.result if shown else "",
            degraded=shown.degraded if shown else (),
            code=noted.problem[0] if noted.problem else "",
        )
        return _text(line) if self._text else as_json(line)


def _text(line: _Line) -> str:
    told = [line.time, f"{line.level:7}", f"{line.process}:", line.method, line.path, str(line.status)]
    told += [f"{1000 * line.seconds:.1f} ms", line.policy, line.result, line.code]
    return printable(" ".join(filter(None, told))) + f"  [{line.request_id}]"
