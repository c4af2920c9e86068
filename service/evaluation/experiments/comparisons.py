"""Owns which effects are looked at: of every metric, day and segment, each variant against the control.

The adjusted estimate decides, by its always-valid p-value. It was chosen before any data, as were the constants here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from service.evaluation.experiments.effects import (
    EARLIER_LISTS,
    LISTS,
    Effect,
    Moments,
    NoEffect,
    cuped_mean_effect,
    cuped_ratio_effect,
    mean_effect,
    ratio_effect,
)
from service.evaluation.experiments.events_experiment import ByArm, Denominator, ExperimentEvents
from service.evaluation.experiments.guardrails import guardrail_effects
from service.evaluation.experiments.interleaving import preference
from service.evaluation.experiments.multiplicity import benjamini_hochberg, holm
from service.evaluation.experiments.result import (
    DayEffect,
    Effects,
    Figures,
    GuardrailEffect,
    Look,
    MetricEffect,
    Outcome,
    SegmentEffect,
    Untold,
)
from service.evaluation.experiments.sequential import (
    sequential_interval,
    sequential_lift_interval,
    sequential_p_value,
)
from service.evaluation.experiments.verdict import outcome, untold_outcome
from service.experiments.definitions import Experiment

ALPHA = 0.05
N_STAR = 10_000  # units at which an always-valid interval is tightest; with 100 times as many it is 17% too wide
LEAST_UNITS = 100  # of an arm: with fewer, a mean is not near enough to normal for any of these intervals

Estimate = Callable[[Moments, Moments], Effect]


class Metric(NamedTuple):
    """A metric's estimates, adjusted (CUPED) and plain, and the moments that it is of."""

    name: str
    adjusted: Estimate
    plain: Estimate
    arms: ByArm


class Compared(NamedTuple):
    """A metric's effect on one variant."""

    metric: str
    variant: str
    adjusted: Effect
    plain: Effect


def all_effects(data: ExperimentEvents, denominator: Denominator, progress: Callable[[str], None]) -> Effects:
    """Everything that is compared. An interleaved test has a preference and nothing else."""
    experiment = data.experiment
    if experiment.mode == "interleave":
        lists = data.interleaved()
        preferred = preference(lists.clicks_a, lists.clicks_b, lists.unit)
        return Effects(preference=preferred)
    progress("comparing metrics and guardrails")
    watched = data.guardrails()
    primary, *secondary = metrics(data, denominator, watched)
    effects, untold = metric_effects(experiment, primary, secondary)
    keys = [variant.key for variant in experiment.variants]
    guardrails = guardrail_effects(experiment.guardrails, keys[0], keys[1:], watched, data.latency())
    progress("following the days")
    segments, left_out = segment_effects(data, primary, denominator)
    return Effects(
        outcomes=_outcomes(experiment, effects, guardrails, untold),
        metrics=effects,
        guardrails=tuple(guardrails),
        looks=looks(data, primary, denominator),
        days=day_effects(data, primary, denominator),
        segments=segments,
        segments_left_out=left_out,
        untold=untold,
    )


def metrics(data: ExperimentEvents, denominator: Denominator, watched: Mapping[str, ByArm]) -> list[Metric]:
    """The primary one first. What clicks per list hides: how many lists there are, and how many of them are seen.

    `watched`: what `ExperimentEvents.guardrails` gives.
    """
    arms = data.moments(denominator)
    known = {
        "ctr": Metric("ctr", cuped_ratio_effect, ratio_effect, arms),
        "clicks_per_unit": Metric("clicks_per_unit", cuped_mean_effect, mean_effect, arms),
    }
    primary = known.pop(data.experiment.primary_metric)
    lists = {arm: _of_lists(moments) for arm, moments in arms.items()}
    seen = watched.get("view_rate", {})
    return [
        primary,
        *known.values(),
        Metric("lists_per_unit", cuped_mean_effect, mean_effect, lists),
        Metric("view_rate", cuped_ratio_effect, ratio_effect, seen),
    ]


def metric_effects(
    experiment: Experiment, primary: Metric, secondary: Sequence[Metric]
) -> tuple[tuple[MetricEffect, ...], tuple[Untold, ...]]:
    """What the primary metric decides, then the secondary ones; and what cannot be told."""
    alpha = ALPHA / (len(experiment.variants) - 1)
    untold: list[Untold] = []
    first = _compared(experiment, primary, untold)
    others = [effect for metric in secondary for effect in _compared(experiment, metric, untold)]
    return (
        *_corrected(first, "primary", alpha, holm),
        *_corrected(others, "secondary", ALPHA, benjamini_hochberg),
    ), tuple(untold)


def figures(effect: Effect, alpha: float) -> Figures:
    """An effect in all its intervals."""
    return Figures(
        control=effect.control,
        treatment=effect.treatment,
        difference=effect.difference,
        standard_error=effect.standard_error,
        interval=sequential_interval(effect, N_STAR, alpha),
        p_value=sequential_p_value(effect, N_STAR, alpha),
        fixed_interval=effect.interval(alpha),
        fixed_p_value=effect.p_value,
        lift=effect.lift,
        lift_interval=sequential_lift_interval(effect, N_STAR, alpha),
        fixed_lift_interval=effect.lift_interval(alpha),
        theta=effect.theta,
    )


def looks(data: ExperimentEvents, primary: Metric, denominator: Denominator) -> tuple[Look, ...]:
    """What one who looked at the end of each day would have seen, once an arm has readers enough."""
    alpha = ALPHA / (len(data.experiment.variants) - 1)
    seen = []
    for day, arms in data.looks(denominator).items():
        for effect in _compared(data.experiment, primary._replace(arms=arms), []):
            adjusted = figures(effect.adjusted, alpha)
            if adjusted.lift is not None and adjusted.lift_interval is not None:
                seen.append(
                    Look(
                        day=day,
                        variant=effect.variant,
                        n_control=effect.adjusted.n_control,
                        n_treatment=effect.adjusted.n_treatment,
                        lift=adjusted.lift,
                        interval=adjusted.lift_interval,
                        p_value=adjusted.p_value,
                    )
                )
    return tuple(seen)


def day_effects(data: ExperimentEvents, primary: Metric, denominator: Denominator) -> tuple[DayEffect, ...]:
    """Of each day's lists alone."""
    return tuple(
        DayEffect(
            day=day,
            variant=effect.variant,
            n_control=effect.plain.n_control,
            n_treatment=effect.plain.n_treatment,
            lift=effect.plain.lift,
            interval=interval,
        )
        for day, arms in data.by_day(denominator).items()
        for effect in _compared(data.experiment, primary._replace(arms=arms), [])
        if effect.plain.lift is not None and (interval := effect.plain.lift_interval()) is not None
    )


def segment_effects(
    data: ExperimentEvents, primary: Metric, denominator: Denominator
) -> tuple[tuple[SegmentEffect, ...], int]:
    """Of each kind of lists, all corrected together; and how many kinds cannot be told."""
    estimated, untold = [], 0
    for segment in data.by_segment(denominator):
        effects = _compared(data.experiment, primary._replace(arms=segment.moments), [])
        estimated += [
            _segment(segment.name, segment.value, effect) for effect in effects if effect.plain.lift is not None
        ]
        untold += not effects
    corrected = benjamini_hochberg([segment_effect.p_value for segment_effect in estimated])
    both = zip(estimated, corrected, strict=True)
    return tuple(msgspec.structs.replace(segment_effect, p_corrected=float(p)) for segment_effect, p in both), untold


def _compared(experiment: Experiment, metric: Metric, untold: list[Untold]) -> list[Compared]:
    """The metric's effect on each variant; what has none goes to `untold`."""
    control, *variants = (variant.key for variant in experiment.variants)
    effects = []
    for variant in variants:
        arms = [metric.arms.get(key) for key in (control, variant)]
        if any(arm is None or arm.n < LEAST_UNITS for arm in arms):
            untold.append(Untold(what=metric.name, variant=variant, reason=f"fewer than {LEAST_UNITS} readers"))
            continue
        try:
            pair = (metric.arms[control], metric.arms[variant])
            effects.append(Compared(metric.name, variant, metric.adjusted(*pair), metric.plain(*pair)))
        except NoEffect as error:
            untold.append(Untold(what=metric.name, variant=variant, reason=str(error)))
    return effects


def _corrected(
    compared: Sequence[Compared],
    role: Literal["primary", "secondary"],
    alpha: float,
    correction: Callable[[list[float]], Sequence[float]],
) -> list[MetricEffect]:
    adjusted_figures = [figures(effect.adjusted, alpha) for effect in compared]
    return [
        MetricEffect(
            metric=effect.metric,
            role=role,
            variant=effect.variant,
            n_control=effect.adjusted.n_control,
            n_treatment=effect.adjusted.n_treatment,
            alpha=alpha,
            adjusted=adjusted,
            plain=figures(effect.plain, alpha),
            p_corrected=float(p),
            decided=bool(p <= ALPHA),
        )
        for effect, adjusted, p in zip(
            compared, adjusted_figures, correction([effect.p_value for effect in adjusted_figures]), strict=True
        )
    ]


def _outcomes(
    experiment: Experiment,
    effects: Sequence[MetricEffect],
    guardrails: Sequence[GuardrailEffect],
    untold: Sequence[Untold],
) -> tuple[Outcome, ...]:
    """Of each variant, in their order."""
    primary = {effect.variant: effect for effect in effects if effect.role == "primary"}
    reasons = {entry.variant: entry.reason for entry in untold if entry.what == experiment.primary_metric}
    outcomes = []
    for variant in [variant.key for variant in experiment.variants[1:]]:
        its = [guardrail for guardrail in guardrails if guardrail.variant == variant]
        if variant in primary:
            outcomes.append(outcome(primary[variant], its, experiment.minimum_effect))
        else:
            outcomes.append(untold_outcome(variant, reasons[variant], its))
    return tuple(outcomes)


def _segment(name: str, value: str, compared: Compared) -> SegmentEffect:
    effect = compared.plain
    return SegmentEffect(
        segment=name,
        value=value,
        variant=compared.variant,
        n_control=effect.n_control,
        n_treatment=effect.n_treatment,
        control=effect.control,
        treatment=effect.treatment,
        lift=effect.lift or 0.0,
        interval=effect.lift_interval(),
        p_value=effect.p_value,
        p_corrected=1.0,
    )


def _of_lists(moments: Moments) -> Moments:
    """The same units with their lists in the place of their clicks."""
    of = [LISTS, LISTS, EARLIER_LISTS, EARLIER_LISTS]
    return Moments(moments.n, moments.mean[of], moments.cov[np.ix_(of, of)])
