"""Owns one experiment's part of the event log: per arm, what the statistics need, from sums that DuckDB makes.

A unit counts in an arm if it was seen in that arm only, was not put there by an override and is no bot. Clicks and
views count for the day on which their list was shown. Bots are looked for over the test and the days before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations_with_replacement
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from service.evaluation.experiments.effects import Z95, Moments, ratio_standard_error
from service.evaluation.experiments.events import Events, set_variables, sql
from service.experiments.definitions import INTERLEAVED, Experiment

Denominator = Literal["exposures", "views"]
ByArm = dict[str, Moments]

BEFORE_DAYS = 14  # the covariates' days before the test
BOT_CLICKS = 100  # a day: no reader clicks more
BOT_EXPOSURES = 1_000  # a day
GROUPS = 20  # of readers, for the variance of coverage: as in batch means
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Counts:
    """Of one arm, what the analysis uses."""

    units: int
    lists: int
    viewed: int
    clicks: int


@dataclass(frozen=True)
class Segment:
    """The units' lists of one kind: `name` is block, part (the article ID's first path part) or readers (before)."""

    name: str
    value: str
    moments: ByArm


@dataclass(frozen=True)
class Quantile:
    """A quantile of the time that a list took. The standard error allows for lists clustered by unit."""

    value_ms: float
    standard_error_ms: float
    lists: int


@dataclass(frozen=True)
class Interleaved:
    """Lists of two interleaved policies on which these competed, a row each. Units are numbered from 0."""

    unit: npt.NDArray[np.int64]
    clicks_a: npt.NDArray[np.int64]
    clicks_b: npt.NDArray[np.int64]


@dataclass(frozen=True)
class ExperimentEvents:
    """One experiment's events. Arms without a unit are absent from every answer."""

    events: Events
    experiment: Experiment

    def counts(self) -> dict[str, Counts]:
        """By arm; units are what the sample ratio is of."""
        return {arm: Counts(*rest) for arm, *rest in self.events.rows("FROM arm_counts()")}

    def newcomers(self) -> dict[date, dict[str, int]]:
        """By day and arm, how many units were first seen then."""
        return _nested((_date(day), arm, n) for day, arm, n in self.events.rows("FROM newcomers()"))

    def some_units(self, most: int) -> list[tuple[str, str, date]]:
        """Units at random, always the same ones: the unit, its arm, and the day on which it was first seen."""
        query = "SELECT unit, arm, first_day FROM units ORDER BY hash(unit), unit LIMIT $most"
        return [(unit, arm, _date(day)) for unit, arm, day in self.events.rows(query, most=most)]

    def lists_by_day(self) -> dict[date, dict[str, int]]:
        """By day and arm."""
        return _nested((_date(day), arm, n) for day, arm, n in self.events.rows("FROM lists_by_day()"))

    def view_rate(self) -> ByArm:
        """Over the units with a list that has stories: y such lists that were viewed, x such lists."""
        return {arm: moments_of(sums) for arm, sums in self.events.rows("FROM views_by_arm()")}

    def orphans(self) -> dict[str, tuple[int, int]]:
        """By arm as logged: views and clicks of lists that the log does not have, and all views and clicks."""
        return {arm: (orphans, events) for arm, orphans, events in self.events.rows("FROM orphans ORDER BY arm")}

    def moments(self, denominator: Denominator) -> ByArm:
        """Over the units with a list (or a viewed one): y clicks, x lists; before the test, py clicks, px lists.

        Of `views`, the clicks are those on viewed lists.
        """
        rows = self.events.rows("FROM arm_moments($denominator)", denominator=denominator)
        return {arm: moments_of(sums) for arm, sums in rows}

    def by_day(self, denominator: Denominator) -> dict[date, ByArm]:
        """The moments of each day's lists, over the units of that day."""
        rows = self.events.rows("FROM day_moments($denominator)", denominator=denominator)
        return _nested((_date(day), arm, moments_of(sums)) for day, arm, sums in rows)

    def looks(self, denominator: Denominator) -> dict[date, ByArm]:
        """The moments of the test so far, at the end of each day: what one who looks every day sees."""
        running: dict[str, list[int]] = defaultdict(lambda: [0] * 15)
        looks: dict[date, ByArm] = {}
        rows = self.events.rows("FROM look_changes($denominator)", denominator=denominator)
        for day, changes in _nested((day, arm, (came, went)) for day, arm, came, went in rows).items():
            for arm, (came, went) in changes.items():
                running[arm] = [a + b - c for a, b, c in zip(running[arm], came, went, strict=True)]
            looks[_date(day)] = {arm: moments_of(sums) for arm, sums in sorted(running.items())}
        return looks

    def by_segment(self, denominator: Denominator) -> list[Segment]:
        """The same for kinds of lists: by block, by part of the site, by readers (new, or seen before the test)."""
        rows = self.events.rows("FROM segment_moments($denominator)", denominator=denominator)
        nested = _nested(((name, value), arm, moments_of(sums)) for name, value, arm, sums in rows)
        return [Segment(name, value, by_arm) for (name, value), by_arm in nested.items()]

    def guardrails(self) -> dict[str, ByArm]:
        """By guardrail: a ratio with y the sum over a unit's lists, x the lists that have the figure; py = px = 0.

        `coverage`: of the arms' units in groups of one size, y is the number of different stories that a group was
        shown, x is 1: `mean_effect` compares arms of different sizes too. `view_rate` is no guardrail but a check.
        """
        rows = self.events.rows("FROM guardrail_moments()")
        by_name = _nested((name, arm, moments_of(sums, scale)) for name, scale, arm, sums in rows)
        return by_name | {"coverage": self._coverage()}

    def latency(self) -> dict[str, dict[str, Quantile]]:
        """`latency_p95_ms` and `latency_p99_ms` by arm, to a microsecond."""
        times = _nested(self.events.rows("FROM times()"))
        return {
            name: {arm: self._quantile(arm, share, histogram) for arm, histogram in times.items()}
            for name, share in (("latency_p95_ms", 0.95), ("latency_p99_ms", 0.99))
        }

    def interleaved(self) -> Interleaved:
        """Empty where the experiment is not of mode `interleave`."""
        columns = self.events.connection.execute("FROM interleaved_lists()").fetchnumpy()
        return Interleaved(*(np.asarray(columns[name], np.int64) for name in ("unit", "clicks_a", "clicks_b")))

    def _coverage(self) -> ByArm:
        smallest = min((counts.units for counts in self.counts().values()), default=0)
        rows = self.events.rows("FROM coverage_moments($size)", size=max(1, smallest // GROUPS))
        return {arm: moments_of(sums) for arm, sums in rows}

    def _quantile(self, arm: str, share: float, histogram: dict[int, int]) -> Quantile:
        """*Source*: Liu et al. 2019, "Large scale online experimentation with quantile metrics": outer interval."""
        values, cumulative = list(histogram), np.cumsum(list(histogram.values()))
        lists = int(cumulative[-1])

        def at(share: float) -> int:
            return int(values[min(int(np.searchsorted(cumulative, share * lists)), len(values) - 1)])

        value = at(share)
        ((sums,),) = self.events.rows("FROM times_up_to($arm, $value)", arm=arm, value=value)
        half = Z95 * ratio_standard_error(moments_of(sums))
        width = at(min(1.0, share + half)) - at(max(0.0, share - half))
        return Quantile(value / 1_000, width / 1_000 / (2 * Z95), lists)


def open_experiment(events: Events, experiment: Experiment, bot_clicks: int = BOT_CLICKS) -> ExperimentEvents:
    """One experiment of the log. One at a time: the next replaces its tables."""
    interleaving = experiment.mode == "interleave"
    set_variables(
        events.connection,
        experiment=experiment.key,
        starts=(experiment.starts_on - _EPOCH).days,
        ends=(experiment.ends_on - _EPOCH).days,
        arms=[INTERLEAVED] if interleaving else [variant.key for variant in experiment.variants],
        before_days=BEFORE_DAYS,
        bot_clicks=bot_clicks,
        bot_exposures=BOT_EXPOSURES,
    )
    events.connection.execute(sql("experiment") + sql("answers"))
    return ExperimentEvents(events, experiment)


def moments_of(sums: list[int], scale: float = 1.0) -> Moments:
    """From the SQL macro `power_sums`, exactly; y is in units of `scale`."""
    n, totals = sums[0], sums[1:5]
    cov = np.zeros((4, 4))
    places = combinations_with_replacement(range(4), 2)
    for (row, column), total in zip(places, sums[5:], strict=True):
        cov[row, column] = cov[column, row] = (n * total - totals[row] * totals[column]) / (n * max(n - 1, 1))
    units = np.array([scale, 1.0, 1.0, 1.0])
    return Moments(n, np.array([total / n for total in totals]) * units, cov * np.outer(units, units))


def _nested(rows: Iterable[tuple[Any, Any, Any]]) -> dict[Any, dict[Any, Any]]:
    nested: dict[Any, dict[Any, Any]] = {}
    for outer, inner, value in rows:
        nested.setdefault(outer, {})[inner] = value
    return nested


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)
