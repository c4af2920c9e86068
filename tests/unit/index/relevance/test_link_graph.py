"""Which links count: those placed in the year before, and nothing that would give the answer away."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hashing_embedder import HashingEmbedder
from hypothesis import given
from hypothesis import strategies as st

from index.article import UNDATED, Article
from index.build import RebuildOptions, rebuild
from index.live.snapshot_searcher import Searcher
from index.publishing.store import Store
from index.relevance.link_graph import FILES, YEAR_SECONDS, LinkGraph
from index.relevance.links_file import Truth
from index.relevance.model import Relevance, UnusableRelevance, default_relevance
from index.snapshot.reader import Snapshot

DAY = 86_400
EVERY = np.arange(5)
# Row 4 is undated; the others appeared on days 0, 100, 365 and 400.
PUBLISHED = np.array([0, 100 * DAY, 365 * DAY, 400 * DAY, UNDATED])


def lately(truth: Truth, row: int) -> list[int]:
    return LinkGraph.of(truth, PUBLISHED).lately(int(PUBLISHED[row]), EVERY).tolist()


LINKS: Truth = {1: {0: 1.0}, 2: {0: 1.0, 1: 0.5}, 3: {0: 1.0, 2: 1.0}}


def test_only_links_of_older_articles_count_neither_later_ones_nor_the_articles_own() -> None:
    assert lately(LINKS, 1) == [0, 0, 0, 0, 0]
    assert lately(LINKS, 2) == [1, 0, 0, 0, 0]
    assert lately(LINKS, 3) == [2, 1, 0, 0, 0]


def test_a_link_of_the_same_second_is_not_known_yet() -> None:
    graph = LinkGraph.of({1: {0: 1.0}}, np.array([0, 50, 50]))
    assert [int(graph.lately(moment, np.array([0]))[0]) for moment in (49, 50, 51)] == [0, 0, 1]


def test_the_window_is_365_days_of_which_the_first_second_counts() -> None:
    graph = LinkGraph.of({1: {0: 1.0}}, np.array([0, 50]))
    ages = (YEAR_SECONDS - 1, YEAR_SECONDS, YEAR_SECONDS + 1)
    assert [int(graph.lately(50 + age, np.array([0]))[0]) for age in ages] == [1, 1, 0]


def test_links_from_and_to_undated_articles_and_for_them_are_none() -> None:
    links: Truth = {4: {0: 1.0}, 1: {4: 1.0}}
    assert lately(links, 3) == [0, 0, 0, 0, 0]
    assert lately(LINKS, 4) == [0, 0, 0, 0, 0]


def test_without_links_nobody_was_linked() -> None:
    assert lately({}, 3) == [0, 0, 0, 0, 0]
    assert LinkGraph.of(LINKS, PUBLISHED).lately(400 * DAY, EVERY[:0]).tolist() == []


days = st.integers(0, 900)


@given(st.lists(days, min_size=2, max_size=12), st.data())
def test_counts_equal_those_of_a_loop_over_all_links(published: list[int], data: st.DataObject) -> None:
    n = len(published)
    pairs = data.draw(st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] != p[1])))
    truth: Truth = {}
    for source, other in pairs:
        truth.setdefault(source, {})[other] = 1.0
    moment = data.draw(days)
    expected = [sum(moment - 365 <= published[s] < moment for s, other in pairs if other == row) for row in range(n)]
    graph = LinkGraph.of(truth, np.array(published, np.int64) * DAY)
    assert graph.lately(moment * DAY, np.arange(n)).tolist() == expected


def test_a_graph_read_back_counts_the_same(tmp_path: Path) -> None:
    graph = LinkGraph.of(LINKS, PUBLISHED)
    for name, array in graph.to_files().items():
        np.save(tmp_path / name, array)
    np.testing.assert_array_equal(LinkGraph.from_files(tmp_path).lately(400 * DAY, EVERY), [2, 1, 0, 0, 0])


class Newsroom:
    """The sample newsroom, whose every dated article links to the one in the middle of them by date."""

    def __init__(self, articles: list[Article], folder: Path, now: int) -> None:
        self.articles, self.folder, self.now = articles, folder, now
        dated = sorted((each for each in articles if each.published_at), key=lambda each: each.published_at or 0)
        self.hub = dated[len(dated) // 2]
        self.links = folder / "links.tsv"
        rows = [f"{each.id}\t{self.hub.id}\n" for each in dated if each is not self.hub]
        self.links.write_text("article_id\trelated_id\n" + "".join(rows), "utf-8")

    def weights(self, link_weight: float | None) -> Path:
        path = self.folder / f"weights-{link_weight}.json"
        relevance: Relevance = msgspec.structs.replace(default_relevance(), link_weight=link_weight)
        path.write_bytes(msgspec.json.encode(relevance))
        return path

    def build(self, name: str, links: Path | None = None, weights: Path | None = None) -> Snapshot:
        store = Store(self.folder / name)
        report = rebuild(
            self.articles, store, HashingEmbedder(), self.now, RebuildOptions(links=links, relevance=weights)
        )
        return Snapshot.open(store.directory(report.snapshot_id))


@pytest.fixture
def newsroom(sample_articles: list[Article], tmp_path: Path, now: int) -> Newsroom:
    return Newsroom(sample_articles, tmp_path, now)


def test_without_a_weight_for_links_they_change_no_byte_of_what_is_served(newsroom: Newsroom) -> None:
    plain = newsroom.build("plain")
    judged = newsroom.build("judged", newsroom.links, newsroom.weights(None))
    differing = {
        path.name
        for path in judged.directory.iterdir()
        if path.read_bytes() != (plain.directory / path.name).read_bytes()
    }
    assert differing <= {"manifest.json", "manifest.sha256"}  # which say the nDCG on the links
    assert not any((judged.directory / name).exists() for name in FILES)


def test_what_was_linked_lately_ranks_higher_and_a_filtered_search_gives_the_same_numbers(newsroom: Newsroom) -> None:
    plain = newsroom.build("plain")
    linked = newsroom.build("linked", newsroom.links, newsroom.weights(0.5))
    hub = linked.row_of_id(newsroom.hub.id)
    raised = 0
    for row in range(linked.rows):
        rows, features = linked.neighbours(row)
        before, was = plain.neighbours(row)
        if hub in rows and hub in before:
            raised += float(features[rows == hub, 0][0]) > float(was[before == hub, 0][0])
    assert raised > 20
    searcher = Searcher(linked)
    row = linked.rows - 1
    rows, features = searcher.similar_rows(row, 10)
    table_rows, table_features = linked.neighbours(row)
    for other, found in zip(rows.tolist(), features, strict=True):
        np.testing.assert_array_equal(found, np.asarray(table_features, np.float32)[table_rows == other][0])


def test_articles_from_before_the_first_link_keep_their_scores(newsroom: Newsroom) -> None:
    plain = newsroom.build("plain")
    linked = newsroom.build("linked", newsroom.links, newsroom.weights(0.5))
    first = int(np.flatnonzero(plain.attributes["published_at"] != UNDATED)[0])
    for one, other in zip(plain.neighbours(first), linked.neighbours(first), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_learned_with_links_are_refused_without_them_before_anything_is_built(newsroom: Newsroom) -> None:
    with pytest.raises(UnusableRelevance, match="give the links file as well"):
        newsroom.build("refused", None, newsroom.weights(0.5))
    assert not (newsroom.folder / "refused" / "channels").exists()


def test_a_file_without_weights_is_named(newsroom: Newsroom) -> None:
    path = newsroom.folder / "mine.json"
    path.write_text('{"weights": [1, 2]}')
    with pytest.raises(UnusableRelevance, match=r"mine\.json holds no relevance weights: .*length 7"):
        newsroom.build("refused", newsroom.links, path)
    with pytest.raises(UnusableRelevance, match=r"none\.json holds no relevance weights"):
        newsroom.build("refused", newsroom.links, newsroom.folder / "none.json")
