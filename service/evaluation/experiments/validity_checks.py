"""Owns whether an experiment's data may be used: who fell to which variant, and what speaks against the data.

Where they may not be used, a report shows no effects: a plausible figure of damaged data is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from service.evaluation.experiments.data_quality import unknown_variants
from service.evaluation.experiments.days import dates, day_faults, silent_days
from service.evaluation.experiments.effects import Effect, NoEffect, ratio_effect
from service.evaluation.experiments.events import Lines
from service.evaluation.experiments.events_experiment import ByArm, Counts, Denominator, ExperimentEvents
from service.evaluation.experiments.result import Arm, SampleRatio
from service.evaluation.experiments.sample_ratio import THRESHOLD, sample_ratio_mismatch
from service.experiments.definitions import INTERLEAVED, Experiment

TOLERATED = 0.01  # share of readers, lists or lines: what is left out above this is no longer a trifle
MISTIMED = 0.1  # share of views and clicks that may come late or from wrong clocks: tabs stay open for days
LEAST_UNITS = 100  # of an arm whose views are compared: with fewer, a mean is not near enough to normal


def arms_of(experiment: Experiment, counts: Mapping[str, Counts]) -> tuple[Arm, ...]:
    """The variants in their order; of an interleaved test, both with what their common lists got."""
    common = counts.get(INTERLEAVED, Counts(0, 0, 0, 0))
    units = sum(count.units for count in counts.values())
    return tuple(
        Arm(
            key=variant.key,
            policy=variant.policy,
            channel=variant.channel,
            weight=variant.weight,
            expected=float(units if experiment.mode == "interleave" else units * variant.weight),
            **vars(counts.get(variant.key, common)),
        )
        for variant in experiment.variants
    )


def sample_ratio(experiment: Experiment, arms: Sequence[Arm]) -> SampleRatio | None:
    """None for an interleaved test, in which all readers are in both."""
    if experiment.mode == "interleave":
        return None
    p = sample_ratio_mismatch([arm.units for arm in arms], [arm.weight for arm in arms])
    return SampleRatio(p_value=p, threshold=THRESHOLD, mismatch=p < THRESHOLD)


def faults(
    data: ExperimentEvents, lines: Lines, arms: Sequence[Arm], ratio: SampleRatio | None, denominator: Denominator
) -> tuple[str, ...]:
    """Why the data must not be used, a sentence each; none if they may."""
    if not _units(arms):
        return ("No list of this experiment counts.", *_left_out_faults(data, arms), *_line_faults(lines))
    return (
        *_mismatch(arms, ratio),
        *(f"Variant “{arm.key}” has no lists." for arm in arms if not arm.units),
        *_left_out_faults(data, arms),
        *day_faults(data),
        *(_views_lost(data) if denominator == "views" else ()),
        *_line_faults(lines),
    )


def warnings(data: ExperimentEvents, arms: Sequence[Arm], denominator: Denominator, today: date) -> tuple[str, ...]:
    """What one should know of the data that may be used all the same, a sentence each."""
    silent = silent_days(data, today) if _units(arms) else []
    return (
        *(_views_lost(data) if denominator == "exposures" else ()),
        *([f"No list of the test is known of {dates(silent)}."] if silent else ()),
    )


def _units(arms: Sequence[Arm]) -> int:
    return sum(arm.units for arm in arms)


def _mismatch(arms: Sequence[Arm], ratio: SampleRatio | None) -> list[str]:
    if ratio is None or not ratio.mismatch:
        return []
    counts = ", ".join(f"“{arm.key}” has {arm.units:,} readers instead of {arm.expected:,.0f}" for arm in arms)
    return [f"Readers did not fall to the variants as planned: {counts}."]


def _left_out_faults(data: ExperimentEvents, arms: Sequence[Arm]) -> list[str]:
    """Of what is left out, that which nobody planned."""
    ((unknown, lists),) = data.events.rows(
        "SELECT count(*) FILTER (reason = 'unknown_variant'), count(*) FILTER (reason <> 'outside_dates') FROM lists"
    )
    ((two_arms,),) = data.events.rows("SELECT count(*) FROM excluded_units WHERE reason = 'two_arms'")
    said = []
    if unknown > TOLERATED * lists:
        names = ", ".join(unknown_variants(data))
        said.append(f"{unknown:,} of {lists:,} lists are of variants that the definition does not name: {names}.")
    if two_arms > TOLERATED * (two_arms + _units(arms)):
        said.append(f"{two_arms:,} readers were in two variants: labels, weights or salt were changed in the test.")
    return said + [
        f"{orphans:,} of {n:,} views and clicks of “{arm}” are of lists that the log does not have: lists were lost."
        for arm, (orphans, n) in data.orphans().items()
        if orphans > TOLERATED * n
    ]


def _views_lost(data: ExperimentEvents) -> list[str]:
    """The block stands in the same place for all, so that its lists, whatever stories are in them, are seen as often.

    An empty list is seen by nobody; how many there are is a guardrail.
    """
    control, *variants = (variant.key for variant in data.experiment.variants)
    rates = data.view_rate()
    effects = {variant: _view_rate_effect(rates, control, variant) for variant in variants}
    return [
        f"Of the lists of “{variant}” that have stories {effect.treatment:.1%} were seen, of “{control}” "
        f"{effect.control:.1%}: views were lost, or lists came too late."
        for variant, effect in effects.items()
        if effect is not None and effect.p_value < THRESHOLD / len(variants)
    ]


def _view_rate_effect(rates: ByArm, control: str, variant: str) -> Effect | None:
    """None where there are too few units, or all lists were seen, or none."""
    if any(key not in rates or rates[key].n < LEAST_UNITS for key in (control, variant)):
        return None
    try:
        return ratio_effect(rates[control], rates[variant])
    except NoEffect:
        return None


def _line_faults(lines: Lines) -> list[str]:
    def number(*statuses: str) -> int:
        return sum(n for (_, status), n in lines.counts.items() if status in statuses)

    unreadable, mistimed = number("malformed", "unknown_kind", "incomplete"), number("late", "future", "early")
    reports = mistimed + sum(lines.counts.get((kind, "accepted"), 0) for kind in ("view", "click"))
    said = []
    if unreadable > TOLERATED * lines.total:
        said.append(f"{unreadable:,} of {lines.total:,} lines of the log can’t be read.")
    if mistimed > MISTIMED * reports:
        said.append(f"{mistimed:,} of {reports:,} views and clicks came late or from wrong clocks.")
    return said
