"""An article is found by every address it has had, unless another article has that address by now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hashing_embedder import HashingEmbedder

from index.article import MAX_LIST_ENTRIES, Article, article_from_record
from index.build import RebuildOptions, rebuild
from index.ingest.live_changes import LiveRows
from index.ingest.merge import gather
from index.publishing.store import Store
from index.snapshot.reader import Snapshot

SITE = "https://courier.example"
OLD, NEW = f"{SITE}/ferry/", f"{SITE}/ferry-fire/"


def version(day: int, url: str, **more: Any) -> Article:
    """The article as of a day."""
    fixed = {"id": "7", "headline": f"Ferry, day {day}", "updated_at": day * 86_400}
    return article_from_record({**fixed, "url": url, **more})


def aliases(
    folder: Path, records: Sequence[Article], base: Sequence[Article] = (), live: LiveRows | None = None
) -> dict[str, tuple[str, ...]]:
    return {each.id: each.aliases for each in gather(folder, base, records, live=live).articles}


def test_a_changed_slug_leads_to_the_article_after_rebuilds_onto_the_last_snapshot(store: Store, now: int) -> None:
    rebuild([version(1, OLD)], store, HashingEmbedder(), now)
    for changed in (version(2, NEW), version(3, NEW), version(4, f"{SITE}/fire/")):
        report = rebuild([changed], store, HashingEmbedder(), now, RebuildOptions(onto_last=True))
    snapshot = Snapshot.open(store.directory(report.snapshot_id))
    assert [snapshot.row_of_url(url) for url in (OLD, NEW, f"{SITE}/fire/")] == [0, 0, 0]


@pytest.mark.parametrize("records", [[version(1, OLD), version(2, NEW)], [version(2, NEW), version(1, OLD)]])
def test_versions_may_come_in_any_order(tmp_path: Path, records: list[Article]) -> None:
    assert aliases(tmp_path, records) == {"7": (OLD,)}


def test_a_version_that_was_published_live_keeps_the_address_of_the_base(tmp_path: Path) -> None:
    live = LiveRows("installation", 1, [(1, version(2, NEW))], [], frozenset())
    assert aliases(tmp_path, [], [version(1, OLD)], live) == {"7": (OLD,)}


def test_former_addresses_stand_behind_declared_aliases_newest_first_and_are_bounded(tmp_path: Path) -> None:
    many = [f"{SITE}/{number}/" for number in range(MAX_LIST_ENTRIES)]
    base = [version(1, OLD, aliases=["6", *many[1:]])]
    (kept,) = aliases(tmp_path, [version(2, NEW, aliases=["5", f"{SITE}/x/"])], base).values()
    assert kept == ("5", f"{SITE}/x/", OLD, *many[1 : MAX_LIST_ENTRIES - 2])


def test_an_article_that_takes_its_address_back_is_no_alias_of_itself(tmp_path: Path) -> None:
    assert aliases(tmp_path, [version(2, NEW), version(3, OLD + "?utm_source=x")], [version(1, OLD)]) == {"7": (NEW,)}


@pytest.mark.parametrize(
    "other",
    [
        {"id": "8", "url": OLD.removesuffix("/")},
        {"id": "8", "url": f"{SITE}/8/", "aliases": [OLD]},
        {"id": OLD, "url": f"{SITE}/8/"},
    ],
)
def test_an_address_that_another_article_has_by_now_is_that_articles(tmp_path: Path, other: dict[str, Any]) -> None:
    article = article_from_record({"headline": "Another", **other})
    found = aliases(tmp_path, [version(2, NEW), article], [version(1, OLD)])
    assert found == {"7": (), article.id: article.aliases}


def test_a_withdrawn_article_keeps_its_former_addresses(tmp_path: Path) -> None:
    withdrawn = article_from_record({"id": "7", "headline": "x", "status": "withdrawn"})
    found = gather(tmp_path, [version(1, OLD)], [version(2, NEW), withdrawn]).articles
    assert [(each.status, each.url, each.aliases) for each in found] == [("withdrawn", NEW, (OLD,))]


def test_the_address_of_an_article_that_moved_to_another_id_leads_there(tmp_path: Path) -> None:
    assert aliases(tmp_path, [version(2, NEW, id="9", aliases=["7"])], [version(1, OLD)]) == {"9": ("7", OLD)}


def test_an_unchanged_address_in_another_spelling_is_no_alias(tmp_path: Path) -> None:
    assert aliases(tmp_path, [version(2, OLD + "#top")], [version(1, OLD)]) == {"7": ()}
