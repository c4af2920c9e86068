"""service/evaluation/experiments/effects.py: the design's values, tea-tasting's and scipy's; what cannot be told is
said."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from ab_readers import naive_p, readers, synthetic_arms
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import norm

from service.evaluation.experiments.effects import (
    Effect,
    Moments,
    NoEffect,
    cuped_mean_effect,
    cuped_ratio_effect,
    mean_effect,
    ratio_effect,
)

ALL = (ratio_effect, mean_effect, cuped_ratio_effect, cuped_mean_effect)
# Two small arms worked by hand: [clicks, lists, earlier clicks, earlier lists].
CONTROL = [[0, 1, 0, 1], [2, 2, 1, 1], [1, 3, 0, 1], [1, 2, 1, 1]]
TREATMENT = [[2, 2, 1, 1], [1, 1, 0, 1], [3, 3, 2, 1], [0, 2, 1, 1]]


@pytest.fixture(scope="module")
def arms(data_dir: Path) -> tuple[Moments, Moments]:
    control, treatment = synthetic_arms(data_dir)
    return Moments.of(control), Moments.of(treatment)


def near(value: float) -> object:
    return pytest.approx(value, abs=1e-9)


def test_clicks_per_list_are_the_designs(arms: tuple[Moments, Moments]) -> None:
    effect = ratio_effect(*arms)
    assert effect.control == pytest.approx(0.0566732613, abs=1e-10)
    assert effect.treatment == pytest.approx(0.0610985882, abs=1e-10)
    assert effect.difference == near(0.0044253269)
    assert effect.standard_error == near(0.0022664718)
    assert effect.p_value == near(0.0508767391)
    assert (effect.theta, effect.n_control, effect.n_treatment) == (None, 5000, 5000)


def test_the_lift_is_the_designs(arms: tuple[Moments, Moments]) -> None:
    effect = ratio_effect(*arms)
    assert effect.lift == near(0.0780849171)
    assert effect.lift_standard_error == pytest.approx(0.0415462, abs=1e-8)


def test_clicks_per_unit_are_the_designs(arms: tuple[Moments, Moments]) -> None:
    assert mean_effect(*arms).difference == near(0.0396)
    effect = cuped_mean_effect(*arms)
    assert effect.difference == near(0.0346664645)
    assert effect.theta == near(0.1713033158)
    assert effect.standard_error == near(0.0168050398)


def test_adjusted_clicks_per_list_are_the_designs(arms: tuple[Moments, Moments]) -> None:
    effect = cuped_ratio_effect(*arms)
    assert effect.difference == near(0.0034360389)
    assert effect.p_value == near(0.1213547518)
    assert effect.theta == near(0.2072660755)


def test_counting_lists_as_independent_calls_it_significant(data_dir: Path, arms: tuple[Moments, Moments]) -> None:
    assert naive_p(*synthetic_arms(data_dir)) == pytest.approx(0.0153, abs=5e-5)
    assert ratio_effect(*arms).p_value > 0.05


@pytest.mark.parametrize("estimate", ALL, ids=lambda each: each.__name__)
def test_tea_tasting_finds_the_same(estimate: object, data_dir: Path) -> None:
    metrics = pytest.importorskip("tea_tasting.metrics")
    from tea_tasting.aggr import Aggregates

    control, treatment = synthetic_arms(data_dir)
    names = ("y", "x", "py", "px")

    def aggregates(rows: np.ndarray) -> Aggregates:
        cov = np.cov(rows.T)
        return Aggregates(
            count_=len(rows),
            mean_=dict(zip(names, rows.mean(axis=0).tolist(), strict=True)),
            var_={name: float(cov[i, i]) for i, name in enumerate(names)},
            cov_={(a, b): float(cov[i, j]) for i, a in enumerate(names) for j, b in enumerate(names) if i < j},
        )

    oracle = {
        ratio_effect: metrics.RatioOfMeans("y", "x", use_t=False),
        mean_effect: metrics.Mean("y", use_t=False),
        cuped_ratio_effect: metrics.RatioOfMeans("y", "x", "py", "px", use_t=False),
        cuped_mean_effect: metrics.Mean("y", "py", use_t=False),
    }[estimate]
    theirs = oracle.analyze_aggregates(aggregates(control), aggregates(treatment))
    ours = estimate(Moments.of(control), Moments.of(treatment))
    assert (ours.control, ours.treatment) == (near(theirs.control), near(theirs.treatment))
    assert ours.p_value == near(theirs.pvalue)
    assert ours.difference / ours.standard_error == near(theirs.statistic)
    assert ours.lift == near(theirs.rel_effect_size)
    assert ours.interval() == (near(theirs.effect_size_ci_lower), near(theirs.effect_size_ci_upper))


def test_a_small_test_worked_by_hand() -> None:
    effect = ratio_effect(Moments.of(CONTROL), Moments.of(TREATMENT))
    # Control: 4 clicks in 8 lists; y - x / 2 = -.5, 1, -.5, 0. Treatment: 6 in 8; y - 3x / 4 = .5, .25, .75, -1.5.
    v_c, v_t = 1.5 / 3 / 4 / 4, 3.125 / 3 / 4 / 4
    assert (effect.control, effect.treatment, effect.difference, effect.lift) == (0.5, 0.75, 0.25, 0.5)
    assert effect.standard_error == near(math.sqrt(v_c + v_t))
    assert effect.p_value == near(2 * norm.sf(0.25 / math.sqrt(v_c + v_t)))
    assert effect.lift_standard_error == near(math.sqrt(v_t / 0.5**2 + 0.75**2 * v_c / 0.5**4))


def test_intervals_are_so_many_standard_errors_wide() -> None:
    effect = Effect(2, 3, 1.0, 0.5, 0.05, 0.5, None, 10, 10, 0.125, 0.125)
    assert effect.interval() == (near(1 - 0.5 * norm.isf(0.025)), near(1 + 0.5 * norm.isf(0.025)))
    assert effect.interval(0.1)[1] == near(1 + 0.5 * norm.isf(0.05))


def test_a_lifts_interval_worked_by_hand() -> None:
    """Control 10 and treatment 5, variances 1 and 1, z = 2: 96 r^2 - 100 r + 21 = 0, so r is 7/24 or 3/4."""
    low, high = Effect(10, 5, -5, 2**0.5, 0.0, -0.5, None, 10, 10, 1.0, 1.0).lift_within(2.0)
    assert (1 + low, 1 + high) == (pytest.approx(7 / 24), pytest.approx(3 / 4))


@given(
    control=st.floats(0.01, 10), treatment=st.floats(0.0, 10), v_c=st.floats(1e-6, 10), v_t=st.floats(1e-6, 10),
    z=st.floats(0.5, 5),
)  # fmt: skip
@example(control=0.05, treatment=1.0, v_c=0.01, v_t=1.0, z=0.5)  # control = z sqrt(v_c), but for rounding
@example(control=1.0, treatment=1.0, v_c=1 - 1e-9, v_t=1.0, z=1.0)
def test_a_lifts_interval_holds_what_no_test_rejects(
    control: float, treatment: float, v_c: float, v_t: float, z: float
) -> None:
    """Each lift is tested by itself; none is below -100%, and 0 is rejected exactly where the difference is told."""
    difference, error = treatment - control, math.sqrt(v_c + v_t)
    effect = Effect(control, treatment, difference, error, 0.5, difference / control, None, 10, 10, v_c, v_t)
    found = effect.lift_within(z)
    if found is None:
        assert treatment == 0 or control <= z * math.sqrt(v_c) * (1 + 1e-9)
        return
    low, high = found
    assert -1 <= low <= effect.lift <= high

    def distance(lift: float) -> float:
        return abs(treatment - (1 + lift) * control) / math.sqrt(v_t + (1 + lift) ** 2 * v_c)

    for inside in (low + (high - low) * share for share in (0.01, 0.5, 0.99)):
        assert distance(inside) <= z * (1 + 1e-6)
    assert distance(high) == pytest.approx(z, rel=1e-4)
    assert distance(high + 0.01 * (high - low)) >= z * (1 - 1e-6)
    if low > -1:
        assert distance(low) == pytest.approx(z, rel=1e-4)
    if abs(abs(difference) / error - z) > 1e-6:
        assert (low <= 0 <= high) == (abs(difference) / error <= z)


@pytest.mark.parametrize("lift", [0.0, 0.5, -0.5])
def test_a_lifts_interval_of_few_clicks_covers_the_lift_and_stays_in_its_range(lift: float) -> None:
    """150 readers an arm with some 60 clicks: the interval of one look misses the truth one time in twenty."""
    rng = np.random.default_rng(20_261_201)
    missed, times = 0, 2_000
    for _ in range(times):
        arms = (Moments.of(readers(rng, (150,), each) * [1, 1, 0, 0]) for each in (0.0, lift))
        low, high = ratio_effect(*arms).lift_interval() or (-1.0, math.inf)
        assert low >= -1
        missed += not low <= lift <= high
    assert 0.03 <= missed / times <= 0.07


def test_where_no_bound_can_be_told_there_is_no_interval() -> None:
    """Either all large lifts are possible, or the variant has no click whose variance would tell anything."""
    assert Effect(1, 2, 1, 1.0, 0.3, 1.0, None, 10, 10, 0.5, 0.5).lift_within(2.0) is None
    assert Effect(1, 0, -1, 0.1, 0.0, -1.0, None, 10, 10, 0.01, 0.0).lift_within(2.0) is None


def test_moments_are_numpys() -> None:
    rows = readers(np.random.default_rng(1), (50,))
    moments = Moments.of(rows)
    assert moments.n == 50
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(moments.cov, np.cov(rows.T), rtol=1e-12)


def test_no_unit_and_one_unit_have_moments_too() -> None:
    none, one = Moments.of(np.empty((0, 4))), Moments.of([CONTROL[1]])
    assert (none.n, none.mean.tolist(), none.cov.tolist()) == (0, [0.0] * 4, [[0.0] * 4] * 4)
    assert (one.n, one.mean.tolist(), one.cov.tolist()) == (1, [2.0, 2.0, 1.0, 1.0], [[0.0] * 4] * 4)
    assert Moments.merged([one]).mean.tolist() == one.mean.tolist()
    assert Moments.merged([]).n == 0
    assert Moments.merged([]).mean.tolist() == [0.0] * 4
    assert Moments.merged([]).cov.tolist() == [[0.0] * 4] * 4


@pytest.mark.parametrize("n", [2, 3, 4])
def test_units_one_by_one_add_up_to_all(n: int) -> None:
    whole = Moments.of(CONTROL[:n])
    np.testing.assert_allclose(whole.cov, np.cov(np.array(CONTROL[:n]).T), atol=1e-15)
    merged = Moments.merged([Moments.of(np.empty((0, 4))), *(Moments.of([row]) for row in CONTROL[:n])])
    assert merged.n == n
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-15)
    np.testing.assert_allclose(merged.cov, whole.cov, atol=1e-15)


@pytest.mark.parametrize("rows", [[1.0, 2, 3, 4], [[1, 2, 3]], [[1, 2, 3, math.nan]], [[1, 2, math.inf, 4]]])
def test_other_than_finite_rows_of_four_are_refused(rows: list[float]) -> None:
    with pytest.raises(ValueError, match="finite rows"):
        Moments.of(rows)


@pytest.mark.parametrize("estimate", ALL, ids=lambda each: each.__name__)
@pytest.mark.parametrize("few", [0, 1])
def test_an_arm_without_two_units_is_named(estimate: object, few: int) -> None:
    enough, short = Moments.of(CONTROL), Moments.of(np.array(TREATMENT, float)[:few].reshape(few, 4))
    for pair, arm in (((enough, short), "treatment"), ((short, enough), "control")):
        with pytest.raises(NoEffect) as caught:
            estimate(*pair)
        assert caught.value.arm == arm
        assert caught.value.reason == "fewer than two units"
        assert str(caught.value) == f"the {arm} has fewer than two units"


def test_an_arm_without_lists_is_named() -> None:
    without = Moments.of([[0, 0, 0, 0], [0, 0, 1, 2]])
    for estimate in (ratio_effect, cuped_ratio_effect):
        with pytest.raises(NoEffect, match="the treatment has no lists"):
            estimate(Moments.of(CONTROL), without)
        with pytest.raises(NoEffect, match="the control has no lists"):
            estimate(without, Moments.of(CONTROL))
    assert mean_effect(Moments.of(CONTROL), without).treatment == 0


def test_two_units_are_enough() -> None:
    assert ratio_effect(Moments.of(CONTROL[:2]), Moments.of(TREATMENT[1:3])).n_control == 2


@pytest.mark.parametrize("rate", [0.0, 0.1, 1 / 3, 1.0])
def test_units_that_do_not_differ_give_no_effect(rate: float) -> None:
    """A third of 3, 6 and 9 lists: rounding must not pass for a variance, nor its root for a number."""
    same = Moments.of([[lists * rate, lists, 0, 0] for lists in (3, 6, 9, 7)])
    for estimate in (ratio_effect, cuped_ratio_effect):
        with pytest.raises(NoEffect) as caught:
            estimate(same, same)
        assert caught.value.arm == "both"
        assert str(caught.value) == "both arms have no unit that differs from another"


def test_a_control_without_clicks_has_a_difference_but_no_lift() -> None:
    silent = Moments.of([[0, lists, 0, 1] for lists in (1, 2, 3)])
    effect = ratio_effect(silent, Moments.of(TREATMENT))
    assert (effect.control, effect.difference) == (0, 0.75)
    assert (effect.lift, effect.lift_standard_error, effect.lift_interval()) == (None, None, None)


def test_one_arm_of_the_same_units_still_has_the_other_ones_error() -> None:
    silent = Moments.of([[0, lists, 0, 1] for lists in (1, 2, 3)])
    assert ratio_effect(silent, Moments.of(TREATMENT)).standard_error == near(math.sqrt(3.125 / 3 / 4 / 4))


@pytest.mark.parametrize(
    ("adjusted", "plain"), [(cuped_ratio_effect, ratio_effect), (cuped_mean_effect, mean_effect)]
)
def test_without_an_earlier_time_the_adjusted_effect_is_the_plain_one(adjusted: object, plain: object) -> None:
    rows = np.array(CONTROL, float), np.array(TREATMENT, float)
    unseen = [np.column_stack([each[:, :2], np.zeros((4, 2))]) for each in rows]
    for pair in (unseen, [unseen[0], rows[1] * [1, 1, 0, 1]], [rows[0] * [1, 1, 0, 1], unseen[1]]):
        control, treatment = (Moments.of(each) for each in pair)
        found, expected = adjusted(control, treatment), plain(control, treatment)
        assert found.theta == 0
        assert (found.difference, found.standard_error) == (expected.difference, expected.standard_error)


def test_a_perfect_forecast_leaves_only_the_effect() -> None:
    """In the test everyone clicks three times as often as earlier, and in the treatment once more."""
    earlier = np.array([0.0, 1, 2, 5, 7, 9])
    control = np.column_stack([3 * earlier + np.array([0, 1, 0, 1, 0, 1]), earlier + 1, earlier, earlier + 1])
    treatment = control + np.array([1, 0, 0, 0])
    effect = cuped_mean_effect(Moments.of(control), Moments.of(treatment))
    assert effect.difference == near(1)
    assert effect.theta == pytest.approx(3, abs=0.1)
    assert effect.standard_error < mean_effect(Moments.of(control), Moments.of(treatment)).standard_error / 10


def test_a_list_for_every_other_reader_is_enough() -> None:
    """Fewer lists than units, in the test (some saw none of theirs) and earlier."""
    arms = [np.vstack([rows, np.zeros((6, 4))]) for rows in (CONTROL, TREATMENT)]
    control, treatment = (Moments.of(arm) for arm in arms)
    assert ratio_effect(control, treatment).difference == near(0.25)
    theta = cuped_ratio_effect(control, treatment).theta
    whole = np.vstack(arms)
    y, x, py, px = whole.T
    z, pz = y - y.sum() / x.sum() * x, py - py.sum() / px.sum() * px
    assert theta == near(np.cov(z, pz)[0, 1] / np.var(pz, ddof=1) / x.mean() * px.mean())
