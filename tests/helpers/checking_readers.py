"""Readers who ask all the time and look at each answer: whole, of one edition, and of the snapshot that it names.

They run in a process of their own (`steady_load`), hold connections, and ask again over a new one where theirs was
closed while nothing was asked, as every HTTP client does. Sums of what they saw come back over a file.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.tools.server_process import read_answer
from scripts.tools.steady_load import Ask

EDITION = re.compile(rb", edition (\d+)")
HANG_SECONDS = 10.0
PATHS = (
    "/v1/articles/a{}/related?limit=10",
    "/v1/related?id=a{}&explain=true&fallback=recent",
    "/v1/related.html?id=a{}",
    "/v1/related.feed.json?id=a{}",
)


@dataclass(frozen=True)
class Readers:
    """Opens a steady load's connections. `editions`: of each snapshot by ID; `found`: where faults are written."""

    port: int
    editions: Mapping[str, int]
    found: Path
    articles: int = 40

    def __call__(self) -> Ask:
        """One reader."""
        return _Reader(self).ask

    def faults(self) -> Counter[str]:
        """What was wrong, by its kind: lost, refused, hung, status ..., mixed, ..."""
        return Counter(self.found.read_text().splitlines()) if self.found.exists() else Counter()


class _Reader:
    def __init__(self, asked: Readers) -> None:
        self._asked = asked
        self._connection: socket.socket | None = None

    def ask(self, number: int) -> bool:
        """Ask once, and once more over a new connection if that was cut off; whether the answer was right."""
        path = PATHS[number % len(PATHS)].format(number % self._asked.articles)
        fault = self._once(path)
        if fault in ("lost", "refused"):
            self._note(fault)
            time.sleep(0.05)
            fault = self._once(path)
        if fault:
            self._note(f"twice {fault}" if fault in ("lost", "refused") else fault)
            print(f"{path}: {fault}", file=sys.stderr)
        return not fault

    def _once(self, path: str) -> str:
        """ "", or what is wrong with the answer."""
        try:
            connection = self._open()
        except OSError:
            return "refused"
        try:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            status, body = read_answer(connection)
        except TimeoutError:
            self._close()
            return "hung"
        except OSError:
            self._close()
            return "lost"
        return self._wrong(status, body)

    def _wrong(self, status: int, body: bytes) -> str:
        if status != 200:
            return f"status {status}"
        editions = {int(each) for each in EDITION.findall(body)}
        if not editions:
            return "empty"
        if len(editions) > 1:
            return "mixed"
        named = json.loads(body).get("snapshot_id") if body.startswith(b'{"list_id"') else None
        return "mixed" if named is not None and self._asked.editions[named] not in editions else ""

    def _open(self) -> socket.socket:
        held = self._connection
        if held is not None and select.select([held], [], [], 0)[0]:  # closed by the other side: nothing is due
            self._close()
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._asked.port), timeout=HANG_SECONDS)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _note(self, fault: str) -> None:
        with self._asked.found.open("a") as file:
            file.write(f"{fault}\n")
