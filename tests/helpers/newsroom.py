"""A newsroom for tests: the service over a real live store, and the search process's work done when asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from constants import NOW
from flask.testing import FlaskClient
from hashing_embedder import HashingEmbedder

from index.article import Article, article_from_record
from index.build import RebuildOptions, rebuild
from index.publishing.store import Store
from service.app import create_app
from service.archive.manager import Catalogue
from service.config import Settings
from service.live_store.migrate import migrate
from service.live_store.store import LiveStore
from service.search.live_indexer import Comparing
from service.search.server import Searchers, current

WRITER, EDITOR, READER, COURIER = "rs_writer", "rs_editor", "rs_reader", "rs_courier"
SECRET = "a webhook secret of many characters"  # noqa: S105 - of tests
_SCOPES = {WRITER: ["write"], EDITOR: ["editor"], READER: ["read"], COURIER: ["write"]}


def write_keys(path: Path) -> Path:
    """A keys file of the four keys above; the key of the courier writes for one brand and has a webhook secret."""
    tables = []
    for text, scopes in _SCOPES.items():
        name = text.removeprefix("rs_")
        digest = hashlib.sha256(text.encode()).hexdigest()
        tables.append(f'[{name}]\nsha256 = "{digest}"\nscopes = {scopes}\n')
    tables.append(f'brand = "courier"\nwebhook_secret = "{SECRET}"\n')
    path.write_text("".join(tables), "utf-8")
    path.chmod(0o600)
    return path


def with_key(key: str, **more: str) -> dict[str, str]:
    """Request headers."""
    return {"Authorization": f"Bearer {key}", **more}


class Newsroom:
    """Eight sections of small talk are enough: articles of the same words are related, others are not."""

    def __init__(self, folder: Path, url: str | None = None, clock: int = NOW, **settings: Any) -> None:
        self.now = clock
        self.store = Store(folder / "store")
        self.url = url or f"sqlite:///{folder / 'live.db'}"
        migrate(self.url)
        self.live = LiveStore(self.url)
        self.settings = Settings(
            store=self.store.root,
            live=self.url,
            keys=write_keys(folder / "keys.toml"),
            **{"demo": "on", **settings},
        )
        self.embedder = HashingEmbedder()
        self.searchers = Searchers(self.store, self.embedder)
        self._comparing: Comparing | None = None
        self._workers: list[FlaskClient] = []
        self.client = self.worker()

    def worker(self) -> FlaskClient:
        """A web worker of its own, which looks for changes only when a test says so."""
        settings = msgspec.structs.replace(self.settings, refresh_seconds=3_600, live_refresh_seconds=3_600)
        self._workers.append(create_app(settings, clock=lambda: self.now).test_client())
        return self._workers[-1]

    def close(self) -> None:
        """End all connections to the live store."""
        for store in (self.live, *(catalogue_of(worker).live.store for worker in self._workers)):
            if store is not None:
                store.close()

    def rebuild(self, articles: Sequence[Article], **more: Any) -> str:
        """Build and publish; returns the snapshot's ID."""
        return rebuild(articles, self.store, self.embedder, self.now, RebuildOptions(**more)).snapshot_id

    def compare(self) -> int:
        """What the search process does all the time: compare what waits."""
        found = current(self.store, "default", self.searchers)
        assert found is not None
        if self._comparing is None or self._comparing.arrivals is not found[1]:
            self._comparing = Comparing(self.live, *found)
        return self._comparing.catch_up()

    def restart_search(self) -> None:
        """Forget all that the search process holds in memory."""
        self.searchers, self._comparing = Searchers(self.store, self.embedder), None

    def put(self, record: dict[str, Any], key: str = WRITER, **headers: str) -> Any:
        """PUT an article by ID in the query."""
        identifier = record.pop("id")
        query = {"id": identifier}
        return self.client.put("/v1/article", query_string=query, json=record, headers=with_key(key, **headers))

    def delete(self, identifier: str, key: str = WRITER, **headers: str) -> Any:
        """Withdraw an article."""
        return self.client.delete("/v1/article", query_string={"id": identifier}, headers=with_key(key, **headers))

    def signals(self, identifier: str, *signals: dict[str, Any], key: str = EDITOR) -> Any:
        """Replace an article's signals."""
        body = {"signals": signals}
        return self.client.put(
            "/v1/article/signals", query_string={"id": identifier}, json=body, headers=with_key(key)
        )

    def list_of(self, identifier: str, client: FlaskClient | None = None, **query: Any) -> Any:
        """The related stories as JSON, or the problem."""
        asked = {"id": identifier, "fallback": "none", "limit": 20} | query
        return (client or self.client).get("/v1/related", query_string=asked).get_json()

    def ids(self, identifier: str, client: FlaskClient | None = None, **query: Any) -> list[str]:
        """The IDs of the related stories."""
        return [item["teaser"]["id"] for item in self.list_of(identifier, client, **query)["items"]]


def catalogue_of(worker: FlaskClient) -> Catalogue:
    """What a worker answers from, for tests that make it look."""
    catalogue: Catalogue = worker.application.extensions["catalogue"]
    return catalogue


def story(identifier: str, topic: str, days_old: float = 1, **facts: Any) -> Article:
    """An article whose words are those of its topic and a few of its own."""
    return article_from_record(record(identifier, topic, days_old, **facts))


def record(identifier: str, topic: str, days_old: float = 1, **facts: Any) -> dict[str, Any]:
    """The same as a record to be PUT."""
    words = f"{topic} " * 2 + " ".join(f"{identifier.replace('/', '')}{n}" for n in range(40))
    given = {"headline": f"{topic.title()} {identifier}", "body": words, "published_at": NOW - int(days_old * 86_400)}
    return {"id": identifier, "language": "en", "section": "news", **given, **facts}
