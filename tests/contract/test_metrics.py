"""/metrics of one worker: what its requests and its state become."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from newsroom import READER, Newsroom, catalogue_of, record, story, with_key

from service.app import create_app
from service.search.server import SearchServer

TOPIC = "ferry crossing river timetable pier"


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    made = Newsroom(tmp_path, search_socket=tmp_path / "nobody.sock")
    made.rebuild([story(f"ferry/{number}", TOPIC, number) for number in range(1, 9)] + [story("alone", "q w e r")])
    made.compare()
    yield made
    made.close()


def told(newsroom: Newsroom) -> dict[str, float]:
    lines = newsroom.client.get("/metrics").get_data(as_text=True).splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_lists_count_by_policy_and_by_what_they_are_made_of(newsroom: Newsroom) -> None:
    ask = newsroom.client.get
    ask("/v1/related?id=ferry/1&limit=3&fallback=none")
    ask("/v1/related?id=ferry/1&limit=3&fallback=none")  # kept from a moment ago, and counted all the same
    ask("/v1/related?id=alone&fallback=none&min_relevance=1&policy=latest")
    ask("/v1/related?id=alone&fallback=recent&min_relevance=1")
    ask("/v1/articles/ferry/2/related.html?limit=3&fallback=none")
    newsroom.client.post(
        "/v1/related/batch?limit=3&fallback=none", json={"ids": ["ferry/1", "nobody"]}, headers=with_key(READER)
    )
    found = told(newsroom)
    assert found['related_lists_total{policy="related",result="ranked"}'] == 4
    assert found['related_lists_total{policy="related",result="filled"}'] == 1
    assert found['related_lists_total{policy="latest",result="empty"}'] == 1
    assert found['related_request_duration_seconds_count{method="GET",route="/v1/related",policy="latest"}'] == 1
    assert (
        found['related_request_duration_seconds_count{method="POST",route="/v1/related/batch",policy="related"}'] == 1
    )


def test_what_nobody_routes_has_no_series_of_its_own(newsroom: Newsroom) -> None:
    for path in ("/nowhere", "/v1/nothing/there"):
        newsroom.client.get(path)
    newsroom.client.open("/v1/policies", method="BREW")
    found = told(newsroom)
    assert found['related_request_duration_seconds_count{method="GET",route="none",policy=""}'] == 2
    assert found['related_request_duration_seconds_count{method="other",route="none",policy=""}'] == 1
    assert found['related_problems_total{code="not_found",status="404"}'] == 2
    assert not any("nowhere" in series for series in found)


def test_gauges_tell_of_the_snapshot_the_live_store_and_the_queue(newsroom: Newsroom) -> None:
    newsroom.put(record("ferry/new", TOPIC, 0.5))
    found = told(newsroom)
    channel = 'worker="0",channel="default"'
    assert found[f"related_snapshot_articles{{{channel}}}"] == 9
    assert found[f"related_snapshot_built_timestamp_seconds{{{channel}}}"] == newsroom.now
    assert found[f"related_newest_article_timestamp_seconds{{{channel}}}"] == newsroom.now - 43_200
    assert found[f"related_live_waiting{{{channel}}}"] == 1
    assert found['related_live_waiting_limit{worker="0"}'] == 1_000
    assert found['related_worker_faults{worker="0"}'] == 0
    assert found['related_worker_seen_timestamp_seconds{worker="0"}'] == newsroom.now


def test_a_fault_of_the_keys_file_is_seen_though_nobody_comes_with_a_key(newsroom: Newsroom) -> None:
    assert newsroom.settings.keys is not None
    newsroom.settings.keys.write_text("oops = [")
    assert told(newsroom)['related_worker_faults{worker="0"}'] == 1
    assert "keys" in newsroom.client.get("/readyz").get_json()["reason"]


def test_workers_that_share_their_numbers_tell_the_same_and_count_no_gauge_twice(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as short:  # a socket's path has little room
        newsroom = Newsroom(tmp_path, search_socket=Path(short) / "search.sock", worker=1)
        newsroom.rebuild([story(f"ferry/{number}", TOPIC, number) for number in range(1, 9)])
        other = create_app(msgspec.structs.replace(newsroom.settings, worker=2), lambda: newsroom.now).test_client()
        with SearchServer(newsroom.settings.search_socket, newsroom.searchers) as server:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            for client in (newsroom.client, other, other):
                client.get("/v1/related?id=ferry/1&limit=3&fallback=none")
            for client in (newsroom.client, other) * 2:
                newsroom.client = client
                found = told(newsroom)
            warming = other.get("/readyz").get_json()
            newsroom.searchers.warm()
            ready = other.get("/readyz").get_json()
            server.shutdown()
        assert found['related_lists_total{policy="related",result="ranked"}'] == 3
        assert found["related_search_up"] == 1
        assert warming["status"] == "warming"
        assert "loading its model" in warming["reason"]
        assert ready == warming | {"status": "ready", "reason": None}
        for worker in (1, 2):
            assert found[f'related_snapshot_articles{{worker="{worker}",channel="default"}}'] == 8
        assert told(newsroom)["related_search_up"] == 0
        away = other.get("/readyz")
        assert (away.status_code, away.get_json()["status"]) == (200, "degraded")
        assert "the search process does not answer" in away.get_json()["reason"]
        catalogue_of(other).live.store.close()
        newsroom.close()


def test_without_a_snapshot_there_are_no_numbers_of_one(tmp_path: Path) -> None:
    empty = Newsroom(tmp_path, search_socket=tmp_path / "nobody.sock")
    found = told(empty)
    assert found['related_snapshot_serving{worker="0",channel="default"}'] == 0
    assert not any("snapshot_built" in series or "newest" in series for series in found)
    empty.close()
