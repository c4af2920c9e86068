"""Measures of served lists, by hand, and on the sample newsroom."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hashing_embedder import HashingEmbedder
from hypothesis import given
from hypothesis import strategies as st

from index.article import Article
from index.build import rebuild
from index.publishing.measures import rank_biased_overlap
from index.publishing.store import Store
from index.snapshot.attributes import FLAG_WITHDRAWN
from service.evaluation.relevance.corpus import Corpus, open_corpus
from service.evaluation.relevance.list_measures import (
    DAY,
    LIMIT,
    ListMeasures,
    churn,
    gini,
    list_measures,
    sampled_rows,
    served,
)

RANKINGS = st.permutations(range(8)).flatmap(lambda order: st.integers(0, 8).map(lambda n: order[:n]))


def test_rbo_of_even_lists_by_hand() -> None:
    # Agreement 0, 1/2, 2/3 at depths 1 to 3: (0.1 / 0.9)(0.5 x 0.81 + 2/3 x 0.729) + 2/3 x 0.729 = 0.585
    assert rank_biased_overlap("abc", "bda", 0.9) == pytest.approx(0.585)


def test_rbo_of_uneven_lists_by_hand() -> None:
    # "ab" is a prefix of "abcd": all that was seen agrees, and so is all that is assumed.
    assert rank_biased_overlap("ab", "abcd") == pytest.approx(1.0)
    # S = a, L = ba, p = 1/2: X = 0, 1; sum = 1/2 x 1/4 = 1/8, assumed 0, tail (1/2 + 0) x 1/4; all: 1/8 + 1/8
    assert rank_biased_overlap("a", "ba", 0.5) == pytest.approx(0.25)


def test_rbo_of_nothing() -> None:
    assert rank_biased_overlap([], []) == 1
    assert rank_biased_overlap([], [1]) == 0


@given(RANKINGS, RANKINGS, st.floats(0.05, 0.95))
def test_rbo_is_symmetric_between_0_and_1_and_1_for_the_same(one: list[int], other: list[int], p: float) -> None:
    value = rank_biased_overlap(one, other, p)
    assert -1e-12 <= value <= 1 + 1e-12
    assert value == rank_biased_overlap(other, one, p)
    assert rank_biased_overlap(one, one, p) == pytest.approx(1)


def test_rbo_weighs_the_top_more() -> None:
    assert rank_biased_overlap("abcdef", "abcdfe") > rank_biased_overlap("abcdef", "bacdef")


def test_gini_by_hand() -> None:
    assert gini(np.array([3, 3, 3])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 5])) == pytest.approx(3 / 4)
    assert gini(np.array([1, 2, 3, 4])) == pytest.approx(0.25)
    assert gini(np.array([0, 0])) == 0


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20))
def test_gini_is_half_the_mean_absolute_difference_over_the_mean(counts: list[int]) -> None:
    values = np.array(counts)
    if not values.sum():
        return
    oracle = np.abs(values[:, None] - values[None, :]).mean() / (2 * values.mean())
    assert gini(values) == pytest.approx(oracle, abs=1e-12)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, sample_articles: list[Article], now: int) -> Corpus:
    store = Store(tmp_path_factory.mktemp("lists"))
    report = rebuild(sample_articles, store, HashingEmbedder(), now)
    return open_corpus(store.directory(report.snapshot_id))


@pytest.fixture(scope="module")
def measures(corpus: Corpus, now: int) -> ListMeasures:
    rows = sampled_rows(corpus.snapshot, now, seed=0).tolist()
    lists = [served(corpus.snapshot, row, now) for row in rows]
    return list_measures(corpus.snapshot, corpus.dense, lists, now)


def test_every_visible_article_has_a_list_and_no_withdrawn_one(corpus: Corpus, now: int) -> None:
    rows = sampled_rows(corpus.snapshot, now, seed=0)
    flags = corpus.snapshot.attributes["flags"]
    assert not (flags[rows] & FLAG_WITHDRAWN).any()
    assert len(rows) == int((corpus.snapshot.attributes["visible_from"] <= now).sum())


def test_a_sample_of_rows_is_one_of_its_seed(corpus: Corpus, now: int) -> None:
    sample = sampled_rows(corpus.snapshot, now, seed=1, most=10).tolist()
    assert sample == sorted(set(sample))
    assert sample == sampled_rows(corpus.snapshot, now, seed=1, most=10).tolist()
    assert sample != sampled_rows(corpus.snapshot, now, seed=2, most=10).tolist()


def test_the_measures_are_those_of_a_plain_count(corpus: Corpus, measures: ListMeasures, now: int) -> None:
    facts, snapshot = corpus.snapshot.attributes, corpus.snapshot
    lists = [served(snapshot, row, now) for row in sampled_rows(snapshot, now, seed=0).tolist()]
    pairs = [pair for each in lists for pair in combinations((each.source, *each.rows), 2)]
    copies = [facts["canonical"][one] == facts["canonical"][other] for one, other in pairs]
    assert measures.duplicate_rate == pytest.approx(np.mean(copies))
    unlike = [
        np.mean([1 - corpus.dense[one] @ corpus.dense[other] for one, other in combinations(each.rows, 2)])
        for each in lists
        if len(each.rows) > 1
    ]
    assert measures.diversity == pytest.approx(np.mean(unlike), abs=1e-6)
    shown = [row for each in lists for row in each.rows]
    assert measures.stories == len(shown)
    assert measures.coverage == pytest.approx(len(set(shown)) / len(lists))
    assert measures.short_share == pytest.approx(np.mean([len(each.rows) < LIMIT for each in lists]))
    assert measures.age_days["50"] == pytest.approx(np.median((now - facts["published_at"][shown]) / DAY), abs=0.06)
    assert sum(share for _, share in measures.ages) == pytest.approx(1)


def test_no_list_means_nothing_measured(corpus: Corpus, now: int) -> None:
    empty = list_measures(corpus.snapshot, corpus.dense, [], now)
    assert (empty.duplicate_rate, empty.diversity, empty.fallback_share, empty.age_days) == (None, None, None, {})
    assert (empty.coverage, empty.gini) == (0, 0)


def test_lists_of_the_same_snapshot_are_the_same_and_of_another_archive_are_not(
    corpus: Corpus, sample_articles: list[Article], store: Store, now: int
) -> None:
    rows = sampled_rows(corpus.snapshot, now, seed=0).tolist()
    assert churn(corpus.snapshot, rows, corpus.snapshot, now).overlap == pytest.approx(1)
    fewer = rebuild(sample_articles[::2], store, HashingEmbedder(), now)
    other = open_corpus(store.directory(fewer.snapshot_id)).snapshot
    found = churn(corpus.snapshot, rows, other, now)
    assert found.articles == len(sampled_rows(other, now, seed=0))
    assert found.overlap is not None
    assert 0 < found.overlap < 0.9
