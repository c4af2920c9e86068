"""This service: its lists over HTTP, asked by wrk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from index.publishing.store import Store
from index.snapshot.reader import Snapshot
from scripts.benchmarks.peers.asked import DRAWN, Asked, AskedByWrk, K, asked
from scripts.benchmarks.peers.snapshot import article_id, publish_table
from scripts.benchmarks.peers.vectors import Vectors
from scripts.tools.server_process import free_port, wait_until_open

SERVE = Path(__file__).parents[2] / "serve.py"


class Ours:
    """This service: ranked and de-duplicated lists of ten teasers from scripts/serve.py, two web workers."""

    name = "related-stories: ranked lists"
    in_process = False

    def missing(self) -> str | None:
        """Nothing but the loader."""
        return None if shutil.which("wrk") else "wrk"

    @contextmanager
    def serving(self, vectors: Vectors, folder: Path) -> Iterator[Asked]:
        """The search process runs as well, and has nothing to do."""
        store = Store(folder / "store")
        publish_table(store, vectors.rows)
        port = free_port()
        names = {
            "STORE": store.root,
            "PORT": port,
            "LIVE": "off",
            "EVENTS": "off",
            "SEARCH_SOCKET": folder / "socket",
        }
        environment = {**os.environ, **{f"RELATED_{name}": str(value) for name, value in names.items()}}
        with (folder / "serve.log").open("wb") as log:
            command = [sys.executable, str(SERVE)]
            server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            try:
                wait_until_open(port, server)
                script = folder / "ours.lua"
                path = '"/v1/articles/article-" .. row .. "/related?limit=10"'
                script.write_text(DRAWN.format(last=len(vectors.rows) - 1, path=path))
                yield AskedOurs(store, f"http://127.0.0.1:{port}", script)
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(30)


class AskedOurs(AskedByWrk):
    """See `Ours`. What it finds is what the candidate table holds, before anything is ranked."""

    def __init__(self, store: Store, url: str, script: Path) -> None:
        told = f"related-stories {version('related-stories')}, granian {version('granian')}, 2 workers"
        super().__init__(told, url, script)
        self._snapshot = Snapshot.open(store.directory(store.active_id("default") or ""))

    def found(self, row: int) -> list[int]:
        """See `Asked`."""
        served = asked(f"{self.url}/v1/articles/{article_id(row)}/related?limit=10")
        if len(served["items"]) != K:
            raise RuntimeError(f"{len(served['items'])} teasers for row {row}")
        return self._snapshot.neighbours(row)[0][:K].tolist()
