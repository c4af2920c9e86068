"""Preferences by hand, and by simulation: false alarms as often as promised, and half the lists of an A/B test."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from service.evaluation.experiments.cluster_robust import clustered_mean
from service.evaluation.experiments.interleaving import preference
from service.experiments.team_draft import team_draft

LOOK = 1 / np.arange(1, 9) ** 0.5  # how often a reader looks at each of eight positions
PLACES = len(LOOK)


def test_identical_rankers_differ_by_exactly_nothing() -> None:
    found = preference(np.zeros(4, int), np.zeros(4, int), np.array(["x", "y", "y", "z"]))
    assert (found.effect.value, found.effect.standard_error, found.effect.p_value) == (0.0, 0.0, 1.0)
    assert (found.units_for_a, found.units_for_b, found.sign_p_value) == (0, 0, 1.0)


def test_clicks_for_a_less_clicks_for_b_a_list() -> None:
    found = preference(np.array([2, 0, 1, 0]), np.array([0, 1, 0, 0]), np.array(["x", "x", "y", "z"]))
    assert (found.lists, found.units, found.clicks_a, found.clicks_b) == (4, 3, 3, 1)
    assert found.effect.value == 0.5
    # Sums of the deviations from 0.5: x 0, y 0.5, z -0.5.
    assert found.effect.standard_error == pytest.approx((3 / 2 * 0.5) ** 0.5 / 4)
    assert (found.units_for_a, found.units_for_b, found.sign_p_value) == (2, 0, 0.5)


def test_no_list_at_all_prefers_nothing() -> None:
    found = preference(np.array([]), np.array([]), np.array([]))
    assert (found.lists, found.effect.value, found.effect.p_value, found.sign_p_value) == (0, 0.0, 1.0, 1.0)


def test_one_reader_alone_proves_nothing() -> None:
    found = preference(np.full(1_000, 1), np.zeros(1_000), np.full(1_000, "x"))
    assert (found.effect.value, found.effect.standard_error, found.effect.p_value) == (1.0, np.inf, 1.0)


def test_with_one_list_a_reader_the_error_is_that_of_the_one_sample_test() -> None:
    values = np.random.default_rng(1).normal(0.1, 1, 500)
    found = clustered_mean(values, np.arange(500))
    assert found.standard_error == pytest.approx(stats.sem(values))
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(values.mean()) / stats.sem(values)))


def test_swapping_the_rankers_turns_the_sign_and_doubling_every_reader_halves_the_variance() -> None:
    rng = np.random.default_rng(2)
    a, b, units = rng.poisson(0.3, 400), rng.poisson(0.2, 400), rng.integers(0, 90, 400)
    found, swapped = preference(a, b, units), preference(b, a, units)
    assert swapped.effect.value == -found.effect.value
    assert swapped.effect.p_value == pytest.approx(found.effect.p_value)
    twice = preference(np.tile(a, 2), np.tile(b, 2), np.concatenate([units, units + 1_000]))
    # Exactly half, but for u / (u - 1).
    u = len(np.unique(units))
    assert twice.effect.standard_error**2 / found.effect.standard_error**2 == pytest.approx((u - 1) / (2 * u - 1))


def drafts(a: list[int], b: list[int], rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """(rounds, 8) stories and teams (1 for a, -1 for b, 0) of lists that both rankers made."""
    draw = random.Random(3).random
    lists = [team_draft(a, b, PLACES, draw) for _ in range(rounds)]
    signs = {"a": 1, "b": -1, None: 0}
    return (
        np.array([[story for story, _ in drafted] for drafted in lists]),
        np.array([[signs[team] for _, team in drafted] for drafted in lists]),
    )


def clicks(shown: np.ndarray, attraction: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.random(shown.shape) < LOOK * attraction[shown]


BETTER, WORSE = list(range(16)), [3, 1, 0, 6, 2, 9, 5, 4, 12, 8, 7, 10, 11, 14, 13, 15]


def powers(lists: int, rounds: int) -> tuple[float, float]:
    """How often each finds the better ranker: interleaving with so many lists, an A/B test with twice as many."""
    rng = np.random.default_rng(4)
    attraction = np.linspace(0.16, 0.04, 16)
    shown, teams = drafts(BETTER, WORSE, 500)
    found, found_by_ab = 0, 0
    for _ in range(rounds):
        of = rng.integers(0, len(shown), lists)
        clicked = clicks(shown[of], attraction, rng)
        effect = preference(
            (clicked & (teams[of] == 1)).sum(1), (clicked & (teams[of] == -1)).sum(1), np.arange(lists)
        )
        found += effect.effect.p_value < 0.05 and effect.effect.value > 0
        arms = [clicks(np.tile(each[:PLACES], (lists, 1)), attraction, rng).sum(1) for each in (BETTER, WORSE)]
        found_by_ab += stats.ttest_ind(*arms).pvalue < 0.05 and arms[0].mean() > arms[1].mean()
    return found / rounds, found_by_ab / rounds


def test_interleaving_finds_with_half_the_lists_more_than_an_ab_test_finds() -> None:
    interleaved, by_ab = powers(lists=1_500, rounds=100)
    assert 0.02 <= by_ab <= 0.3
    assert interleaved >= 0.7


def false_alarms(rounds: int, units: int = 300) -> np.ndarray:
    """p-values where both rankers are equally good, and each reader has a habit of clicking: one list or many."""
    rng = np.random.default_rng(5)
    shown, teams = drafts(list(range(16)), [1, 0, 3, 2, 5, 4, 7, 6, *range(8, 16)], 500)
    p_values = []
    for _ in range(rounds):
        reader = np.repeat(np.arange(units), rng.geometric(0.3, units))
        taste, habit = rng.random((units, 16)), rng.gamma(0.5, 0.4, units)
        of = rng.integers(0, len(shown), len(reader))
        looks = rng.random((len(reader), PLACES)) < LOOK
        clicked = looks & (
            rng.random(looks.shape) < np.minimum(habit[reader, None] * taste[reader[:, None], shown[of]], 1)
        )
        outcome = preference((clicked & (teams[of] == 1)).sum(1), (clicked & (teams[of] == -1)).sum(1), reader)
        p_values.append(outcome.effect.p_value)
    return np.array(p_values)


def test_equally_good_rankers_raise_the_alarm_one_time_in_twenty() -> None:
    assert 0.02 <= np.mean(false_alarms(400) < 0.05) <= 0.085


@pytest.mark.proof
def test_equally_good_rankers_raise_the_alarm_one_time_in_twenty_over_5_000_experiments() -> None:
    p_values = false_alarms(5_000)
    assert 0.042 <= np.mean(p_values < 0.05) <= 0.058
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.proof
@pytest.mark.parametrize("lists", [600, 1_200, 2_400])
def test_interleaving_finds_with_half_the_lists_more_than_an_ab_test_finds_1_000_times(lists: int) -> None:
    interleaved, by_ab = powers(lists, rounds=1_000)
    assert interleaved >= by_ab + 0.2


def test_both_teams_stand_equally_often_at_every_position() -> None:
    _, teams = drafts(list(range(16)), [1, 0, 3, 2, 5, 4, 7, 6, *range(8, 16)], 4_000)
    for at in range(PLACES):
        count = Counter(teams[:, at].tolist())
        assert count[1] == pytest.approx(2_000, abs=130)
        assert count[0] == 0
