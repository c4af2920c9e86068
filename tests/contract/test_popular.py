"""The contract of the fallback tier `popular`: what readers clicked fills a short list, and only what may be seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from newsroom import EDITOR, Newsroom, story, with_key

from index.article import iso_time
from service.experiments.popularity import Popularity
from service.recommend.popular import FILE, write_most_clicked

TOPIC = "ferry river crossing timetable harbour"
READ = ["tram/1", "tram/2", "tram/3", "tram/4"]
POLICIES = """
[filled]
description = "Filled with what is read, then with the newest."
recency_floor = 1.0
min_relevance = 0.03
fallback = ["popular", "recent"]
"""


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    (tmp_path / "policies.toml").write_text(POLICIES, "utf-8")
    newsroom = Newsroom(tmp_path, policies=tmp_path / "policies.toml")
    trams = [story(identifier, f"tram {n} rails depot wires", 20 + n) for n, identifier in enumerate(READ)]
    later = story("tram/later", "cable car mountain", 1, embargo_until=iso_time(newsroom.now + 3_600))
    newsroom.rebuild([story("ferry/1", TOPIC, 10), story("ferry/2", TOPIC, 11), *trams, later])
    yield newsroom
    newsroom.close()


def read(newsroom: Newsroom, *stories: str) -> None:
    """One reader each is shown the list under one of `stories`, and clicks every tram in it."""
    for number, identifier in enumerate(stories):
        asked = {"id": identifier, "unit": f"u-{newsroom.now}-{number}", "limit": 10, "policy": "filled"}
        found = newsroom.client.get("/v1/related", query_string=asked).get_json()
        for item in found["items"]:
            if item["teaser"]["id"] in READ:
                event = {"kind": "click", "token": found["token"], "article_id": item["teaser"]["id"]}
                assert newsroom.client.post("/v1/events", json={"events": [event]}).get_json()["accepted"] == 1


def count(newsroom: Newsroom) -> list[tuple[str, int]]:
    """What the search process does every half minute; then a worker that has just looked."""
    directory = newsroom.store.root / "events"
    popularity = Popularity(directory)
    assert popularity.catch_up(newsroom.now)
    found = popularity.most_clicked(newsroom.now)
    write_most_clicked(directory / FILE, found)
    newsroom.client = newsroom.worker()
    return list(found.stories)


def filled(newsroom: Newsroom, **query: Any) -> list[tuple[str, str]]:
    items = newsroom.list_of("ferry/1", fallback="popular", **query)["items"]
    return [(each["teaser"]["id"], each["source"]) for each in items]


def test_the_most_clicked_stories_fill_a_short_list_in_their_order(newsroom: Newsroom) -> None:
    assert filled(newsroom) == [("ferry/2", "similar")]
    read(newsroom, "tram/1", "tram/1", "tram/2")  # under each stand the other three
    assert count(newsroom) == [("tram/3", 3), ("tram/4", 3), ("tram/2", 2), ("tram/1", 1)]
    shown = [("tram/3", "popular"), ("tram/4", "popular"), ("tram/2", "popular"), ("tram/1", "popular")]
    assert filled(newsroom) == [("ferry/2", "similar"), *shown]
    assert filled(newsroom, limit=3) == [("ferry/2", "similar"), *shown[:2]]
    document = newsroom.list_of("ferry/1", fallback="popular", explain="true")
    assert document["fallback_used"] is True
    assert document["items"][1]["score"] is None
    assert document["items"][1]["explain"] == {
        "reason": "Fills the list: among the most clicked of the last seven days."
    }


def test_after_what_is_popular_the_next_tier_fills(newsroom: Newsroom) -> None:
    newest = [("tram/1", "recent"), ("tram/2", "recent"), ("tram/3", "recent"), ("tram/4", "recent")]
    asked = {"id": "ferry/1", "policy": "filled"}

    def listed() -> list[tuple[str, str]]:
        items = newsroom.client.get("/v1/related", query_string=asked).get_json()["items"]
        return [(each["teaser"]["id"], each["source"]) for each in items if each["source"] != "similar"]

    assert listed() == newest
    directory = newsroom.store.root / "events"
    directory.mkdir(exist_ok=True)
    (directory / FILE).write_text(f'{{"at":{newsroom.now},"stories":[["tram/4",9],["no/such",8]]}}', "utf-8")
    newsroom.client = newsroom.worker()
    assert listed() == [("tram/4", "popular"), *newest[:3]]


def test_what_may_not_be_seen_is_never_popular(newsroom: Newsroom) -> None:
    directory = newsroom.store.root / "events"
    directory.mkdir()
    clicked = ["tram/later", "ferry/1", "ferry/2", "tram/3", "tram/4", "tram/1", "tram/2"]
    stories = ",".join(f'["{each}",{20 - n}]' for n, each in enumerate(clicked))
    (directory / FILE).write_text(f'{{"at":{newsroom.now},"stories":[{stories}]}}', "utf-8")
    assert newsroom.delete("tram/3").status_code in (200, 202)
    newsroom.signals("ferry/1", {"kind": "exclude", "target": "tram/4"})
    newsroom.client = newsroom.worker()
    assert filled(newsroom) == [("ferry/2", "similar"), ("tram/1", "popular"), ("tram/2", "popular")]
    assert filled(newsroom, exclude="tram/1") == [("ferry/2", "similar"), ("tram/2", "popular")]
    newsroom.now += 7_200
    assert filled(newsroom)[1] == ("tram/later", "popular")
    assert newsroom.client.get("/v1/articles/tram/3", headers=with_key(EDITOR)).get_json()["state"] == "withdrawn"


def test_the_etag_follows_what_is_popular(newsroom: Newsroom) -> None:
    def etag() -> str:
        answer = newsroom.client.get("/v1/related", query_string={"id": "ferry/1", "fallback": "popular"})
        return str(answer.headers["ETag"])

    read(newsroom, "tram/1")
    count(newsroom)
    first = etag()
    assert count(newsroom)
    assert etag() == first
    newsroom.now += 60
    read(newsroom, "tram/3", "tram/3", "tram/3")
    count(newsroom)
    assert etag() != first


def test_readers_own_lists_are_filled_too_and_say_so_in_the_log(newsroom: Newsroom) -> None:
    read(newsroom, "tram/1")
    count(newsroom)
    asked = {"id": "ferry/1", "unit": "u-1", "fallback": "popular", "policy": "related"}
    items = newsroom.client.get("/v1/related", query_string=asked).get_json()["items"]
    assert [each["source"] for each in items] == ["similar", "popular", "popular", "popular"]


def test_without_events_nothing_is_popular(tmp_path: Path) -> None:
    newsroom = Newsroom(tmp_path, events="off")
    newsroom.rebuild([story("ferry/1", TOPIC, 10), story("ferry/2", TOPIC, 11), story("tram/1", "tram rails", 9)])
    assert filled(newsroom) == [("ferry/2", "similar")]
    newsroom.close()


def test_the_contract_names_the_tier(newsroom: Newsroom) -> None:
    document = newsroom.client.get("/openapi.json").get_json()
    parameters = document["paths"]["/v1/related"]["get"]["parameters"]
    (fallback,) = (each for each in parameters if each["name"] == "fallback")
    assert fallback["schema"]["enum"] == ["none", "same_section", "recent", "popular"]
    source = document["components"]["schemas"]["RelatedList"]["properties"]["items"]["items"]["properties"]["source"]
    assert source["enum"] == ["similar", "pinned", "same_section", "recent", "popular"]
