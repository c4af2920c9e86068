"""Whatever two rankers say, an interleaved list is fair to both."""

from __future__ import annotations

import random
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.experiments.interleaving import preference
from service.experiments.team_draft import team_draft

RANKINGS = st.lists(st.integers(0, 9), unique=True, max_size=8)
LIMITS = st.integers(0, 10)
SEEDS = st.integers(0, 2**32)


@given(a=RANKINGS, b=RANKINGS, limit=LIMITS, seed=SEEDS)
def test_no_story_stands_twice_and_the_list_is_as_long_as_it_can_be(
    a: list[int], b: list[int], limit: int, seed: int
) -> None:
    stories = [story for story, _ in team_draft(a, b, limit, random.Random(seed).random)]
    assert len(stories) == len(set(stories)) == min(limit, len({*a, *b}))
    assert set(stories) <= {*a, *b}


@given(a=RANKINGS, b=RANKINGS, limit=LIMITS, seed=SEEDS)
def test_teams_differ_by_one_story_at_most_and_put_only_what_their_ranker_ranked(
    a: list[int], b: list[int], limit: int, seed: int
) -> None:
    drafted = team_draft(a, b, limit, random.Random(seed).random)
    size = Counter(team for _, team in drafted)
    assert abs(size["a"] - size["b"]) <= 1
    assert all(story in (a if team == "a" else b) for story, team in drafted if team)


@given(a=RANKINGS, b=RANKINGS, limit=LIMITS, seed=SEEDS)
def test_swapping_the_rankers_and_the_coin_swaps_the_teams(a: list[int], b: list[int], limit: int, seed: int) -> None:
    drafted = team_draft(a, b, limit, random.Random(seed).random)
    draw = random.Random(seed).random
    swapped = team_draft(b, a, limit, lambda: 0.75 if draw() < 0.5 else 0.25)
    other = {"a": "b", "b": "a", None: None}
    assert swapped == [(story, other[team]) for story, team in drafted]


@given(ranked=RANKINGS, more=RANKINGS, limit=LIMITS, seed=SEEDS)
def test_a_common_beginning_stays_as_it_is_and_counts_for_nobody(
    ranked: list[int], more: list[int], limit: int, seed: int
) -> None:
    behind = [story for story in more if story not in ranked]
    drafted = team_draft([*ranked, *behind], [*ranked, *reversed(behind)], limit, random.Random(seed).random)
    assert drafted[: len(ranked)] == [(story, None) for story in ranked[:limit]]


@given(a=RANKINGS, b=RANKINGS, limit=st.integers(1, 6))
def test_over_all_coins_every_position_is_as_probably_of_a_as_of_b(a: list[int], b: list[int], limit: int) -> None:
    teams: Counter[tuple[int, str | None]] = Counter()
    for coins in product((0.25, 0.75), repeat=3):
        for place, (_, team) in enumerate(team_draft(a, b, limit, iter(coins + (0.25,) * 9).__next__)):
            teams[place, team] += 1
    assert all(teams[place, "a"] == teams[place, "b"] for place in range(limit))


@given(
    lists=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=30),
    order=st.randoms(use_true_random=False),
)
def test_the_order_of_the_rows_changes_nothing_and_swapped_teams_turn_the_sign(
    lists: list[tuple[int, int, int]], order: random.Random
) -> None:
    a, b, units = np.array(lists).T
    found, swapped = preference(a, b, units), preference(b, a, units)
    mixed = preference(*np.array(order.sample(lists, len(lists))).T)
    assert mixed.effect.value == pytest.approx(found.effect.value)
    assert mixed.effect.standard_error == pytest.approx(found.effect.standard_error)
    assert swapped.effect.value == -found.effect.value
    assert swapped.sign_p_value == pytest.approx(found.sign_p_value)
