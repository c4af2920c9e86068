"""Pure: what a variant must not make worse, and whether it may ship.

Of each figure the question is whether it is worse by more than its margin (non-inferiority). By the interval of the
difference, in the direction that is worse:

- "safe": entirely within the margin; "harmed": entirely beyond it; "unclear": neither.
- A variant passes if all its figures are safe, is blocked if one is harmed, and waits otherwise: what is not known to
  be harmless does not ship. All must be safe, so no figure needs a correction for their number (an
  intersection-union test), and a variant on a margin exactly passes in 2.5 of 100 tests at most.

The intervals are of one look: guardrails are read when the test ends. *Source*: Berger, 1982, "Multiparameter
hypothesis testing and acceptance sampling"; Kohavi, Tang and Xu, 2020, ch. 21.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, Protocol

import msgspec
import numpy as np

from service.evaluation.experiments.effects import Z95, Effect, Moments, NoEffect, mean_effect, ratio_effect
from service.evaluation.experiments.result import GuardrailEffect, GuardrailVerdict, Interval, Shipping
from service.experiments.definitions import Guardrails

RULE_OF_THREE = 3.0  # a share that no one of n units showed is below 3/n with 95% confidence (Hanley, 1983)


class Quantile(Protocol):
    """A quantile of the time that an arm's lists took."""

    @property
    def value_ms(self) -> float: ...

    @property
    def standard_error_ms(self) -> float: ...


class Kind(NamedTuple):
    """How a figure is read. `share`: it is one of lists (0-1)."""

    worse: Literal["higher", "lower"]
    relative: bool = False
    share: bool = False


KINDS = {
    "empty_lists": Kind("higher", share=True),
    "fallback_lists": Kind("higher", share=True),
    "same_section": Kind("higher", share=True),
    "coverage": Kind("lower", relative=True),
    "diversity": Kind("lower"),
    "age_days": Kind("higher"),
    "duplicates": Kind("higher", share=True),
    "latency_p95_ms": Kind("higher"),
    "latency_p99_ms": Kind("higher"),
}


class Difference(NamedTuple):
    """Of a figure between the arms; relative to the control's where the guardrail is."""

    control: float
    treatment: float
    difference: float
    interval: Interval | None


def guardrail_effects(
    margins: Guardrails,
    control: str,
    variants: Iterable[str],
    moments: Mapping[str, Mapping[str, Moments]],
    latency: Mapping[str, Mapping[str, Quantile]],
) -> list[GuardrailEffect]:
    """Of each variant every guardrail, in the order of `Guardrails`. `moments`, `latency`: by guardrail and arm."""
    effects = []
    for variant in variants:
        for name, margin in msgspec.structs.asdict(margins).items():
            arms = moments.get(name, {})
            times = latency.get(name, {})
            if control in times and variant in times:
                between: Difference | None = _between_quantiles(times[control], times[variant])
            elif control in arms and variant in arms:
                between = _between_moments(KINDS[name], arms[control], arms[variant])
            else:
                between = None
            effects.append(_judged(name, variant, margin, between))
    return effects


def shipping(effects: Iterable[GuardrailEffect]) -> Shipping:
    """Whether a variant with these guardrails may ship. A figure that no list has says nothing against it."""
    verdicts = {effect.verdict for effect in effects}
    if "harmed" in verdicts:
        return "blocked"
    return "wait" if "unclear" in verdicts else "pass"


def _judged(name: str, variant: str, margin: float, between: Difference | None) -> GuardrailEffect:
    kind = KINDS[name]
    return GuardrailEffect(
        name=name,
        variant=variant,
        worse=kind.worse,
        relative=kind.relative,
        margin=margin,
        control=between.control if between else None,
        treatment=between.treatment if between else None,
        difference=between.difference if between else None,
        interval=between.interval if between else None,
        verdict=_verdict(between.interval, margin, kind.worse) if between else "unmeasured",
    )


def _verdict(interval: Interval | None, margin: float, worse: Literal["higher", "lower"]) -> GuardrailVerdict:
    if interval is None:
        return "unclear"
    low, high = interval if worse == "higher" else (-interval[1], -interval[0])
    if high < margin:
        return "safe"
    return "harmed" if low > margin else "unclear"


def _between_moments(kind: Kind, control: Moments, treatment: Moments) -> Difference | None:
    """None where the figure cannot be told: too few units, or a control of zero that a lift would be relative to."""
    try:
        effect = (mean_effect if kind.relative else ratio_effect)(control, treatment)
    except NoEffect as error:
        return _all_alike(kind, control, treatment) if error.arm == "both" else None
    if kind.relative:
        if effect.lift is None:
            return None
        return Difference(effect.control, effect.treatment, effect.lift, effect.lift_interval())
    return Difference(effect.control, effect.treatment, effect.difference, _widened(kind, effect))


def _all_alike(kind: Kind, control: Moments, treatment: Moments) -> Difference | None:
    """No unit differs from another, as where no list was empty: what is known is as sure as n units are."""
    if min(control.n, treatment.n) < 2:
        return None
    c, t = (float(arm.mean[0] / (1.0 if kind.relative else arm.mean[1])) for arm in (control, treatment))
    if kind.relative and c == 0:
        return None
    difference = t / c - 1 if kind.relative else t - c
    half = _least_half(kind, control.n, treatment.n)
    return Difference(c, t, difference, (difference - half, difference + half))


def _widened(kind: Kind, effect: Effect) -> Interval:
    """The interval, of a share never narrower than the rule of three: a normal one of few cases is too sure."""
    half = max(Z95 * effect.standard_error, _least_half(kind, effect.n_control, effect.n_treatment))
    return effect.difference - half, effect.difference + half


def _least_half(kind: Kind, n_control: int, n_treatment: int) -> float:
    return RULE_OF_THREE / min(n_control, n_treatment) if kind.share else 0.0


def _between_quantiles(control: Quantile, treatment: Quantile) -> Difference | None:
    """None where an arm has too few units for an error."""
    half = Z95 * float(np.hypot(control.standard_error_ms, treatment.standard_error_ms))
    if not np.isfinite(half):
        return None
    difference = treatment.value_ms - control.value_ms
    return Difference(control.value_ms, treatment.value_ms, difference, (difference - half, difference + half))
