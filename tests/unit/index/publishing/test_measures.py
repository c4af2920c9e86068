"""Measures of one ranking, against hand-computed values and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from index.publishing.measures import MEASURES, hit, measured, ndcg, recall, reciprocal_rank

GAINS = st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0, 3.0]), min_size=1, max_size=30).filter(any)


def test_ndcg_by_hand_with_grades() -> None:
    found, wanted = [0, 2, 0, 1], [1, 2]
    assert ndcg(found, wanted) == pytest.approx((2 / math.log2(3) + 1 / math.log2(5)) / (2 + 1 / math.log2(3)))


def test_a_linked_article_that_was_not_ranked_counts_in_the_ideal() -> None:
    assert ndcg([1], [1, 1]) == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_the_eleventh_place_counts_for_nothing_in_the_first_ten() -> None:
    found = [0.0] * 10 + [1.0]
    assert (ndcg(found, [1]), recall(found, [1]), hit(found)) == (0, 0, 0)
    assert reciprocal_rank(found) == 1 / 11


@given(GAINS)
def test_ndcg_agrees_with_scikit_learn_when_everything_is_ranked(gains: list[float]) -> None:
    if len(gains) == 1:
        gains = [*gains, 0.0]  # scikit-learn refuses a single document
    scores = -np.arange(len(gains), dtype=float)
    wanted = [gain for gain in gains if gain]
    assert ndcg(gains, wanted) == pytest.approx(ndcg_score([gains], [scores], k=10))


def test_recall_counts_links_not_grades_and_more_than_ten_links_keep_it_below_one() -> None:
    assert recall([0, 3, 1], [3, 1, 1, 1]) == 0.5
    assert recall([1] * 12, [1] * 12) == pytest.approx(10 / 12)


def test_hit_looks_at_the_first_five_only() -> None:
    assert hit([0, 0, 0, 0, 1]) == 1
    assert hit([0, 0, 0, 0, 0, 1]) == 0


def test_reciprocal_rank_is_that_of_the_first_linked_article() -> None:
    assert reciprocal_rank([0, 0, 1, 2]) == pytest.approx(1 / 3)
    assert reciprocal_rank([0, 0]) == 0
    assert reciprocal_rank([]) == 0


@given(GAINS)
def test_every_measure_lies_between_0_and_1_and_the_ideal_order_has_1(gains: list[float]) -> None:
    wanted = [gain for gain in gains if gain]
    assert all(0 <= value <= 1 + 1e-12 for value in measured(gains, wanted))
    best = dict(zip(MEASURES, measured(sorted(gains, reverse=True), wanted), strict=True))
    assert best["ndcg@10"] == pytest.approx(1)
    assert (best["hit@5"], best["mrr"]) == (1, 1)


@given(GAINS, st.data())
def test_moving_a_linked_article_up_never_lowers_a_measure(gains: list[float], data: st.DataObject) -> None:
    wanted = [gain for gain in gains if gain]
    place = data.draw(st.integers(0, len(gains) - 1))
    if place == 0 or gains[place] <= gains[place - 1]:
        return
    moved = [*gains]
    moved[place - 1], moved[place] = moved[place], moved[place - 1]
    pairs = zip(measured(moved, wanted), measured(gains, wanted), strict=True)
    assert all(after >= before - 1e-12 for after, before in pairs)
