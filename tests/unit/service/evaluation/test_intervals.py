"""Intervals and tests against enumeration, scipy and small simulations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from service.evaluation.intervals import bootstrap_intervals, holm, sign_flip_p


def column(*values: float) -> np.ndarray:
    return np.array(values, float)[:, None]


def exact_p(differences: np.ndarray) -> float:
    """Share of all sign patterns whose sum is at least as far from 0."""
    sums = np.array([np.dot(signs, differences) for signs in product((-1, 1), repeat=len(differences))])
    return float(np.mean(np.abs(sums) >= abs(differences.sum()) - 1e-9))


def test_the_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).exponential(size=(80, 1))
    oracle = stats.bootstrap((values[:, 0],), np.mean, n_resamples=10_000, method="percentile", rng=2)
    assert bootstrap_intervals(values)[0] == pytest.approx(tuple(oracle.confidence_interval), abs=0.02)


def test_equal_values_have_an_interval_without_width_and_one_source_its_own_value() -> None:
    assert bootstrap_intervals(column(0.5, 0.5, 0.5)).tolist() == [[0.5, 0.5]]
    assert bootstrap_intervals(column(0.25)).tolist() == [[0.25, 0.25]]


def test_nothing_to_resample_is_an_error() -> None:
    with pytest.raises(ValueError, match="no source"):
        bootstrap_intervals(np.zeros((0, 2)))


def test_columns_are_resampled_together() -> None:
    values = np.random.default_rng(3).normal(size=(50, 1))
    both = bootstrap_intervals(np.hstack([values, values + 1]))
    assert both[1] == pytest.approx(both[0] + 1)


def test_one_seed_gives_one_interval() -> None:
    values = np.random.default_rng(4).normal(size=(30, 2))
    assert np.array_equal(bootstrap_intervals(values, seed=5), bootstrap_intervals(values, seed=5))
    assert not np.array_equal(bootstrap_intervals(values, seed=5), bootstrap_intervals(values, seed=6))


def test_about_95_of_100_intervals_hold_the_true_mean() -> None:
    rng = np.random.default_rng(6)
    bounds = bootstrap_intervals(rng.normal(2.0, 1.0, (60, 400)), resamples=1_000)
    covered = np.mean((bounds[:, 0] <= 2) & (bounds[:, 1] >= 2))
    assert 0.90 <= covered <= 0.97  # percentile intervals of 60 values are a little narrow


@pytest.mark.parametrize("n", [1, 4, 7, 10])
def test_p_agrees_with_the_enumeration_of_all_signs(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.4, 1.0, n)
    assert sign_flip_p(differences[:, None])[0] == pytest.approx(exact_p(differences), abs=0.02)


def test_p_agrees_with_scipys_paired_permutation_test() -> None:
    one, other = np.random.default_rng(8).normal([[0.3], [0.0]], size=(2, 40))
    oracle = stats.permutation_test(
        (one, other), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=9_999, rng=9
    )
    assert sign_flip_p((one - other)[:, None])[0] == pytest.approx(oracle.pvalue, abs=0.02)


def test_p_is_uniform_when_there_is_no_difference() -> None:
    p = sign_flip_p(np.random.default_rng(10).normal(size=(40, 500)), flips=999)
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.02 <= np.mean(p < 0.05) <= 0.085


def test_p_is_never_0_and_1_for_no_difference_at_all() -> None:
    assert sign_flip_p(np.ones((30, 1)), flips=99).tolist() == [1 / 100]
    assert sign_flip_p(np.zeros((30, 1)), flips=99).tolist() == [1.0]


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_p_nor_changes_its_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(before <= after <= min(1, len(p) * before) + 1e-12 for before, after in zip(p, adjusted, strict=True))
    order = sorted(range(len(p)), key=p.__getitem__)
    assert [adjusted[place] for place in order] == sorted(adjusted)
