"""Clusters over any scored pairs, and cluster IDs over any history."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from index.article import Article
from index.clustering.average_linkage import average_linkage
from index.clustering.stable_ids import stable_ids
from index.clustering.stories import default_stories, find_stories

seeds = st.integers(0, 2**32 - 1)


def scored_pairs(n: int, seed: int) -> np.ndarray:
    """A symmetric (n, n) matrix of weights, half of them 0."""
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.random((n, n)) ** 2 * (rng.random((n, n)) < 0.5), 1)
    return weights + weights.T


def together(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@given(st.integers(2, 25), seeds, st.sampled_from([0.05, 0.2, 0.5]))
def test_clusters_are_those_of_scipys_average_linkage(n: int, seed: int, least: float) -> None:
    weights = scored_pairs(n, seed)
    left, right = np.nonzero(np.triu(weights))
    labels = average_linkage(n, left, right, weights[left, right], least)
    distances = 1 - weights
    np.fill_diagonal(distances, 0)
    oracle = fcluster(linkage(squareform(distances), "average"), 1 - least, "distance")
    assert together(labels) == together(oracle)
    assert all(labels[row] == max(np.flatnonzero(labels == labels[row])) for row in range(n))


@given(st.integers(2, 30), seeds)
def test_copies_lie_in_one_event_and_events_in_one_storyline(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    body = " ".join(f"word{at}" for at in range(40))
    articles = [
        Article(
            id=str(row), headline="H", body=f"{body} {'other ' * int(rng.integers(0, 40))}", published_at=row * 50_000
        )
        for row in range(n)
    ]
    cosines = np.sqrt(scored_pairs(n, seed))
    rows = np.array([[other for other in range(n) if other != row] for row in range(n)])
    found = np.take_along_axis(cosines, rows, axis=1)
    stories = find_stories(articles, rows, found, found, default_stories())
    for lower, upper in ((stories.canonical, stories.event), (stories.event, stories.storyline)):
        assert all(len(np.unique(upper[lower == label])) == 1 for label in np.unique(lower))
        assert (upper >= lower).all()


partitions = st.lists(st.integers(0, 6), min_size=1, max_size=30)


def ids_of(labels: list[int], names: list[str], previous: dict[str, int]) -> dict[str, int]:
    found = stable_ids(np.array(labels), names, previous)
    return dict(zip(names, found.tolist(), strict=True))


def article_ids(labels: list[int]) -> list[str]:
    return [f"article/{row}" for row in range(len(labels))]


@given(partitions, partitions)
def test_rows_share_an_id_exactly_when_they_share_a_cluster(before: list[int], after: list[int]) -> None:
    known = ids_of(before, article_ids(before), {})
    found = ids_of(after, article_ids(after), known)
    pairs = set(zip(after, found.values(), strict=True))
    assert len(pairs) == len({label for label, _ in pairs}) == len({each for _, each in pairs})


@given(partitions, st.randoms(use_true_random=False))
def test_reordered_rows_and_unrelated_articles_leave_every_id_as_it_was(labels: list[int], rng) -> None:
    known = ids_of(labels, article_ids(labels), {})
    order = list(range(len(labels)))
    rng.shuffle(order)
    new_labels = [90, *(labels[row] + 10 for row in order), 91]
    names = ["new/1", *(f"article/{row}" for row in order), "new/2"]
    found = ids_of(new_labels, names, known)
    assert {name: found[name] for name in known} == known
    assert found["new/1"] not in known.values()


@given(partitions)
def test_a_history_forgotten_gives_the_same_ids_for_the_same_archive(labels: list[int]) -> None:
    assert ids_of(labels, article_ids(labels), {}) == ids_of(labels, article_ids(labels), {})


def test_after_a_split_the_larger_part_keeps_the_id() -> None:
    known = ids_of([0, 0, 0], ["a", "b", "c"], {})
    found = ids_of([0, 1, 1], ["a", "b", "c"], known)
    assert found["b"] == found["c"] == known["a"]
    assert found["a"] not in known.values()  # though the cluster's ID was made of this article's
    assert ids_of([0, 1, 1], ["a", "b", "c"], found) == found


def test_after_an_even_split_the_oldest_article_keeps_the_id() -> None:
    known = ids_of([0, 0], ["a", "b"], {})
    found = ids_of([0, 1], ["a", "b"], known)
    assert found["a"] == known["a"]
    assert found["b"] != known["a"]


@pytest.mark.parametrize(("labels", "kept"), [([0, 1, 1], "b"), ([0, 0, 1], "a"), ([0, 1, 2], "a")])
def test_a_merger_keeps_the_id_of_most_articles_and_of_the_oldest_where_even(labels: list[int], kept: str) -> None:
    names = ["a", "b", "c"]
    known = ids_of(labels, names, {})
    assert set(ids_of([0, 0, 0], names, known).values()) == {known[kept]}
