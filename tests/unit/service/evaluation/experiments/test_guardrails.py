"""Guardrails: what counts as worse, and by how much; what is not known to be harmless does not ship."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from service.evaluation.experiments.effects import Moments
from service.evaluation.experiments.guardrails import guardrail_effects, shipping
from service.evaluation.experiments.result import GuardrailEffect
from service.experiments.definitions import Guardrails

UNITS = 4_000


@dataclass(frozen=True)
class Time:
    value_ms: float
    standard_error_ms: float


def of(y: np.ndarray, x: np.ndarray | float = 1.0) -> Moments:
    return Moments.of(np.column_stack([y, np.broadcast_to(x, y.shape), np.zeros((len(y), 2))]))


def effect(name: str, control: Moments, treatment: Moments) -> GuardrailEffect:
    found = guardrail_effects(
        Guardrails(), "control", ["fresh"], {name: {"control": control, "fresh": treatment}}, {}
    )
    return next(each for each in found if each.name == name)


def shares(share: float) -> Moments:
    """Readers of one list each, of whom exactly this share has the figure."""
    return of((np.arange(UNITS) < share * UNITS).astype(float))


@pytest.mark.parametrize(
    ("treatment", "verdict"), [(0.30, "safe"), (0.36, "safe"), (0.40, "unclear"), (0.45, "harmed")]
)
def test_a_share_is_judged_by_its_whole_interval(treatment: float, verdict: str) -> None:
    found = effect("same_section", shares(0.3), shares(treatment))
    assert found.difference == pytest.approx(treatment - 0.3, abs=1e-12)
    assert found.verdict == verdict
    error = np.sqrt((0.21 + treatment * (1 - treatment)) / (UNITS - 1))  # of two shares, by the textbook
    assert found.interval == pytest.approx((treatment - 0.3 - 1.959964 * error, treatment - 0.3 + 1.959964 * error))


@pytest.mark.parametrize("name", ["diversity", "coverage"])
def test_of_diversity_and_coverage_less_is_worse_and_more_never_is(name: str) -> None:
    draw = np.random.default_rng(1)
    control = draw.normal(100, 5, 2_000) if name == "coverage" else draw.normal(0.6, 0.1, 2_000)
    less, more = (control * share for share in (0.8, 1.5))
    assert effect(name, of(control), of(less)).verdict == "harmed"
    assert effect(name, of(control), of(more)).verdict == "safe"


def test_coverage_is_relative_to_the_controls() -> None:
    draw = np.random.default_rng(2)
    control = draw.normal(500, 5, 20)
    found = effect("coverage", of(control), of(control * 0.9))
    assert found.difference == pytest.approx(-0.1)
    assert found.relative
    assert found.verdict == "unclear"  # exactly on the margin


@pytest.mark.parametrize(("units", "verdict"), [(301, "safe"), (299, "unclear")])
def test_where_no_list_was_empty_the_rule_of_three_says_how_sure_that_is(units: int, verdict: str) -> None:
    none = of(np.zeros(units))
    found = effect("empty_lists", none, none)
    assert found.difference == 0
    assert found.interval == pytest.approx((-3 / units, 3 / units))
    assert found.verdict == verdict  # the margin is 0.01


def test_a_time_is_judged_by_both_arms_errors() -> None:
    times = {"latency_p95_ms": {"control": Time(10.0, 0.3), "fresh": Time(30.0, 0.4)}}
    found = next(each for each in guardrail_effects(Guardrails(), "control", ["fresh"], {}, times) if each.control)
    assert (found.name, found.difference, found.verdict) == ("latency_p95_ms", 20.0, "harmed")
    assert found.interval == pytest.approx((20 - 1.959964 * 0.5, 20 + 1.959964 * 0.5))


def test_figures_that_no_list_has_are_unmeasured() -> None:
    found = guardrail_effects(Guardrails(), "control", ["fresh"], {}, {})
    assert {each.name for each in found} == set(msgspec.structs.asdict(Guardrails()))
    assert {each.verdict for each in found} == {"unmeasured"}
    assert shipping(found) == "pass"


@pytest.mark.parametrize(
    ("verdicts", "may"),
    [
        (["safe", "safe", "unmeasured"], "pass"),
        (["safe", "unclear"], "wait"),
        (["unclear", "harmed", "safe"], "blocked"),
    ],
)
def test_a_variant_passes_only_where_everything_is_safe(verdicts: list[str], may: str) -> None:
    one = effect("same_section", shares(0.3), shares(0.3))
    assert shipping([msgspec.structs.replace(one, verdict=verdict) for verdict in verdicts]) == may
