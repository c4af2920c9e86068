"""Owns `Report`: everything that the analysis of an experiment found, as it is written to JSON and told in a page.

Shares, rates and lifts are fractions (0.05: 5%). Intervals are at 95% unless `alpha` says otherwise.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from service.evaluation.experiments.interleaving import Preference
from service.experiments.definitions import Experiment

Interval = tuple[float, float]
GuardrailVerdict = Literal["safe", "unclear", "harmed", "unmeasured"]
Shipping = Literal["pass", "wait", "blocked"]
Found = Literal["better", "worse", "no difference that matters", "undecided"]


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """A variant and what of it counts. `expected`: the units that its weight would give it of all that count."""

    key: str
    policy: str
    channel: str | None
    weight: float
    units: int
    expected: float
    lists: int
    viewed: int
    clicks: int


class SampleRatio(msgspec.Struct, frozen=True, kw_only=True):
    """Whether readers fell to the arms as the weights say: the p of chi-square; below `threshold` they did not."""

    p_value: float
    threshold: float
    mismatch: bool


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """So many of something: a line of the data-quality table, of what the log holds or of what was left out."""

    what: str
    n: int
    of: str
    note: str = ""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One estimate of an effect. `interval`, `lift_interval`, `p_value` are valid at any number of looks.

    `fixed_*`: for one look at a time fixed beforehand. Lifts are relative to the control, None where that is zero;
    their intervals are None where there are too few clicks for any bound.
    `theta`: the coefficient of what was known of the readers before (CUPED), None without.
    """

    control: float
    treatment: float
    difference: float
    standard_error: float
    interval: Interval
    p_value: float
    fixed_interval: Interval
    fixed_p_value: float
    lift: float | None
    lift_interval: Interval | None
    fixed_lift_interval: Interval | None
    theta: float | None


class MetricEffect(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's effect on a metric. `adjusted` (CUPED) is what counts, `plain` stands beside it.

    `p_corrected`: the adjusted p, of all variants by Holm (primary) or of all such tests by Benjamini-Hochberg.
    `decided`: `p_corrected` is at most 0.05. Intervals of the primary metric are at 1 - `alpha`, 0.05 divided by the
    number of variants.
    """

    metric: str
    role: Literal["primary", "secondary"]
    variant: str
    n_control: int
    n_treatment: int
    alpha: float
    adjusted: Figures
    plain: Figures
    p_corrected: float
    decided: bool


class Untold(msgspec.Struct, frozen=True, kw_only=True):
    """What the data cannot tell, and why."""

    what: str
    variant: str
    reason: str


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """The adjusted lift of the primary metric so far, at the end of a day, and its always-valid interval."""

    day: date
    variant: str
    n_control: int
    n_treatment: int
    lift: float
    interval: Interval
    p_value: float


class DayEffect(msgspec.Struct, frozen=True, kw_only=True):
    """The plain lift of one day's lists, with the interval of one look."""

    day: date
    variant: str
    n_control: int
    n_treatment: int
    lift: float
    interval: Interval


class SegmentEffect(msgspec.Struct, frozen=True, kw_only=True):
    """The plain lift among lists of one kind, with the interval of one look; p after Benjamini-Hochberg.

    `interval` is None where there are too few clicks for any bound.
    """

    segment: str
    value: str
    variant: str
    n_control: int
    n_treatment: int
    control: float
    treatment: float
    lift: float
    interval: Interval | None
    p_value: float
    p_corrected: float


class GuardrailEffect(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that must not get worse by more than `margin`: its difference with the interval of one look.

    `relative`: difference, interval and margin are shares of the control's figure. Figures are None where no list
    has them ("unmeasured"); the interval also where a relative difference has no bound ("unclear").
    """

    name: str
    variant: str
    worse: Literal["higher", "lower"]
    relative: bool
    margin: float
    control: float | None
    treatment: float | None
    difference: float | None
    interval: Interval | None
    verdict: GuardrailVerdict


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What to make of a variant: `sentence` of the primary metric, `guardrails` of what must not get worse."""

    variant: str
    found: Found
    sentence: str
    shipping: Shipping
    guardrails: str


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """All effects; of an interleaved test a preference only. `segments_left_out`: segments with too few readers."""

    outcomes: tuple[Outcome, ...] = ()
    metrics: tuple[MetricEffect, ...] = ()
    guardrails: tuple[GuardrailEffect, ...] = ()
    looks: tuple[Look, ...] = ()
    days: tuple[DayEffect, ...] = ()
    segments: tuple[SegmentEffect, ...] = ()
    segments_left_out: int = 0
    untold: tuple[Untold, ...] = ()
    preference: Preference | None = None


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """The lists of the experiment in the log: the first and the last, ISO 8601 UTC; what served them."""

    first: str | None
    last: str | None
    channels: tuple[str, ...]
    policies: tuple[str, ...]


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """A formula in words and where it is from."""

    name: str
    words: str
    source: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report says. `effects` is None where the data must not be used: `faults` says why.
    `warnings`: what is odd in the data, and hides nothing. An interleaved test, in which every reader is in both
    variants, has no sample ratio.

    The definition is without its overrides, which name readers. `until`: lists of that day and later were not read.
    """

    verdict: str
    experiment: Experiment
    denominator: Literal["exposures", "views"]
    generated: str
    until: date | None
    span: Span
    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    sample_ratio: SampleRatio | None
    arms: tuple[Arm, ...]
    log: tuple[Count, ...]
    left_out: tuple[Count, ...]
    effects: Effects | None
    methods: tuple[Method, ...]
    versions: dict[str, str]
