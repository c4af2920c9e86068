"""Two rankings in one list: by hand, and by every fall of the coin."""

from __future__ import annotations

import random
from collections import Counter
from itertools import product

import pytest

from service.experiments.team_draft import team_draft

HEADS, TAILS = 0.49, 0.5  # "a" goes first, "b" goes first


def coins(*falls: float) -> object:
    return iter(falls).__next__


def test_the_coin_says_whose_story_stands_first():
    assert team_draft("xy", "yx", 2, coins(HEADS)) == [("x", "a"), ("y", "b")]
    assert team_draft("xy", "yx", 2, coins(TAILS)) == [("y", "b"), ("x", "a")]


def test_rankers_take_turns_with_stories_that_are_not_yet_drafted():
    drafted = team_draft("abcd", "cbef", 6, coins(HEADS, TAILS))
    assert drafted == [("a", "a"), ("c", "b"), ("b", None), ("e", "b"), ("d", "a"), ("f", None)]


def test_identical_rankers_have_no_teams_and_toss_no_coin():
    assert team_draft("wxyz", "wxyz", 3, coins()) == [("w", None), ("x", None), ("y", None)]


def test_a_common_prefix_counts_for_nobody():
    assert team_draft("wxyz", "wxzy", 4, coins(TAILS)) == [("w", None), ("x", None), ("z", "b"), ("y", "a")]


def test_stories_without_a_rival_fill_the_list_and_count_for_nobody():
    assert team_draft("xvw", "y", 9, coins(HEADS)) == [("x", "a"), ("y", "b"), ("v", None), ("w", None)]
    assert team_draft("", "yz", 9, coins()) == [("y", None), ("z", None)]


def test_nothing_ranked_or_no_place_gives_an_empty_list():
    assert team_draft("", "", 5, coins()) == []
    assert team_draft("ab", "ba", 0, coins()) == []


def test_a_last_place_falls_to_either_team_by_the_coin():
    assert team_draft("xy", "zw", 1, coins(HEADS)) == [("x", "a")]
    assert team_draft("xy", "zw", 1, coins(TAILS)) == [("z", "b")]


def test_over_all_falls_of_the_coins_each_position_is_as_often_of_a_as_of_b():
    teams: Counter[tuple[int, str | None]] = Counter()
    for falls in product((HEADS, TAILS), repeat=4):
        for position, (_, team) in enumerate(team_draft("abcdef", "febgha", 5, coins(*falls))):
            teams[position, team] += 1
    assert teams[0, "a"] == teams[0, "b"] == 8
    assert all(teams[position, "a"] == teams[position, "b"] for position in range(5))


def test_a_random_generator_gives_each_ranker_half_of_the_first_places():
    draw = random.Random(20).random
    first = Counter(team_draft("xy", "yx", 2, draw)[0][1] for _ in range(10_000))
    assert first["a"] == pytest.approx(5_000, abs=200)  # four standard deviations
