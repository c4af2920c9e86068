"""Every list of the sample newsroom, under every policy that ships: what must never be in one."""

from __future__ import annotations

import msgspec
import pytest
from hashing_embedder import HashingEmbedder

from index.article import Article
from index.build import rebuild
from index.publishing.store import Store
from index.snapshot.attributes import FLAG_WITHDRAWN
from index.snapshot.reader import Snapshot
from service.archive.view import Archive
from service.recommend.pipeline import related
from service.recommend.policy import shipped_policies
from service.recommend.query import Query


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory, sample_articles: list[Article], now: int) -> Snapshot:
    store = Store(tmp_path_factory.mktemp("lists"))
    report = rebuild(sample_articles, store, HashingEmbedder(), now)
    return Snapshot.open(store.directory(report.snapshot_id))


@pytest.mark.parametrize("policy", list(shipped_policies().by_name))
def test_no_list_of_ten_repeats_a_story_or_shows_one_that_readers_may_not_see(
    newsroom: Snapshot, policy: str, now: int
) -> None:
    lists = 0
    for row in newsroom.visible_rows(now).tolist():
        found = related(Archive(newsroom), row, Query(limit=10), shipped_policies()[policy], now)
        rows = [newsroom.row_of_id(item["teaser"]["id"]) for item in msgspec.json.decode(found.body)["items"]]
        facts = [newsroom.fact(each) for each in rows if each is not None]
        assert len(facts) == len(rows)
        assert len({each.canonical for each in facts} | {newsroom.fact(row).canonical}) == len(facts) + 1
        assert len({each.event for each in facts}) == len(facts)
        assert all(each.visible_from <= now and not each.flags & FLAG_WITHDRAWN for each in facts)
        lists += bool(facts)
    assert lists > (20 if policy in ("latest", "background", "timeline") else 90)
