"""Owns the analysis of an experiment, start to end: its definition and the event log -> `Report`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import msgspec

from index.article import iso_time
from service.evaluation.experiments.comparisons import all_effects
from service.evaluation.experiments.data_quality import left_out, log_counts
from service.evaluation.experiments.events import Events
from service.evaluation.experiments.events_experiment import Denominator, ExperimentEvents, open_experiment
from service.evaluation.experiments.methods import METHODS, versions
from service.evaluation.experiments.result import Effects, Report, Span
from service.evaluation.experiments.validity_checks import arms_of, faults, sample_ratio, warnings
from service.evaluation.experiments.verdict import preferred
from service.experiments.definitions import Experiment


def analysed(
    experiment: Experiment,
    events: Events,
    *,
    denominator: Denominator,
    generated: int,
    until: date | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Everything about one experiment. `generated`: now, epoch seconds; `until`: leave out lists from that day on.

    Effects are computed only where nothing is wrong with the data.
    """
    progress("finding the experiment’s readers")
    data = open_experiment(events, _shortened(experiment, until))
    lines = events.lines()
    arms = arms_of(experiment, data.counts())
    ratio = sample_ratio(experiment, arms)
    wrong = faults(data, lines, arms, ratio, denominator)
    effects = None if wrong else all_effects(data, denominator, progress)
    return Report(
        verdict=_verdict(experiment, wrong, effects),
        experiment=msgspec.structs.replace(experiment, overrides={}),
        denominator=denominator,
        generated=iso_time(generated) or "",
        until=until,
        span=_span(data),
        faults=wrong,
        warnings=warnings(data, arms, denominator, datetime.fromtimestamp(generated, UTC).date()),
        sample_ratio=ratio,
        arms=arms,
        log=log_counts(lines, events.first_malformed()),
        left_out=left_out(data),
        effects=effects,
        methods=METHODS,
        versions=versions(),
    )


def _shortened(experiment: Experiment, until: date | None) -> Experiment:
    if until is None or until >= experiment.ends_on:
        return experiment
    return msgspec.structs.replace(experiment, ends_on=max(until, experiment.starts_on))


def _verdict(experiment: Experiment, wrong: tuple[str, ...], effects: Effects | None) -> str:
    if effects is None:
        return f"Do not use these results: {wrong[0][0].lower()}{wrong[0][1:]}"
    if effects.preference is not None:
        return preferred(effects.preference, *(variant.key for variant in experiment.variants))
    return " ".join(outcome.sentence for outcome in effects.outcomes)


def _span(data: ExperimentEvents) -> Span:
    ((first, last, channels, policies),) = data.events.rows(
        """
        SELECT min(received_at), max(received_at), list_sort(list(DISTINCT channel)), list_sort(list(DISTINCT policy))
        FROM used_exposures()
        """
    )
    return Span(
        first=iso_time(first), last=iso_time(last), channels=tuple(channels or ()), policies=tuple(policies or ())
    )
