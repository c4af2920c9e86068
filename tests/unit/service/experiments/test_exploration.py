"""The exploring policy shows what it says, as often as it says."""

from __future__ import annotations

import random
from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.experiments.exploration import explored, propensity

LIST, POOL = "abcd", "xyz"


def falls(*values: float) -> object:
    return iter(values).__next__


def exchanges(shown: int, pool: int, epsilon: float, fixed: int) -> Counter[tuple[int, object]]:
    """By enumeration: the probability of each (position, story); own stories are 0.., the pool's "0", "1", .."""
    found: Counter[tuple[int, object]] = Counter()
    stories, beyond = list(range(shown)), [str(n) for n in range(pool)]
    places = [(p, story) for p in range(fixed, shown) for story in beyond]
    outcomes = [(stories, 1 - epsilon if places else 1.0)]
    for place, story in places:
        outcomes.append(([story if n == place else n for n in stories], epsilon / len(places)))
    for items, probability in outcomes:
        for position, item in enumerate(items):
            found[position, item] += probability
    return found


def test_a_lower_story_is_exchanged_for_one_beyond_the_list():
    items, propensities = explored(LIST, POOL, 0.3, 2, falls(0.29, 0.5, 0.4))
    assert items == ["a", "b", "c", "y"]
    assert propensities == pytest.approx([1, 1, 1 - 0.3 / 2, 0.3 / (2 * 3)])


def test_a_list_that_is_not_explored_has_propensities_too():
    items, propensities = explored(LIST, POOL, 0.3, 2, falls(0.3))
    assert items == list(LIST)
    assert propensities == pytest.approx([1, 1, 0.85, 0.85])


@pytest.mark.parametrize(
    ("shown", "pool", "fixed"), [("", POOL, 0), ("", POOL, 2), ("ab", POOL, 2), ("a", POOL, 2), (LIST, "", 2)]
)
def test_without_lower_stories_or_a_pool_nothing_is_exchanged(shown, pool, fixed):
    assert explored(shown, pool, 1.0, fixed, falls()) == (list(shown), [1.0] * len(shown))


def test_never_exploring_leaves_every_propensity_at_one():
    assert explored(LIST, POOL, 0.0, 2, random.Random(1).random) == (list(LIST), [1.0] * 4)


@given(shown=st.integers(0, 8), pool=st.integers(0, 6), fixed=st.integers(0, 9), epsilon=st.floats(0, 1))
def test_every_propensity_is_what_enumeration_gives(shown, pool, fixed, epsilon):
    oracle = exchanges(shown, pool, epsilon, fixed)
    for position in range(shown):
        assert propensity(position, True, shown, pool, epsilon, fixed) == pytest.approx(oracle[position, position])
        for beyond in range(pool):
            claimed = propensity(position, False, shown, pool, epsilon, fixed)
            assert claimed == pytest.approx(oracle[position, str(beyond)])


@given(
    shown=st.integers(0, 8),
    pool=st.integers(0, 6),
    fixed=st.integers(0, 9),
    epsilon=st.floats(0, 1),
    seed=st.integers(),
)
def test_an_explored_list_logs_the_propensity_of_what_it_shows(shown, pool, fixed, epsilon, seed):
    oracle = exchanges(shown, pool, epsilon, fixed)
    beyond = [str(n) for n in range(pool)]
    items, propensities = explored(range(shown), beyond, epsilon, fixed, random.Random(seed).random)
    assert len(items) == len(set(items)) == shown
    assert propensities == pytest.approx([oracle[place] for place in enumerate(items)])


def test_stories_appear_as_often_as_their_propensities_say():
    draw, seen, rounds = random.Random(7).random, Counter(), 20_000
    for _ in range(rounds):
        seen.update(enumerate(explored(LIST, POOL, 0.4, 2, draw)[0]))
    for position, story in product((2, 3), POOL):
        expected = rounds * propensity(position, False, 4, 3, 0.4, 2)
        assert seen[position, story] == pytest.approx(expected, abs=4 * expected**0.5)
    assert seen[2, "c"] == pytest.approx(rounds * 0.8, abs=4 * (rounds * 0.16) ** 0.5)
