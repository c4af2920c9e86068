"""A publisher's site on loopback, for tests of fetching: pages by path, and what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Reply(NamedTuple):
    """What the site answers; `raw` bytes, if any, go out as they are, in place of all else."""

    content: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = {}
    raw: bytes = b""


HTML = {"Content-Type": "text/html; charset=utf-8"}
XML = {"Content-Type": "application/xml"}
Answers = Reply | Callable[[Mapping[str, str]], Reply]  # the latter by the request's headers


class Site(ThreadingHTTPServer):
    """`asked` holds paths in order, `connections` counts what was accepted."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((address, port), _Desk)
        self.pages: dict[str, Answers] = {}
        self.asked: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.connections = 0
        self.port = self.server_address[1]
        self.url = f"http://{address}:{self.port}"

    def process_request(self, request: object, client_address: object) -> None:
        """Count it first."""
        self.connections += 1
        super().process_request(request, client_address)  # type: ignore[arg-type]


class _Desk(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.headers.append(dict(self.headers))
        answer = self.server.pages.get(self.path, Reply(status=404))
        reply = answer if isinstance(answer, Reply) else answer(dict(self.headers))
        if reply.raw:
            self.wfile.write(reply.raw)
            return
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.content)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.content)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def served(site: Site) -> Iterator[Site]:
    """The site, answering until the block ends."""
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.shutdown()
        thread.join()
        site.server_close()
