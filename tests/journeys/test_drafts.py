"""A draft's related stories: the web application and a real search process's server, over its socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from hashing_embedder import HashingEmbedder
from newsroom import READER, write_keys

from index.article import Article
from index.build import rebuild
from index.publishing.store import Store
from service.app import create_app
from service.config import Settings
from service.search.server import Searchers, SearchServer

FERRY = "news/brackholm-ferry-breaks-down-mid-river"


class OtherEmbedder(HashingEmbedder):
    """The same vectors under another name."""

    @property
    def fingerprint(self) -> str:
        return "another-model"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, sample_articles: list[Article], now: int) -> Store:
    store = Store(tmp_path_factory.mktemp("drafts"))
    rebuild(sample_articles, store, HashingEmbedder(), now)
    return store


def serving(store: Store, embedder: Any, folder: Path) -> Iterator[Path]:
    path = folder / "search.sock"
    with SearchServer(path, Searchers(store, embedder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield path
        server.shutdown()
        thread.join()


@pytest.fixture
def socket(published: Store, tmp_path: Path) -> Iterator[Path]:
    yield from serving(published, HashingEmbedder(), tmp_path)


def client_of(store: Store, socket: Path, now: int) -> FlaskClient:
    settings = Settings(
        store=store.root, search_socket=socket, keys=write_keys(socket.parent / "keys.toml"), live="off"
    )
    client = create_app(settings, clock=lambda: now).test_client()
    client.environ_base["HTTP_X_API_KEY"] = READER
    return client


def ask(client: FlaskClient, draft: Any, query: str = "") -> tuple[int, dict[str, Any]]:
    answer = client.post(f"/v1/related{query}", data=json.dumps(draft), content_type="application/json")
    return answer.status_code, answer.get_json()


def draft_of(article: Article) -> dict[str, str]:
    return {"headline": article.headline, "standfirst": article.standfirst, "body": article.body}


@pytest.fixture
def ferry(sample_articles: list[Article]) -> Article:
    return next(each for each in sample_articles if each.id == FERRY)


def test_the_text_of_an_article_finds_that_article_first_and_its_storyline(
    published: Store, socket: Path, ferry: Article, sample_truth: dict[str, Any], now: int
) -> None:
    status, found = ask(client_of(published, socket, now), draft_of(ferry))
    ids = [item["teaser"]["id"] for item in found["items"]]
    assert (status, found["article_id"], ids[0]) == (200, None, FERRY)
    assert found["items"][0]["source"] == "similar"
    (storyline,) = [each for each in sample_truth["storylines"].values() if FERRY in each]
    assert len(set(ids[:4]) & set(storyline)) >= 2


def test_what_is_excluded_or_filtered_out_is_not_found(
    published: Store, socket: Path, ferry: Article, now: int
) -> None:
    client = client_of(published, socket, now)
    _, found = ask(client, draft_of(ferry), f"?exclude={FERRY}&section=business&limit=3")
    assert found["items"]
    assert {item["teaser"]["section"] for item in found["items"]} == {"business"}
    _, found = ask(client, draft_of(ferry), f"?exclude={FERRY}")
    assert FERRY not in [item["teaser"]["id"] for item in found["items"]]


def test_a_draft_is_answered_for_this_caller_only(published: Store, socket: Path, now: int) -> None:
    answer = client_of(published, socket, now).post("/v1/related", json={"headline": "Ferry fares to rise"})
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "ETag" not in answer.headers


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "The body is no draft: Input data was truncated"),
        (b'{"body": "x"}', "missing required field `headline`"),
        (b'{"headline": 3}', "Expected `str`, got `int` - at `$.headline`"),
        (b'{"headline": " "}', "headline"),
        (b'{"headline": "x", "title": "x"}', "contains unknown field `title`"),
    ],
)
def test_a_body_that_is_no_draft_is_refused_by_field(
    published: Store, socket: Path, now: int, body: bytes, told: str
) -> None:
    answer = client_of(published, socket, now).post("/v1/related", data=body, content_type="application/json")
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_draft")
    assert told in answer.get_json()["detail"]


def test_without_the_search_process_a_draft_is_refused_and_told_to_come_again(
    published: Store, tmp_path: Path, ferry: Article, now: int
) -> None:
    client = client_of(published, tmp_path / "nobody.sock", now)
    answer = client.post("/v1/related", json=draft_of(ferry))
    assert (answer.status_code, answer.get_json()["code"]) == (503, "search_unavailable")
    assert answer.headers["Retry-After"] == "5"


def test_a_model_other_than_the_snapshots_is_never_compared_with_it(
    published: Store, tmp_path: Path, ferry: Article, now: int
) -> None:
    for socket in serving(published, OtherEmbedder(), tmp_path):
        status, found = ask(client_of(published, socket, now), draft_of(ferry))
        assert (status, found["code"]) == (503, "search_unavailable")
        assert "holds the model another-model, the snapshot was built with" in found["detail"]


def test_the_document_describes_the_draft(published: Store, tmp_path: Path, now: int) -> None:
    document = client_of(published, tmp_path / "s", now).get("/openapi.json").get_json()
    operation = document["paths"]["/v1/related"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/DraftOrExamples")
    assert document["components"]["schemas"]["Draft"]["required"] == ["headline"]
    assert {each["name"] for each in operation["parameters"]}.isdisjoint({"unit", "explain", "fallback"})
    assert msgspec.json.encode(document)
