"""Owns what is asked of each day of a test: the damage of one day drowns in the sums of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from service.evaluation.experiments.events_experiment import ExperimentEvents
from service.evaluation.experiments.sample_ratio import mismatched_days
from service.experiments.assignment import assign

CHECKED_UNITS = 20_000  # whose variant is computed again
TOLERATED = 0.01  # share of a day's readers with another variant: one reader a day is none's fault
DUE = 100  # lists that an arm should have in a day; that it has none by chance is out of the question
NAMED = 3  # so many days are named


def day_faults(data: ExperimentEvents) -> list[str]:
    """What makes single days unusable, a sentence each. In an interleaved test all readers are in both variants."""
    if data.experiment.mode == "interleave":
        return []
    return [*_mislabelled(data), *_mismatched(data), *_silent_arms(data)]


def silent_days(data: ExperimentEvents, today: date) -> list[date]:
    """The days of the test before `today` without a list, from the first day with one: a test may begin late."""
    lists_by_day = data.lists_by_day()
    first = min(lists_by_day, default=today)
    days = (min(data.experiment.ends_on, today) - first).days
    return [day for at in range(days) if (day := first + timedelta(days=at)) not in lists_by_day]


def dates(days: Iterable[date]) -> str:
    """The days in words, the first three by their dates."""
    named = [day.isoformat() for day in days]
    more = len(named) - NAMED
    return ", ".join(named[:NAMED]) + (f" and {more} more day{'s' if more > 1 else ''}" if more > 0 else "")


def _mislabelled(data: ExperimentEvents) -> list[str]:
    """The variant of a unit is arithmetic: done again, it shows labels that were mixed up."""
    units, wrong = _assigned_again(data)
    days = [day for day, n in sorted(wrong.items()) if n > max(1, TOLERATED * units[day])]
    if not days:
        return []
    return [
        f"{wrong.total():,} of {units.total():,} readers got another variant than their ID leads to, on "
        f"{dates(days)}: labels were mixed up."
    ]


def _assigned_again(data: ExperimentEvents) -> tuple[Counter[date], Counter[date]]:
    """Of units at random, by the day on which they were first seen: how many there are, and how many are wrong."""
    units: Counter[date] = Counter()
    wrong: Counter[date] = Counter()
    for unit, arm, day in data.some_units(CHECKED_UNITS):
        assigned = assign(data.experiment, unit)
        units[day] += 1
        wrong[day] += assigned is not None and assigned.variant.key != arm
    return units, wrong


def _mismatched(data: ExperimentEvents) -> list[str]:
    variants = data.experiment.variants
    counts = {day: [arms.get(variant.key, 0) for variant in variants] for day, arms in data.newcomers().items()}
    days = mismatched_days(counts, [variant.weight for variant in variants])
    return [f"Readers first seen on {dates(days)} did not fall to the variants as planned."] if days else []


def _silent_arms(data: ExperimentEvents) -> list[str]:
    lists_by_day = data.lists_by_day()
    silent = {
        variant.key: [day for day, lists in lists_by_day.items() if _is_silent(variant.key, variant.weight, lists)]
        for variant in data.experiment.variants
    }
    return [f"“{arm}” has no list on {dates(days)}." for arm, days in silent.items() if days]


def _is_silent(arm: str, weight: float, lists: Mapping[str, int]) -> bool:
    return arm not in lists and weight * sum(lists.values()) >= DUE
