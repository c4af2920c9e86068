"""Simulates readers: who they are, when they come, which stories of a list they click.

Pure but for the generator that is passed in. How often a reader comes and clicks is the reader's habit (gamma), so
that lists and clicks cluster by reader, as real ones do. A story's position and appeal decide which story of a list
is clicked, not how often: two arms with different lists differ only by what was planted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

DAY = 86_400
CERTAIN = 0.9  # no story is clicked more surely


@dataclass(frozen=True)
class Habits:
    """What readers are like on average, and how they differ: a smaller shape makes a few of them do more of all."""

    visits_a_day: float = 0.5
    visits_shape: float = 1.0
    lists_a_visit: float = 2.0  # at least one
    view_rate: float = 0.7  # the share of lists that come into sight
    clicks_a_view: float = 0.3
    clicks_shape: float = 2.0
    examination: float = 0.8  # position k is looked at k ** -0.8 times as often as the first
    half_life_days: float = 60.0  # of a story's appeal
    taste_sigma: float = 0.5  # how much stories of one age differ in appeal, as a logarithm


class Reader(NamedTuple):
    """`clicks_a_view`: expected. `clock_off_seconds`: how far the reader's clock is ahead."""

    unit: str
    visits_a_day: float
    clicks_a_view: float
    clock_off_seconds: int = 0


class Reading(NamedTuple):
    """A reader opens an article, under which stands a list. `at`: epoch seconds."""

    at: int
    reader: Reader
    article: str


def readers(
    count: int, habits: Habits, draw: np.random.Generator, wrong_clocks: float = 0.0, off_seconds: int = 3_600
) -> list[Reader]:
    """So many readers, of whom the share `wrong_clocks` have clocks that are ahead or behind, in turn."""
    visits = draw.gamma(habits.visits_shape, habits.visits_a_day / habits.visits_shape, count)
    clicks = draw.gamma(habits.clicks_shape, habits.clicks_a_view / habits.clicks_shape, count)
    wrong = draw.permutation(count)[: round(wrong_clocks * count)]
    off = dict(zip(wrong.tolist(), [off_seconds, -off_seconds] * count, strict=False))
    return [Reader(f"reader-{at}", float(visits[at]), float(clicks[at]), off.get(at, 0)) for at in range(count)]


def readings(
    people: Sequence[Reader],
    articles: Sequence[str],
    begin: int,
    days: int,
    habits: Habits,
    draw: np.random.Generator,
) -> list[Reading]:
    """What all of them open from `begin` (epoch seconds) on, in the order of time.

    `articles` from the newest: number k is opened in proportion to log(1 + 1/k), as by Zipf's law. No visit outlasts
    its day.
    """
    found = []
    for day in range(days):
        for reader, visits in zip(people, draw.poisson([person.visits_a_day for person in people]), strict=True):
            for _ in range(visits):
                opened = 1 + draw.poisson(habits.lists_a_visit - 1)
                moments = np.sort(draw.integers(0, 1_800, opened)) + draw.integers(0, DAY - 1_800)
                places = (len(articles) + 1) ** draw.random(opened)
                found += [
                    Reading(begin + day * DAY + int(moment), reader, articles[int(place) - 1])
                    for moment, place in zip(moments, places, strict=True)
                ]
    return sorted(found, key=lambda each: each.at)


def appeals(published_at: Mapping[str, int], now: int, habits: Habits, draw: np.random.Generator) -> dict[str, float]:
    """How much readers are drawn to each story: halved by its age, times what chance gave it."""
    tastes = np.exp(draw.normal(0, habits.taste_sigma, len(published_at)))
    ages = (max(0, now - each) / DAY for each in published_at.values())
    fresh = [1 / (1 + age / habits.half_life_days) for age in ages]  # old stories of a story line are read, too
    return {story: float(taste) * new for story, taste, new in zip(published_at, tastes, fresh, strict=True)}


def clicked(
    stories: Sequence[str], appeal: Mapping[str, float], expected: float, habits: Habits, draw: np.random.Generator
) -> list[str]:
    """Which stories of a list in sight are clicked: `expected` of them on average, unless that made one certain."""
    if not stories:
        return []
    drawn = np.array([appeal.get(story, 1.0) for story in stories])
    drawn *= np.arange(1, len(stories) + 1) ** -habits.examination
    chances = np.minimum(expected * drawn / drawn.sum(), CERTAIN)
    return [story for story, hit in zip(stories, draw.random(len(stories)) < chances, strict=True) if hit]
