"""The search process on PostgreSQL with pgvector instead of faiss: the same lists; without it, declared fallbacks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient
from hashing_embedder import HashingEmbedder
from newsroom import READER, Newsroom, record, with_key, write_keys

from index.article import Article
from index.build import rebuild
from index.publishing.store import Store
from index.snapshot.reader import Snapshot
from index.vector_index.protocol import VectorSearchOf
from scripts.tools.local_postgres import PostgresServer
from service.app import create_app
from service.config import Settings
from service.search import pgvector_tables as vector_tables
from service.search.pgvector import VectorEngine
from service.search.server import Searchers, SearchServer, vector_search_named

pytest_plugins = ["postgres"]

FERRY = "news/brackholm-ferry-breaks-down-mid-river"


def load(store: Store, url: str) -> None:
    snapshot = Snapshot.open(store.directory(store.active_id("default") or ""))
    with psycopg.connect(url, autocommit=True) as connection, vector_tables.writing(connection):
        vector_tables.load(connection, snapshot, 64, lambda *_: None)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, sample_articles: list[Article], now: int) -> Store:
    store = Store(tmp_path_factory.mktemp("engine") / "store")
    rebuild(sample_articles, store, HashingEmbedder(), now)
    return store


@contextmanager
def engine_named(nearest: str) -> Iterator[VectorSearchOf | None]:
    """As the search process opens it; its connections end with the block."""
    engine = vector_search_named(nearest)
    yield engine
    if isinstance(engine, VectorEngine):
        engine.close()


@contextmanager
def client_on(nearest: str, store: Store, folder: Path, now: int) -> Iterator[FlaskClient]:
    """A web worker and a search process's server, on an engine or (with "") on faiss."""
    folder.mkdir()
    keys = write_keys(folder / "keys.toml")
    settings = Settings(store=store.root, search_socket=folder / "s", keys=keys, live="off", nearest=nearest)
    with engine_named(nearest) as engine, SearchServer(
        settings.search_socket, Searchers(store, HashingEmbedder(), vector_search=engine)
    ) as server:  # fmt: skip
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield create_app(settings, clock=lambda: now).test_client()
        finally:
            server.shutdown()
            thread.join()


def items(answer: Any) -> list[tuple[str, float, str]]:
    assert answer.status_code == 200
    return [(item["teaser"]["id"], item["score"], item["source"]) for item in answer.get_json()["items"]]


def draft_of(article: Article) -> dict[str, str]:
    return {"headline": article.headline, "standfirst": article.standfirst, "body": article.body}


def test_drafts_and_filtered_lists_are_the_same_as_with_faiss(
    published: Store, postgres_url: str, tmp_path: Path, sample_articles: list[Article], now: int
) -> None:
    load(published, postgres_url)

    def answers(client: FlaskClient) -> list[list[tuple[str, float, str]]]:
        found = []
        for article in sample_articles[:20]:
            for query in ("?limit=20", "?section=business", f"?exclude={article.id}&published_after=2026-11-10"):
                draft = client.post(f"/v1/related{query}", json=draft_of(article), headers=with_key(READER))
                found.append(items(draft))
        asked = {"id": FERRY, "section": "business", "limit": 20, "fallback": "none"}
        return [*found, items(client.get("/v1/related", query_string=asked))]

    with client_on("", published, tmp_path / "a", now) as client:
        by_faiss = answers(client)
    with client_on(postgres_url, published, tmp_path / "b", now) as client:
        by_engine = answers(client)
    assert by_engine == by_faiss
    assert sum(map(len, by_faiss)) > 200


def test_articles_that_came_since_are_compared_as_with_faiss(
    postgres_url: str, tmp_path: Path, sample_articles: list[Article], now: int
) -> None:
    lists = []
    for nearest in ("", postgres_url):
        newsroom = Newsroom(tmp_path / (nearest[:8] or "faiss"), clock=now)
        newsroom.rebuild(sample_articles)
        if nearest:
            load(newsroom.store, nearest)
        with engine_named(nearest) as engine:
            newsroom.searchers = Searchers(newsroom.store, newsroom.embedder, vector_search=engine)
            for number in range(3):
                newsroom.put(record(f"new{number}", "the ferry at Brackholm broke down in the river", 0.01 * number))
            assert newsroom.compare() == 3
        worker = newsroom.worker()
        lists.append([newsroom.list_of(each, worker)["items"] for each in ("new0", "new1", "new2", FERRY)])
        newsroom.close()
    assert lists[1] == lists[0]
    assert {"new0", "new1"} & {item["teaser"]["id"] for item in lists[1][3]}


@pytest.mark.usefixtures("postgres_url")
@pytest.mark.parametrize("away", ["unloaded", "hung up"])
def test_without_the_engine_lists_are_served_and_say_so(
    published: Store,
    postgres_server: PostgresServer,
    tmp_path: Path,
    sample_articles: list[Article],
    now: int,
    away: str,
) -> None:
    ferry = next(each for each in sample_articles if each.id == FERRY)
    filtered = {"id": FERRY, "section": "business", "limit": 20}
    with client_on(postgres_server.url, published, tmp_path / "c", now) as client:

        def draft() -> Any:
            return client.post("/v1/related", json=draft_of(ferry), headers=with_key(READER))

        def without() -> None:
            assert (draft().status_code, draft().get_json()["code"]) == (503, "search_unavailable")
            answer = client.get("/v1/related", query_string=filtered).get_json()
            assert answer["degraded"] == ["search_unavailable"]
            assert answer["items"]
            assert client.get("/v1/related", query_string={"id": FERRY}).get_json().get("degraded") is None

        if away == "unloaded":
            without()
        load(published, postgres_server.url)
        assert items(draft())[0][0] == FERRY
        if away == "hung up":
            break_connections(postgres_server, draft, without)
        assert client.get("/v1/related", query_string=filtered).get_json().get("degraded") is None


def break_connections(server: PostgresServer, draft: Callable[[], Any], without: Callable[[], None]) -> None:
    """Stop the server, look, and start it again."""
    server.stop()
    try:
        without()
    finally:
        server.start()
    assert items(draft())[0][0] == FERRY
