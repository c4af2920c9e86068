"""Clicked stories under other lists, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from service.evaluation.experiments.replay import LoggedList, replay

LISTS = [
    LoggedList(0, "a1", "ann", ("x", "y", "z"), frozenset("z")),
    LoggedList(0, "a2", "ann", ("x", "y", "z"), frozenset("xy")),
    LoggedList(0, "a3", "bob", ("x", "y", "z"), frozenset()),
    LoggedList(0, "a4", "cid", ("z", "x"), frozenset("z")),
]


def test_the_same_lists_gain_exactly_nothing() -> None:
    found = replay(LISTS, lambda logged: logged.items)
    assert (found.lists, found.gain.value, found.gain.standard_error, found.gain.p_value) == (3, 0.0, 0.0, 1.0)
    assert (found.kept, found.never_shown) == (1.0, 0.0)


def test_clicked_stories_that_stand_higher_are_a_gain() -> None:
    found = replay(LISTS, lambda _: "zyx")
    assert found.logged.value == pytest.approx((1 / 3 + (1 + 1 / 2) / 2 + 1) / 3)
    assert found.anew.value == pytest.approx((1 + (1 / 3 + 1 / 2) / 2 + 1) / 3)
    assert found.gain.value == pytest.approx((2 / 3 - 1 / 3 + 0) / 3)
    assert found.kept == 1.0
    assert found.never_shown == pytest.approx(1 / 9)  # y was not in the last list


def test_a_clicked_story_that_the_new_list_lacks_counts_zero_and_new_stories_say_nothing() -> None:
    found = replay(LISTS, lambda _: ["new", "z"])
    assert found.anew.value == pytest.approx((1 / 2 + 0 + 1 / 2) / 3)
    assert found.kept == pytest.approx(2 / 4)
    assert found.never_shown == pytest.approx(3 / 6)


def test_the_error_is_over_readers_not_lists() -> None:
    found = replay(LISTS, lambda _: "zyx")
    gains, mean = np.array([2 / 3 - 1 / 3, 0]), 1 / 9  # of ann, of cid
    deviations = np.array([gains[0] - 2 * mean, gains[1] - mean])
    assert found.gain.standard_error == pytest.approx((2 * (deviations**2).sum()) ** 0.5 / 3)


def test_no_clicked_list_says_nothing() -> None:
    found = replay([LISTS[2]], lambda logged: logged.items)
    assert (found.lists, found.gain.value, found.kept, found.never_shown) == (0, 0.0, 0.0, 0.0)
    assert found.gain.p_value == 1.0
