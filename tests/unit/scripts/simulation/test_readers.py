"""The readers of a simulation: that they come and click as their habits say, against the formulas."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from scripts.simulation.readers import DAY, Habits, appeals, clicked, readers, readings

BEGIN = 1_700_000_000 // DAY * DAY
ARTICLES = [f"a/{number}" for number in range(9)]
HABITS = Habits(visits_a_day=0.8, visits_shape=2.0, lists_a_visit=1.5, clicks_a_view=0.5, clicks_shape=1.5)


def drawing(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_readers_differ_as_a_gamma_distribution_says() -> None:
    people = readers(40_000, HABITS, drawing())
    for mean, shape, found in (
        (0.8, 2.0, [each.visits_a_day for each in people]),
        (0.5, 1.5, [each.clicks_a_view for each in people]),
    ):
        assert np.mean(found) == pytest.approx(mean, rel=0.02)
        assert np.var(found) == pytest.approx(mean**2 / shape, rel=0.05)
    assert len({each.unit for each in people}) == 40_000


def test_a_share_of_the_clocks_is_ahead_or_behind() -> None:
    people = readers(100, HABITS, drawing(), wrong_clocks=0.06)
    assert Counter(each.clock_off_seconds for each in people) == {0: 94, 3_600: 3, -3_600: 3}


def test_lists_cluster_by_reader() -> None:
    days = 4
    people = readers(4_000, HABITS, drawing())
    found = Counter(each.reader.unit for each in readings(people, ARTICLES, BEGIN, days, HABITS, drawing()))
    lists = np.array([found[each.unit] for each in people])
    visits = days * HABITS.visits_a_day
    assert lists.mean() == pytest.approx(visits * 1.5, rel=0.05)
    # A visit opens 1 + Poisson(0.5) lists: second moment 1.5**2 + 0.5; visits are gamma-Poisson.
    expected = visits * (1.5**2 + 0.5) + (visits * 1.5) ** 2 / HABITS.visits_shape
    assert lists.var() == pytest.approx(expected, rel=0.1)


def test_articles_are_opened_in_their_days_and_in_order_the_newest_most() -> None:
    people = readers(2_000, HABITS, drawing())
    found = readings(people, ARTICLES, BEGIN, 3, HABITS, drawing())
    moments = [each.at for each in found]
    assert moments == sorted(moments)
    assert BEGIN <= moments[0] < moments[-1] < BEGIN + 3 * DAY
    opened = Counter(each.article for each in found)
    shares = np.array([opened[each] for each in ARTICLES]) / len(found)
    assert shares == pytest.approx(np.log1p(1 / np.arange(1, 10)) / np.log(10), abs=0.02)


def test_clicks_fall_with_the_position_and_rise_with_the_appeal_of_a_story() -> None:
    habits, draw, times = replace(HABITS, examination=1.0), drawing(), 30_000
    appeal = {"top": 1.0, "second": 1.0, "third": 3.0}
    found = Counter(each for _ in range(times) for each in clicked([*appeal], appeal, 0.5, habits, draw))
    # 1 x 1, 1 x 1/2 and 3 x 1/3, of 2.5 in all
    shares = {name: count / times for name, count in found.items()}
    assert shares == pytest.approx({"top": 0.2, "second": 0.1, "third": 0.2}, abs=0.01)


@pytest.mark.parametrize("stories", [1, 2, 6, 20])
def test_a_reader_clicks_as_often_whatever_the_list(stories: int) -> None:
    draw, names, times = drawing(), [f"a/{number}" for number in range(stories)], 20_000
    appeal = dict(zip(names, np.exp(draw.normal(0, 1, stories)).tolist(), strict=True))
    count = sum(len(clicked(names, appeal, 0.3, HABITS, draw)) for _ in range(times))
    assert count / times == pytest.approx(0.3, abs=0.015)


def test_nothing_of_an_empty_list_is_clicked() -> None:
    assert clicked([], {}, 0.5, HABITS, drawing()) == []


def test_the_appeal_of_a_story_halves_with_its_age() -> None:
    habits = replace(HABITS, half_life_days=10.0, taste_sigma=0.0)
    published_at = {"today": BEGIN, "to come": BEGIN + DAY, "old": BEGIN - 10 * DAY, "older": BEGIN - 30 * DAY}
    found = appeals(published_at, BEGIN, habits, drawing())
    assert found == pytest.approx({"today": 1.0, "to come": 1.0, "old": 0.5, "older": 0.25})


def test_a_seed_gives_the_same_readers_and_visits() -> None:
    people = readers(50, HABITS, drawing(3))
    assert people == readers(50, HABITS, drawing(3))
    assert people != readers(50, HABITS, drawing(4))
    visits = readings(people, ARTICLES, BEGIN, 2, HABITS, drawing(3))
    assert visits == readings(people, ARTICLES, BEGIN, 2, HABITS, drawing(3))
