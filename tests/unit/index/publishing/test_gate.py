"""The publish gate on quality: what a build may change, and what it is told when it changes more."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hashing_embedder import HashingEmbedder
from small import small_snapshot

from index.article import Article
from index.build import NothingToBuildOnto, RebuildOptions, Refused, rebuild
from index.publishing.gate import mass_withdrawal, regressions, still_shown
from index.publishing.quality import Quality, Table, quality
from index.publishing.store import Store
from index.relevance.links_file import UnusableLinks
from index.snapshot.attributes import NO_ROW
from index.snapshot.manifest import read_manifest

LIVE = Quality(coverage=0.9, repeats=0.0, ndcg=0.5)


@pytest.mark.parametrize(
    ("new", "overlap", "told"),
    [
        (LIVE, 0.95, []),
        (Quality(0.81, 0.0, 0.49), 0.6, []),
        (Quality(0.79, 0.0, 0.5), 0.9, ["only 79% of the articles have a full list, 90% have one in the live"]),
        (Quality(0.9, 0.05, 0.5), 0.9, ["5.0% of the pairs in lists are copies (limit 2%)"]),
        (LIVE, 0.4, ["lists change too much: overlap with the live ones is 0.40 (least 0.5)"]),
        (Quality(0.9, 0.0, 0.47), 0.9, ["nDCG@10 on editors' links falls from 0.500 to 0.470 (limit: 0.02 less)"]),
        (Quality(0.9, 0.0, None), None, []),
    ],
)
def test_a_build_may_get_a_little_worse_and_is_told_what_got_much_worse(
    new: Quality, overlap: float | None, told: list[str]
) -> None:
    reasons = [refusal.reason for refusal in regressions(new, LIVE, overlap)]
    assert len(reasons) == len(told)
    assert all(reason.startswith(beginning) for reason, beginning in zip(reasons, told, strict=True))


def everything_related(count: int, withdrawn: int = 0) -> Table:
    """Articles a0, a1, ... that are all candidates of each other, the first of them withdrawn and nobody's."""
    ids = [f"a{row}" for row in range(count)]
    rows = np.full((count, count), NO_ROW, np.uint32)
    for row in range(count):
        others = [other for other in range(withdrawn, count) if other != row]
        rows[row, : len(others)] = others
    return Table(ids, rows, np.where(rows == NO_ROW, 0.0, 0.5), np.arange(count), np.arange(count) >= withdrawn)


def test_a_full_list_that_a_withdrawal_made_short_is_not_held_against_the_build() -> None:
    live, new = everything_related(7), everything_related(7, withdrawn=1)
    assert (quality(live).coverage, quality(new).coverage) == (1.0, 0.0)
    compared = still_shown(live, new)
    assert quality(compared).coverage == 0.0
    assert compared.rows[1].tolist() == [2, 3, 4, 5, 6, NO_ROW, NO_ROW]
    assert compared.published.tolist() == [False] + [True] * 6
    assert still_shown(live, live) is live


@pytest.mark.parametrize(
    ("count", "withdrawn", "refused"), [(4, 4, False), (40, 10, False), (40, 11, True), (100, 20, False)]
)
def test_many_withdrawals_at_once_look_like_a_mistake(
    tmp_path: Path, count: int, withdrawn: int, refused: bool
) -> None:
    ids = [f"s{row}" for row in range(withdrawn)]
    found = mass_withdrawal(small_snapshot(tmp_path, count), [*ids, "of no snapshot"])
    told = [f"{withdrawn} of {count} published articles are withdrawn at once (limit 20%)"]
    assert [each.reason for each in found] == (told if refused else [])


def test_a_mass_withdrawal_is_refused_once_and_before_anything_is_embedded(
    store: Store, sample_articles: list[Article], now: int
) -> None:
    rebuild(sample_articles, store, HashingEmbedder(), now)
    withdrawn = [msgspec.structs.replace(each, headline="Gone", status="withdrawn") for each in sample_articles[:30]]
    embedder = HashingEmbedder()
    with pytest.raises(Refused, match="published articles are withdrawn at once"):
        rebuild(withdrawn, store, embedder, now, RebuildOptions(onto_last=True))
    assert embedder.embedded == []
    report = rebuild(withdrawn, store, embedder, now, RebuildOptions(onto_last=True, force=True))
    assert (
        rebuild(withdrawn, store, embedder, now, RebuildOptions(onto_last=True)).withdrawn == report.withdrawn >= 30
    )


def test_an_unchanged_archive_passes_and_one_whose_texts_changed_places_does_not(
    store: Store, sample_articles: list[Article], now: int
) -> None:
    first = rebuild(sample_articles, store, HashingEmbedder(), now)
    assert rebuild(sample_articles, store, HashingEmbedder(), now).quality == first.quality
    live = store.active_id("default")
    bodies = [each.body for each in sample_articles[1:]] + [sample_articles[0].body]
    moved = [msgspec.structs.replace(each, body=body) for each, body in zip(sample_articles, bodies, strict=True)]
    with pytest.raises(Refused, match="lists change too much"):
        rebuild(moved, store, HashingEmbedder(), now)
    assert store.active_id("default") == live
    assert rebuild(moved, store, HashingEmbedder(), now, RebuildOptions(force=True)).articles == first.articles


def test_with_links_the_manifest_says_what_the_lists_are_worth_on_them(
    store: Store, sample_articles: list[Article], now: int, tmp_path: Path
) -> None:
    links = tmp_path / "links.tsv"
    links.write_text(f"article_id\trelated_id\n{sample_articles[0].id}\t{sample_articles[1].id}\n")
    report = rebuild(sample_articles, store, HashingEmbedder(), now, RebuildOptions(links=links))
    assert report.quality.ndcg is not None
    assert read_manifest(store.directory(report.snapshot_id)).quality["ndcg"] == report.quality.ndcg


def test_a_useless_links_file_is_refused_before_anything_is_built(
    store: Store, sample_articles: list[Article], now: int, tmp_path: Path
) -> None:
    links = tmp_path / "links.tsv"
    links.write_text("article_id\trelated_id\nnobody\tnothing\n")
    with pytest.raises(UnusableLinks, match="holds no usable link"):
        rebuild(sample_articles, store, HashingEmbedder(), now, RebuildOptions(links=links))
    assert store.snapshot_ids() == []


def test_building_onto_a_snapshot_that_is_damaged_loses_nothing(
    store: Store, sample_articles: list[Article], now: int
) -> None:
    with pytest.raises(NothingToBuildOnto, match="has no snapshot"):
        rebuild([], store, HashingEmbedder(), now, RebuildOptions(onto_last=True))
    report = rebuild(sample_articles, store, HashingEmbedder(), now)
    (store.directory(report.snapshot_id) / "teasers.jsonl").write_bytes(b"torn")
    with pytest.raises(NothingToBuildOnto, match="cannot be read: build from all sources"):
        rebuild(sample_articles[:1], store, HashingEmbedder(), now, RebuildOptions(onto_last=True))
    assert store.active_id("default") == report.snapshot_id


def test_events_and_storylines_keep_their_ids_when_the_archive_grows(
    store: Store, sample_articles: list[Article], now: int
) -> None:
    from index.snapshot.reader import Snapshot

    def ids(report_id: str) -> dict[str, int]:
        snapshot = Snapshot.open(store.directory(report_id))
        by_id = {each.id: snapshot.row_of_id(each.id) for each in sample_articles}
        column = snapshot.cluster_ids["storylines"]
        return {each: int(column[row]) for each, row in by_id.items() if row is not None}

    fewer = rebuild(sample_articles[5:], store, HashingEmbedder(), now)
    before = ids(fewer.snapshot_id)
    after = ids(rebuild(sample_articles, store, HashingEmbedder(), now).snapshot_id)
    kept = sum(after[each] == before[each] for each in before)
    assert kept >= 0.95 * len(before)
    assert len(set(after.values())) > 20
