"""Two machines that serve one newsroom: each its copy of the snapshots, both one live store in PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from constants import NOW, ROOT
from hashing_embedder import HashingEmbedder
from newsroom import WRITER, with_key, write_keys
from serve import web_worker
from served import until

from index.article import Article
from index.build import RebuildOptions, rebuild
from index.publishing.remote import Remote
from index.publishing.replication import pull, push
from index.publishing.store import Store
from scripts.tools.server_process import free_port
from service.config import Settings
from service.live_store.migrate import migrate
from service.live_store.store import LiveStore
from service.observability.metric_store import Tallies
from service.observability.metrics import Measures

pytest_plugins = ["postgres"]

SHARED = "memory://test-machines/stories"


class Machine:
    """A store that is pulled, and a web process over it."""

    def __init__(self, folder: Path, keys: Path, live: str) -> None:
        folder.mkdir()
        self.folder, self.keys, self.live = folder, keys, live
        self.store = Store(folder / "store")
        self.port = free_port()

    def pull(self) -> str | None:
        return pull(Remote(SHARED), self.store, "default", 1, lambda *_: None)

    @contextmanager
    def serving(self) -> Iterator[Machine]:
        worker = web_worker(Settings(port=self.port), 1, Measures(Tallies()))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RELATED_")}
        environment = kept | worker.environment
        environment |= {"RELATED_STORE": str(self.store.root), "RELATED_LIVE": self.live}
        environment |= {"RELATED_KEYS": str(self.keys), "RELATED_SEARCH_SOCKET": str(self.folder / "search.sock")}
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(worker.command, env=environment, stdout=log, stderr=log, cwd=ROOT)
            try:
                until(lambda: process.poll() is None and self.answers())
                yield self
            finally:
                process.terminate()
                process.wait(30)

    def answers(self) -> bool:
        try:
            return self._get("/readyz")[0] == 200
        except OSError:
            return False

    def snapshot_id(self) -> str:
        return str(self._get("/readyz")[1]["snapshot_id"])

    def ask(self, method: str, identifier: str, body: dict[str, str] | None = None) -> int:
        return self._get(f"/v1/article?id={identifier}", method, body)[0]

    def related(self, identifier: str) -> int:
        return self._get(f"/v1/related?id={identifier}")[0]

    def _get(self, path: str, method: str = "GET", body: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, with_key(WRITER, **{"Content-Type": "application/json"}))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, sample_articles: list[Article]) -> Store:
    """What the machine that rebuilds has built, and pushed."""
    store = Store(tmp_path_factory.mktemp("rebuilding") / "store")
    rebuild(sample_articles, store, HashingEmbedder(), NOW)
    push(store, Remote(SHARED), "default", 1, lambda *_: None)
    return store


def test_what_is_published_on_one_machine_shows_on_the_other(
    source: Store, tmp_path: Path, postgres_url: str, sample_articles: list[Article]
) -> None:
    migrate(postgres_url)
    keys = write_keys(tmp_path / "keys.toml")
    one, other = (Machine(tmp_path / name, keys, postgres_url) for name in ("one", "other"))
    built = source.active_id("default")
    assert [one.pull(), other.pull()] == [built, built]
    with one.serving(), other.serving():
        assert [one.snapshot_id(), other.snapshot_id()] == [built, built]
        assert one.ask("PUT", "news/new", {"headline": "The ferry sails again", "body": "It sails."}) == 201
        until(lambda: other.ask("GET", "news/new") == 200)
        assert other.ask("DELETE", sample_articles[3].id) == 200
        until(lambda: one.related(sample_articles[3].id) == 410)
        live = LiveStore(postgres_url)
        rebuild([], source, HashingEmbedder(), NOW + 60, RebuildOptions(live=live.all_rows()))
        live.close()
        push(source, Remote(SHARED), "default", 1, lambda *_: None)
        later = one.pull()
        until(lambda: one.snapshot_id() == later)
        assert other.snapshot_id() == built  # until it pulls
        assert other.pull() == later
        until(lambda: other.snapshot_id() == later)
        assert [one.related("news/new"), other.related("news/new")] == [200, 200]
        assert one.store.snapshot_ids() == [later]
