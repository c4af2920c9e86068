"""Pair features against hand-computed values, and the model that they feed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import sparse

from index.article import UNDATED, Article
from index.candidates.expansion import by_way_of_others
from index.candidates.table import Pairs
from index.relevance.link_graph import LinkGraph
from index.relevance.model import (
    LEAST_HEADLINE,
    LEAST_LEXICAL,
    Baseline,
    Relevance,
    baseline_of,
    default_relevance,
    model_inputs,
)
from index.relevance.pair_features import WEEK_SECONDS, ArticleFeatures, PairScorer
from index.relevance.training import labelled_pairs

# Four words; article 0 says the first two, 1 the second and third, 2 the fourth, 3 nothing known.
TEXTS = np.array([[0.6, 0.8, 0, 0], [0, 0.8, 0.6, 0], [0, 0, 0, 1], [0, 0, 0, 0]], np.float32)
HEADLINES = np.array([[1, 0, 0, 0], [0, 0.8, 0.6, 0], [0, 0, 0, 1], [0, 0, 0, 0]], np.float32)
DENSE = np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], np.float32)
PUBLISHED = np.array([100, 103, 90, UNDATED // WEEK_SECONDS], np.int64) * WEEK_SECONDS
PUBLISHED[3] = UNDATED


def scorer(brief: tuple[int, ...] = (), links: LinkGraph | None = None) -> PairScorer:
    vectors = np.hstack([DENSE * math.sqrt(0.5), np.full((4, 3), math.sqrt(0.5 / 3))]).astype(np.float32)
    flags = np.isin(np.arange(4), brief)
    texts, headlines = sparse.csr_matrix(TEXTS), sparse.csr_matrix(HEADLINES)
    return PairScorer(ArticleFeatures(vectors, 2, texts, headlines, PUBLISHED, flags), default_relevance(), links)


def features(row: int, *others: int) -> np.ndarray:
    return scorer().pair_features(scorer().probe(row), np.array(others))


def test_pair_features_equal_those_computed_by_hand() -> None:
    found = features(0, 1, 2)
    np.testing.assert_allclose(found[0], [0.6, 0.64, 0.64, 0.64, math.log(4)], atol=5e-4)  # kept as float16
    np.testing.assert_allclose(found[1], [0, 0, 0, 0, math.log(11)], atol=1e-6)


def test_a_headline_counts_in_the_text_of_the_source_and_not_the_other_way_round() -> None:
    one, other = (features(*each)[0, 2] for each in ((0, 1), (1, 0)))
    assert (one, other) == pytest.approx((0.64, 0.0), abs=5e-4)


def test_an_article_without_known_words_or_date_has_no_words_in_common_and_no_distance() -> None:
    found = features(0, 3)[0]
    np.testing.assert_allclose(found[:4], [-1, 0, 0, 0], atol=1e-6)
    assert np.isnan(found[4])


def test_the_baseline_is_the_mean_over_candidates_and_over_the_dated_ones_for_time() -> None:
    features = np.array([[0.2, 0.1, 0, 0, 1.0], [0.4, 0.0, 0, 0, np.nan]], np.float32)
    found = baseline_of(features)
    assert found.dense == pytest.approx(0.3)
    assert found.log_lexical == pytest.approx((math.log(0.1) + math.log(LEAST_LEXICAL)) / 2)
    assert found.log_weeks == pytest.approx(1.0)
    assert baseline_of(features[:0]) == Baseline(0.0, 0.0, 0.0)


def test_model_inputs_are_logarithms_and_contrasts_and_an_undated_pair_is_as_far_as_usual() -> None:
    features = np.array([[0.5, 0.2, 0.1, 0.7, 3.0], [0.1, 0.0, 0.0, 0.0, np.nan]], np.float32)
    found = model_inputs(features, Baseline(0.4, math.log(0.1), 2.0))
    expected = [
        [0.5, math.log(0.2), 0.1, math.log(2), math.log(0.1), 0.7, 1.0],
        [0.1, math.log(LEAST_LEXICAL), -0.3, math.log(LEAST_LEXICAL / 0.1), math.log(LEAST_HEADLINE), 0, 0],
    ]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_relevance_is_the_logistic_of_the_weighted_inputs() -> None:
    model = Relevance((1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0), -6.5, 0.0, -30.0, "by hand")
    features = np.array([[0.5, 0.2, 0.1, 0.7, 3.0]], np.float32)
    found = model.probability(features, Baseline(0.0, 0.0, 0.0), np.array([False]))
    assert found == pytest.approx([0.5])  # 1 x .5 + 2 x 3 - 6.5 = 0


def test_a_pairs_relevance_is_the_same_in_any_company() -> None:
    random = np.random.default_rng(1)
    features = np.float32(random.random((700, 5)) * (1, 0.5, 0.3, 1, 6))
    brief, baseline = random.random(700) < 0.1, Baseline(0.4, -2.0, 3.0)
    together = default_relevance().probability(features, baseline, brief)
    for at in range(700):
        one = slice(at, at + 1)
        assert default_relevance().probability(features[one], baseline, brief[one]) == together[at]


def test_links_to_the_other_before_the_source_are_the_sixth_feature() -> None:
    links = LinkGraph.of({1: {0: 1.0, 2: 1.0}, 0: {2: 1.0}}, PUBLISHED)
    knowing = scorer(links=links)
    found = knowing.pair_features(knowing.probe(1), np.array([0, 2, 3]))  # row 1 appeared last: its own do not count
    np.testing.assert_allclose(found[:, 5], [0, math.log(2), 0], atol=1e-6)
    np.testing.assert_array_equal(found[:, :5], features(1, 0, 2, 3))


def test_a_model_learned_with_links_weighs_them() -> None:
    model = Relevance((0.0,) * 7, -2.0, 0.0, -30.0, "by hand", link_weight=3.0)
    features = np.array([[0.5, 0.2, 0.1, 0.7, 3.0, math.log(2)], [0.5, 0.2, 0.1, 0.7, 3.0, 0.0]], np.float32)
    found = model.probability(features, Baseline(0.0, 0.0, 0.0), np.array([False, False]))
    assert found == pytest.approx([1 / (1 + math.exp(2 - 3 * math.log(2))), 1 / (1 + math.exp(2))])


def test_for_a_brief_article_the_stronger_of_words_and_meaning_counts() -> None:
    model = Relevance((0.0,) * 7, -2.0, 10.0, 0.0, "by hand")
    features = np.array([[0.6, 0, 0, 0, 0], [-0.6, 0, 0, 0, 0]], np.float32)
    baseline = Baseline(0.0, 0.0, 0.0)
    by_words = 1 / (1 + math.exp(2))
    assert model.probability(features, baseline, np.array([False, False])) == pytest.approx([by_words] * 2)
    by_meaning = 1 / (1 + math.exp(-6))
    assert model.probability(features, baseline, np.array([True, True])) == pytest.approx([by_meaning, by_words])


def test_scores_are_relevance_dense_and_lexical_cosine_as_the_snapshot_stores_them() -> None:
    others = np.array([1, 2])
    knowing = scorer(brief=(2,))
    scored, baseline = knowing.score(knowing.probe(0), others)
    found = features(0, 1, 2)
    expected = default_relevance().probability(found, baseline, np.array([False, True]))
    np.testing.assert_array_equal(scored[:, 0], expected.astype(np.float16).astype(np.float32))
    np.testing.assert_allclose(scored[:, 1:], found[:, :2], atol=1e-3)
    assert baseline == baseline_of(found)


@pytest.mark.parametrize("at", range(5))
def test_by_the_weights_that_ship_more_of_a_feature_is_more_related_and_more_weeks_is_less(at: int) -> None:
    features = np.full((2, 5), 0.3, np.float32)
    features[1, at] += 0.4
    less, more = default_relevance().probability(features, Baseline(0.3, -1.0, 0.3), np.array([False, False]))
    assert (more > less) == (at != 4)


def test_labelled_pairs_mark_the_linked_candidates_in_their_order() -> None:
    headlines = ("A bridge", "The Old Bridge: closed", "Wind farm", "Closed bridge")
    articles = [
        Article(id=each, headline=each, body="They said the old bridge closed at noon.") for each in headlines
    ]
    found = labelled_pairs(scorer(brief=(2,)), articles, 0, np.array([2, 3, 1]), {1: 1.0, 7: 1.0})
    assert found.linked.tolist() == [False, False, True]
    assert found.quoted.tolist() == [False, False, True]
    assert found.brief.tolist() == [True, False, False]
    np.testing.assert_array_equal(found.features[2:], features(0, 1))


def pairs(relevance: dict[tuple[int, int], float], k: int = 3) -> Pairs:
    """Pairs of four articles with these relevances, best first."""
    rows, features = np.full((4, k), -1, np.int64), np.zeros((4, k, 3), np.float32)
    for row in range(4):
        found = sorted(((value, other) for (one, other), value in relevance.items() if one == row), reverse=True)
        for place, (value, other) in enumerate(found):
            rows[row, place], features[row, place, 0] = other, value
    return Pairs(rows, features, [Baseline(0.0, 0.0, 0.0)] * 4)


def brief(*rows: int) -> np.ndarray:
    return np.isin(np.arange(4), rows)


CHAIN = {(0, 1): 0.5, (0, 2): 0.25, (1, 3): 0.5, (2, 3): 0.75, (3, 1): 0.5}


def test_a_brief_article_is_found_through_the_best_article_between() -> None:
    found = by_way_of_others(pairs(CHAIN), scorer(), brief(3))
    assert found.rows[0].tolist() == [1, 3, 2]  # of equals the newer row first
    assert found.features[0, :, 0].tolist() == pytest.approx([0.5, 0.25, 0.25])  # .5 x .5, not .25 x .75
    assert found.features[0, 1, 1] == pytest.approx(-1)  # its own dense cosine with the source


def test_a_worse_direct_answer_of_a_brief_article_is_raised_and_the_list_sorted_again() -> None:
    found = by_way_of_others(pairs({**CHAIN, (0, 2): 0.2, (0, 3): 0.01}), scorer(), brief(3))
    assert found.rows[0].tolist() == [1, 3, 2]
    assert found.features[0, :, 0].tolist() == pytest.approx([0.5, 0.25, 0.2])


def test_a_better_direct_answer_of_a_brief_article_stays() -> None:
    chain = {**CHAIN, (1, 3): 0.04, (2, 3): 0.04}  # the ways give .02 and .01
    direct = float(scorer().score(scorer().probe(0), np.array([3]), Baseline(0.0, 0.0, 0.0))[0][0, 0])
    found = by_way_of_others(pairs({**chain, (0, 3): direct}), scorer(), brief(3))
    assert found.features[0, found.rows[0] == 3, 0] == pytest.approx([max(direct, 0.02)], abs=1e-4)


def test_full_articles_and_brief_sources_keep_their_direct_answers() -> None:
    given = pairs(CHAIN)
    for flags in (brief(), brief(0, 3)):
        found = by_way_of_others(given, scorer(), flags)
        np.testing.assert_array_equal(found.rows[0], given.rows[0])
        np.testing.assert_array_equal(found.features[0], given.features[0])


def test_no_article_is_found_through_others_as_its_own_neighbour() -> None:
    found = by_way_of_others(pairs({(0, 1): 0.9, (1, 0): 0.9, (1, 2): 0.9, (2, 1): 0.9}), scorer(), brief(1))
    for row in range(4):
        assert row not in found.rows[row].tolist()


def test_what_is_found_through_others_pushes_out_the_least_related_of_a_full_row() -> None:
    found = by_way_of_others(pairs({**CHAIN, (0, 2): 0.02}, k=2), scorer(), brief(3))
    assert found.rows[0].tolist() == [1, 3]
