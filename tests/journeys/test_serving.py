"""The whole product as its operators run it: serve.py, its two web workers and the search process, over HTTP."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hashing_embedder import HashingEmbedder
from served import Service, served, until

from index.article import Article
from index.build import rebuild
from index.publishing.store import Store

ARTICLE = "news/brackholm-ferry-breaks-down-mid-river"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, sample_articles: list[Article]) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("serving")
    store = Store(folder / "store")
    rebuild(sample_articles, store, HashingEmbedder(), int(time.time()))
    with served(store, folder, search_socket=None, search_deadline_ms=2_000) as running:
        until(lambda: any(store.root.glob("search-*.sock")))
        yield running


def test_a_list_comes_over_http_with_its_etag(service: Service) -> None:
    status, headers, found = service.get(f"/v1/articles/{ARTICLE}/related")
    assert status == 200
    assert found["article_id"] == ARTICLE
    assert [item["position"] for item in found["items"]] == [1, 2, 3, 4, 5, 6]
    assert headers["cache-control"] == "public, no-cache"
    again, _, body = service.get(f"/v1/related?id={ARTICLE}", {"If-None-Match": headers["etag"]})
    assert (again, body) == (304, b"") or found["list_id"] != headers["etag"].strip('"')


def test_a_filtered_list_is_answered_by_the_search_process(service: Service) -> None:
    def filtered() -> Any:
        return service.get(f"/v1/related?id={ARTICLE}&section=sport&min_relevance=0&fallback=none")[2]

    until(lambda: filtered()["degraded"] is None)  # the search process is still warming up at first
    sections = {item["teaser"]["section"] for item in filtered()["items"]}
    assert sections == {"sport"}


def test_a_new_snapshot_is_picked_up_without_a_dropped_request(
    service: Service, sample_articles: list[Article]
) -> None:
    before = service.store.active_id("default")
    stop = threading.Event()
    seen: list[tuple[int, str]] = []

    def ask() -> None:
        while not stop.is_set():
            status, _, found = service.get(f"/v1/articles/{ARTICLE}/related")
            seen.append((status, found.get("snapshot_id", "")))

    readers = [threading.Thread(target=ask) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        after = rebuild(sample_articles, service.store, HashingEmbedder(), int(time.time()) + 60).snapshot_id
        until(lambda: len(seen) > 50 and all(each == after for _, each in seen[-20:]))
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert {status for status, _ in seen} == {200}
    assert {each for _, each in seen} <= {before, after}


def test_a_damaged_snapshot_is_not_served_and_readyz_says_so(
    service: Service, sample_articles: list[Article]
) -> None:
    good = service.get("/readyz")[2]["snapshot_id"]
    bad = rebuild(sample_articles, service.store, HashingEmbedder(), int(time.time()) + 120).snapshot_id
    until(lambda: all(service.get("/readyz")[2]["snapshot_id"] == bad for _ in range(10)))
    worse = service.store.begin("99990101T000000Z-damaged")
    for path in service.store.directory(bad).iterdir():
        (worse / path.name).write_bytes(path.read_bytes())
    service.store.publish(worse, "default")  # its manifest names another snapshot
    until(lambda: "damaged" in str(service.get("/readyz")[2]["reason"]))
    status, _, found = service.get(f"/v1/articles/{ARTICLE}/related")
    assert (status, found["snapshot_id"]) == (200, bad)
    service.store.activate(good, "default")
    until(lambda: all(service.get("/readyz")[2]["status"] == "ready" for _ in range(10)))


def test_two_services_of_one_store_on_two_ports_do_not_meet(service: Service, tmp_path: Path) -> None:
    def searched(one: Service) -> bool:
        path = f"/v1/related?id={ARTICLE}&section=sport&min_relevance=0&fallback=none"
        return one.get(path)[2]["degraded"] is None

    with served(service.store, tmp_path, search_socket=None, search_deadline_ms=2_000) as second:
        until(lambda: searched(second))
        assert searched(service)
    assert searched(service)
    assert len(list(service.store.root.glob("*.sock"))) == 1


def test_a_search_process_that_dies_is_told_by_readyz_until_it_is_back(service: Service) -> None:
    until(lambda: service.get("/readyz")[2]["status"] == "ready")
    os.kill(service.search_process(), signal.SIGKILL)
    until(lambda: "the search process does not answer" in str(service.get("/readyz")[2]["reason"]))
    assert service.get("/readyz")[0] == 200
    until(lambda: service.get("/readyz")[2]["status"] == "ready")


def test_without_the_search_process_lists_go_on_and_say_what_is_missing(service: Service) -> None:
    child = service.search_process()
    os.kill(child, signal.SIGSTOP)
    try:
        status, headers, found = service.get(
            f"/v1/related?id={ARTICLE}&section=sport&min_relevance=0.9&fallback=none"
        )
        assert (status, found["degraded"], found["items"]) == (200, ["search_unavailable"], [])
        assert headers["cache-control"] == "private, no-store"
        assert service.get(f"/v1/articles/{ARTICLE}/related")[2]["degraded"] is None
    finally:
        os.kill(child, signal.SIGCONT)
