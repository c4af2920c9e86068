"""Pure: what the figures mean, in sentences for an editor-in-chief. No sentence says more than its interval does."""

from __future__ import annotations

from collections.abc import Sequence

from service.evaluation.experiments.guardrails import shipping
from service.evaluation.experiments.interleaving import Preference
from service.evaluation.experiments.result import Found, GuardrailEffect, MetricEffect, Outcome

GUARDRAIL_NAMES = {
    "empty_lists": "empty lists",
    "fallback_lists": "lists filled up by the fallback",
    "same_section": "stories of the same section",
    "coverage": "different stories shown",
    "diversity": "diversity within a list",
    "age_days": "age of the stories",
    "duplicates": "duplicates within a list",
    "latency_p95_ms": "response time, 95th percentile",
    "latency_p99_ms": "response time, 99th percentile",
}
LEAST_TELLING = (-0.5, 1.0)  # an interval of lifts that holds all of this says nothing that an editor could use
LARGEST = 10.0  # a lift beyond it is told as that
METRIC_NAMES = {
    "ctr": "Clicks per list",
    "clicks_per_unit": "Clicks per reader",
    "lists_per_unit": "Lists per reader",
    "view_rate": "Lists seen of those served",
}


def outcome(primary: MetricEffect, guardrails: Sequence[GuardrailEffect], minimum_effect: float) -> Outcome:
    """Of one variant; `minimum_effect`: the relative lift that would matter."""
    finding = _found(primary, minimum_effect)
    return Outcome(
        variant=primary.variant,
        found=finding,
        sentence=_sentence(primary, finding, minimum_effect),
        shipping=shipping(guardrails),
        guardrails=guardrail_sentence(guardrails),
    )


def untold_outcome(variant: str, reason: str, guardrails: Sequence[GuardrailEffect]) -> Outcome:
    """Of a variant on which the primary metric says nothing; `reason` why."""
    return Outcome(
        variant=variant,
        found="undecided",
        sentence=f"Nothing can be said of “{variant}”: {reason}.",
        shipping=shipping(guardrails),
        guardrails=guardrail_sentence(guardrails),
    )


def guardrail_sentence(guardrails: Sequence[GuardrailEffect]) -> str:
    """What the guardrails of one variant say; "" without any."""
    harmed = [GUARDRAIL_NAMES[guardrail.name] for guardrail in guardrails if guardrail.verdict == "harmed"]
    unclear = [GUARDRAIL_NAMES[guardrail.name] for guardrail in guardrails if guardrail.verdict == "unclear"]
    if harmed:
        return f"It must not ship, as these got worse than allowed: {_listed(harmed)}."
    if unclear:
        return f"Not to ship yet, as these may be worse than allowed: {_listed(unclear)}."
    return "Nothing that is watched got worse than allowed." if guardrails else ""


def preferred(preference: Preference, control: str, treatment: str) -> str:
    """Of interleaved lists, in which the control is team a."""
    mean = preference.effect
    if not mean.p_value <= 0.05:
        sentence = f"Readers preferred neither “{control}” nor “{treatment}”, as far as can be told"
    else:
        better, worse = (control, treatment) if mean.value > 0 else (treatment, control)
        sentence = f"Readers who were shown both preferred “{better}” to “{worse}”"
    a, b = preference.clicks_a, preference.clicks_b
    return f"{sentence}: of {a + b:,} clicks that tell them apart {a:,} went to “{control}”, {b:,} to “{treatment}”."


def percent(value: float, places: int = 1) -> str:
    """0.0412 as 4.1%, without a sign."""
    return f"{abs(value):.{places}%}"


def signed_percent(value: float, places: int = 1) -> str:
    """0.0412 as +4.1%; more than +1,000% as that."""
    over = "over " if value > LARGEST else ""
    return over + f"{min(value, LARGEST):+,.{places}%}".replace("-", "−")


def _found(primary: MetricEffect, minimum_effect: float) -> Found:
    if primary.decided:
        return "better" if primary.adjusted.difference > 0 else "worse"
    interval = primary.adjusted.lift_interval
    within = interval is not None and -minimum_effect < interval[0] and interval[1] < minimum_effect
    return "no difference that matters" if within else "undecided"


def _sentence(primary: MetricEffect, finding: Found, minimum_effect: float) -> str:
    readers, lift, interval = f"Readers of “{primary.variant}”", primary.adjusted.lift, primary.adjusted.lift_interval
    if lift is None:
        return f"The control has no clicks that “{primary.variant}” could be compared with."
    if primary.decided:
        how_much = "by how much, so few clicks cannot tell" if interval is None else _between(interval)
        often = f"{percent(lift)} {_direction(lift)} often" if interval else f"{_direction(lift)} often"
        return f"{readers} clicked {often} ({how_much}; decided, however often one looked)."
    if interval is None or (interval[0] <= LEAST_TELLING[0] and interval[1] >= LEAST_TELLING[1]):
        return (
            f"Not decided, and too few readers to tell: those of “{primary.variant}” may click half as often as the "
            "control’s, or twice as often."
        )
    if finding == "no difference that matters":
        return (
            f"{readers} clicked as often as the control’s: lifts of {percent(minimum_effect)}, which would matter, "
            f"are excluded ({_between(interval)})."
        )
    their = readers[0].lower() + readers[1:]
    return f"Not decided: so far {their} click {_between(interval)} often than the control’s."


def _direction(lift: float) -> str:
    return "more" if lift >= 0 else "less"


def _between(interval: tuple[float, float]) -> str:
    low, high = interval
    if low < 0 <= high:
        return f"between {percent(low)} less and {percent(high)} more"
    near, far = sorted((abs(low), abs(high)))
    return f"between {percent(near)} and {percent(far)} {_direction(low)}"


def _listed(names: Sequence[str]) -> str:
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last
