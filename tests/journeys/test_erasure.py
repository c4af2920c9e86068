"""An article that must be gone for good: from every list at once, then from every file of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from erase_article import erase
from newsroom import Newsroom, catalogue_of, record, story
from traces import files_that_say

from service.live_store.changes import Signal

NAME = "Quenbyhurst"
TOPIC = "ferry river crossing timetable captain jetty"
ARCHIVE = [story(f"ferry/{n}", TOPIC, 10 + 10 * n) for n in range(12)]


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    made = Newsroom(tmp_path)
    yield made
    made.close()


def test_an_erased_article_leaves_no_trace_in_store_live_database_or_cache(
    newsroom: Newsroom, tmp_path: Path
) -> None:
    named = record("ferry/named", f"{TOPIC} {NAME}", 2, headline=f"{NAME} sails", body=f"{NAME} " * 30)
    newsroom.rebuild([*ARCHIVE, story(**{"identifier": "ferry/named", "topic": TOPIC, "headline": f"{NAME} of old"})])
    assert newsroom.put(named).status_code == 200
    newsroom.signals("ferry/1", {"kind": "pin", "target": "ferry/named", "position": 1})
    newsroom.compare()
    newsroom.rebuild([], live=newsroom.live.all_rows())
    assert files_that_say(tmp_path, NAME)

    assert erase("ferry/named", newsroom.store, newsroom.live, newsroom.embedder, "data protection") == 0

    catalogue = catalogue_of(newsroom.client)
    catalogue.refresh()
    catalogue.catch_up()
    assert newsroom.client.get("/v1/related?id=ferry/named").status_code == 404
    assert newsroom.ids("ferry/1")
    assert "ferry/named" not in newsroom.ids("ferry/1")
    assert len(newsroom.store.snapshot_ids()) == 1
    for word in (NAME, "ferry/named"):
        assert files_that_say(newsroom.store.root, word) == []
        assert files_that_say(tmp_path, word) == []
    assert newsroom.put(record("ferry/named", TOPIC)).get_json()["code"] == "erased"


def test_signals_under_an_alias_of_an_erased_article_leave_no_trace(newsroom: Newsroom, tmp_path: Path) -> None:
    moved = story("ferry/2", TOPIC, 30, aliases=["ferry/two"])
    newsroom.rebuild([*ARCHIVE[:2], moved, *ARCHIVE[3:]])
    pin = Signal(kind="pin", target="ferry/two", position=1, note=NAME)
    for name, target in (("ferry/two", "ferry/1"), ("ferry/1", "ferry/two")):  # as they were before it moved
        given = msgspec.structs.replace(pin, target=target)
        newsroom.live.set_signals(name, [given], by="desk", at=newsroom.now, expected=None)
    catalogue_of(newsroom.client).catch_up()
    assert "ferry/2" in newsroom.ids("ferry/1")

    assert erase("ferry/2", newsroom.store, newsroom.live, newsroom.embedder, "data protection") == 0

    catalogue = catalogue_of(newsroom.client)
    catalogue.refresh()
    catalogue.catch_up()
    for word in (NAME, "ferry/two"):
        assert files_that_say(tmp_path, word) == []


def test_an_erased_article_is_out_of_every_list_before_anything_is_rebuilt(newsroom: Newsroom) -> None:
    newsroom.rebuild(ARCHIVE)
    assert "ferry/2" in newsroom.ids("ferry/1")
    newsroom.live.erase("ferry/2", by="data protection", at=newsroom.now)
    catalogue_of(newsroom.client).catch_up()
    assert "ferry/2" not in newsroom.ids("ferry/1")
    assert newsroom.client.get("/v1/article?id=ferry/2").status_code == 404
