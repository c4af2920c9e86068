"""The tests of experiments hold what they promise: so often wrong and no oftener, whatever the order of the units.

Short here; the same 5,000 times with `-m proof`. Every draw is from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from statistics import NormalDist

import numpy as np
import pytest
from ab_readers import LISTS, bernoulli_moments, naive_p, readers
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from service.evaluation.experiments.effects import (
    Effect,
    Moments,
    cuped_mean_effect,
    cuped_ratio_effect,
    mean_effect,
    ratio_effect,
)
from service.evaluation.experiments.power import AlwaysValid, FixedHorizon, Rule, power_for_rates, units_for_rates
from service.evaluation.experiments.sample_ratio import sample_ratio_mismatch
from service.evaluation.experiments.sequential import sequential_interval, sequential_p_value

Estimate = Callable[[Moments, Moments], Effect]
ALL: tuple[Estimate, ...] = (ratio_effect, mean_effect, cuped_ratio_effect, cuped_mean_effect)
SHORT, LONG = 400, 5000
UNITS = 1000  # an arm
LOOKS, PER_LOOK = 100, 100  # units an arm that come between two looks
N_STAR = 10_000
RATE, LIFT = 0.1, 0.1


def name(of: object) -> str:
    return getattr(of, "__name__", str(of))


# ---- A/A: nothing differs between the arms


@cache
def aa_effects(times: int) -> dict[str, list[Effect]]:
    """Every test on `times` pairs of arms that are the same."""
    rng = np.random.default_rng(20_261_124)
    found: dict[str, list[Effect]] = {name(each): [] for each in ALL}
    for _ in range(times):
        control, treatment = (Moments.of(arm) for arm in readers(rng, (2, UNITS)))
        for each in ALL:
            found[name(each)].append(each(control, treatment))
    return found


def lift_p(effect: Effect) -> float:
    """Of the lift's interval."""
    return 2 * NormalDist().cdf(-abs(effect.lift / effect.lift_standard_error))


def check_aa(effects: list[Effect], p_of: Callable[[Effect], float], lowest: float, highest: float) -> None:
    p = [p_of(each) for each in effects]
    assert lowest <= np.mean(np.array(p) < 0.05) <= highest
    assert kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize("p_of", [lambda each: each.p_value, lift_p], ids=["difference", "lift"])
@pytest.mark.parametrize("estimate", ALL, ids=name)
def test_where_nothing_differs_five_of_a_hundred_tests_find_something(
    estimate: Estimate, p_of: Callable[[Effect], float]
) -> None:
    check_aa(aa_effects(SHORT)[name(estimate)], p_of, 0.02, 0.085)  # .05 and some three standard errors of 400


@pytest.mark.proof
@pytest.mark.parametrize("p_of", [lambda each: each.p_value, lift_p], ids=["difference", "lift"])
@pytest.mark.parametrize("estimate", ALL, ids=name)
def test_where_nothing_differs_five_of_a_hundred_tests_find_something_5000_times(
    estimate: Estimate, p_of: Callable[[Effect], float]
) -> None:
    check_aa(aa_effects(LONG)[name(estimate)], p_of, 0.042, 0.058)


def test_sample_ratios_are_by_chance_as_often_as_they_say() -> None:
    draws = np.random.default_rng(1).multinomial(10_000, [0.5, 0.3, 0.2], LONG)
    p = [sample_ratio_mismatch(list(row), [0.5, 0.3, 0.2]) for row in draws]
    assert 0.042 <= np.mean(np.array(p) < 0.05) <= 0.058
    assert kstest(p, "uniform").pvalue > 0.01


def naive_and_ours(times: int) -> tuple[float, float]:
    """How often two same arms of readers who click alike in all of their lists seem to differ."""
    rng = np.random.default_rng(7)
    arms = [readers(rng, (2, UNITS), most_lists=60) for _ in range(times)]
    naive = np.mean([naive_p(control, treatment) < 0.05 for control, treatment in arms])
    ours = np.mean([ratio_effect(Moments.of(c), Moments.of(t)).p_value < 0.05 for c, t in arms])
    return float(naive), float(ours)


def test_counting_lists_as_independent_is_wrong_much_oftener() -> None:
    naive, ours = naive_and_ours(SHORT)
    assert naive > 0.15
    assert 0.02 <= ours <= 0.085


@pytest.mark.proof
def test_counting_lists_as_independent_is_wrong_much_oftener_5000_times() -> None:
    naive, ours = naive_and_ours(LONG)
    assert naive > 0.15
    assert 0.042 <= ours <= 0.058


# ---- Looking a hundred times


@cache
def watched(times: int, lift: float) -> np.ndarray:
    """(times, 4) at any of a hundred looks: the fixed test found something, so did the sequential p and interval;
    and the sequential interval left out the truth."""
    rng = np.random.default_rng(11)
    return np.array([_watched_once(rng, lift) for _ in range(times)])


def _watched_once(rng: np.random.Generator, lift: float) -> np.ndarray:
    new = [readers(rng, (LOOKS, PER_LOOK)), readers(rng, (LOOKS, PER_LOOK), lift)]
    arms = [Moments.of(np.empty((0, 4)))] * 2
    seen = np.zeros(4, bool)
    for look in range(LOOKS):
        arms = [Moments.merged((arm, Moments.of(each[look]))) for arm, each in zip(arms, new, strict=True)]
        effect = ratio_effect(*arms)
        low, high = sequential_interval(effect, N_STAR)
        p = sequential_p_value(effect, N_STAR)
        truth = RATE * lift
        seen |= (effect.p_value < 0.05, p < 0.05, not low <= 0 <= high, not low <= truth <= high)
    return seen


def check_looks(times: int) -> None:
    fixed, sequential, interval, _ = watched(times, 0.0).mean(axis=0)
    assert fixed > 0.25
    assert sequential <= 0.05
    assert interval == sequential
    assert watched(times, LIFT)[:, 3].mean() <= 0.05


def test_a_hundred_looks_do_not_make_the_sequential_test_wrong() -> None:
    check_looks(60)


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_a_hundred_looks_do_not_make_the_sequential_test_wrong_5000_times() -> None:
    check_looks(LONG)


# ---- Effects that are there


def planted(times: int) -> dict[str, list[Effect]]:
    rng = np.random.default_rng(3)
    found: dict[str, list[Effect]] = {name(each): [] for each in ALL}
    for _ in range(times):
        arms = Moments.of(readers(rng, (UNITS,))), Moments.of(readers(rng, (UNITS,), LIFT))
        for each in ALL:
            found[name(each)].append(each(*arms))
    return found


def check_planted(times: int) -> None:
    """Right on average, within the error of the average; the interval covers it; adjusting narrows it."""
    found = planted(times)
    for estimate, effects in found.items():
        truth = RATE * LIFT * (LISTS if "mean" in estimate else 1)
        difference = np.array([each.difference for each in effects])
        assert abs(difference.mean() - truth) < 4 * difference.std() / np.sqrt(times)
        assert np.mean([each.standard_error for each in effects]) == pytest.approx(
            difference.std(), rel=4 / np.sqrt(2 * times)
        )
        margin = 4 * np.sqrt(0.05 * 0.95 / times)
        for interval, right in (("interval", truth), ("lift_interval", LIFT)):
            covers = [low <= right <= high for low, high in (getattr(each, interval)() for each in effects)]
            assert np.mean(covers) == pytest.approx(0.95, abs=margin)
    by_unit, by_list = foretold()
    for plain, adjusted, correlation in (
        (mean_effect, cuped_mean_effect, by_unit),
        (ratio_effect, cuped_ratio_effect, by_list),
    ):
        errors = [np.mean([each.standard_error for each in found[name(which)]]) for which in (plain, adjusted)]
        assert errors[1] / errors[0] == pytest.approx(np.sqrt(1 - correlation**2), rel=0.01)


def foretold() -> tuple[float, float]:
    """The correlation of a reader's clicks with the earlier ones: of their number, and of what exceeds the rate."""
    y, x, py, px = readers(np.random.default_rng(4), (400_000,)).T
    beyond = y - y.sum() / x.sum() * x, py - py.sum() / px.sum() * px
    return float(np.corrcoef(y, py)[0, 1]), float(np.corrcoef(*beyond)[0, 1])


def test_a_planted_effect_is_recovered() -> None:
    check_planted(SHORT)


@pytest.mark.proof
def test_a_planted_effect_is_recovered_5000_times() -> None:
    check_planted(LONG)


def check_power(rule: Rule, finds: Callable[[Effect], bool], times: int, within: float) -> None:
    """A tenth of readers click, and 10% more; sizes of which the calculator says 20% to 95%."""
    rng = np.random.default_rng(13)
    for power in (0.2, 0.5, 0.8, 0.95):
        n = units_for_rates(RATE, LIFT, power, rule)
        clicks = rng.binomial(n, [RATE, RATE * (1 + LIFT)], (times, 2))
        found = [finds(ratio_effect(bernoulli_moments(c, n), bernoulli_moments(t, n))) for c, t in clicks]
        assert np.mean(found) == pytest.approx(power_for_rates(RATE, LIFT, n, rule), abs=within)


RULES = {
    "one look": (FixedHorizon(), lambda each: each.p_value < 0.05),
    "always valid": (AlwaysValid(N_STAR), lambda each: sequential_p_value(each, N_STAR) < 0.05),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_calculator_knows_how_often_an_effect_is_found(rule: str) -> None:
    check_power(*RULES[rule], SHORT, 0.08)


@pytest.mark.proof
@pytest.mark.parametrize("rule", RULES)
def test_the_calculator_knows_how_often_an_effect_is_found_5000_times(rule: str) -> None:
    check_power(*RULES[rule], LONG, 0.02)


# ---- Metamorphic: what must change nothing, or only so


SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(20, 200)


def two_arms(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return readers(rng, (n,)), readers(rng, (n + 7,), 0.5)


def same(one: Effect, other: Effect) -> None:
    np.testing.assert_allclose(
        [one.difference, one.standard_error, one.p_value, one.lift or 0],
        [other.difference, other.standard_error, other.p_value, other.lift or 0],
        rtol=1e-8,
        atol=1e-10,
    )


@settings(deadline=None, max_examples=25)
@given(SEEDS, SIZES)
def test_swapping_the_arms_only_turns_the_sign(seed: int, n: int) -> None:
    control, treatment = map(Moments.of, two_arms(seed, n))
    for estimate in ALL:
        there, back = estimate(control, treatment), estimate(treatment, control)
        assert there.difference == pytest.approx(-back.difference, abs=1e-12)
        assert there.standard_error == pytest.approx(back.standard_error, rel=1e-12)
        assert there.p_value == pytest.approx(back.p_value, rel=1e-9)
        assert sequential_p_value(there, 500) == pytest.approx(sequential_p_value(back, 500), rel=1e-9)
        low, high = sequential_interval(there, 500)
        assert sequential_interval(back, 500) == pytest.approx((-high, -low), abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(SEEDS, SIZES)
def test_every_unit_twice_halves_the_variance(seed: int, n: int) -> None:
    """But for ddof: (2n - 1) / (n - 1) in place of 2."""
    arms = two_arms(seed, n)
    for estimate in ALL:
        once = estimate(*map(Moments.of, arms))
        twice = estimate(*(Moments.of(np.repeat(arm, 2, axis=0)) for arm in arms))
        assert twice.difference == pytest.approx(once.difference, abs=1e-9)
        halves = (once.standard_error / twice.standard_error) ** 2
        assert halves * (1 + 1e-9) >= 2
        assert halves <= (2 * n - 1) / (n - 1) * (1 + 1e-9)


@settings(deadline=None, max_examples=25)
@given(SEEDS, SIZES, st.integers(1, 9))
def test_order_and_splits_of_the_units_change_nothing(seed: int, n: int, parts: int) -> None:
    arms = two_arms(seed, n)
    rng = np.random.default_rng(seed)
    split = [Moments.merged(map(Moments.of, np.array_split(rng.permutation(arm), parts))) for arm in arms]
    for estimate in ALL:
        same(estimate(*map(Moments.of, arms)), estimate(*split))


@settings(deadline=None, max_examples=25)
@given(SEEDS, SIZES, st.integers(2, 50))
def test_clicks_in_another_unit_of_measure_change_no_p_and_no_lift(seed: int, n: int, times: int) -> None:
    arms = two_arms(seed, n)
    for estimate in ALL:
        once = estimate(*map(Moments.of, arms))
        scaled = estimate(*(Moments.of(arm * [times, 1, times, 1]) for arm in arms))
        assert scaled.p_value == pytest.approx(once.p_value, rel=1e-7, abs=1e-12)
        assert scaled.difference == pytest.approx(times * once.difference, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=10), st.randoms(use_true_random=False))
def test_the_order_of_the_arms_does_not_matter_to_their_ratio(counts: list[int], random: object) -> None:
    weights = [1 + place for place in range(len(counts))]
    both = list(zip(counts, weights, strict=True))
    random.shuffle(both)
    shuffled = sample_ratio_mismatch([count for count, _ in both], [weight for _, weight in both])
    assert shuffled == pytest.approx(sample_ratio_mismatch(counts, weights), rel=1e-9, abs=1e-300)
