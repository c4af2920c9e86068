"""A service on a loopback port, for programs of their own; what it is asked is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask

from scripts.tools.browser import running


class Counted:
    """The application, with what it was asked: method and query; GET apart, as `read`.

    `reply_first`: statuses given before it answers what is no GET.
    """

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.asked: list[tuple[str, str]] = []
        self.read: list[str] = []
        self.reply_first: list[tuple[str, str]] = []
        self.noticed: Callable[[int], None] = lambda _: None
        self.url = ""

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer, then tell `noticed` how much was asked that is no GET."""
        if environ["REQUEST_METHOD"] == "GET":
            self.read.append(environ["PATH_INFO"])
            return self.app.wsgi_app(environ, start_response)
        self.asked.append((environ["REQUEST_METHOD"], environ["QUERY_STRING"]))
        if self.reply_first:
            status, retry_after = self.reply_first.pop(0)
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(status, [("Retry-After", retry_after), ("Content-Length", "0")])
            return [b""]
        answer = self.app.wsgi_app(environ, start_response)
        self.noticed(len(self.asked))
        return answer


@contextmanager
def served_app(app: Flask) -> Iterator[Counted]:
    """The application until the block ends."""
    counted = Counted(app)
    with running(counted) as counted.url:
        yield counted
