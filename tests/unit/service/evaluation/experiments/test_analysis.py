"""The analysis: what a simulated newsroom planted is what its report says, and its sentences say no more."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from experiment_log import TEST, Quality, Record, simulated, written

from service.evaluation.experiments.analysis import analysed
from service.evaluation.experiments.comparisons import all_effects, figures
from service.evaluation.experiments.effects import Effect
from service.evaluation.experiments.events import open_events
from service.evaluation.experiments.events_experiment import open_experiment
from service.evaluation.experiments.interleaving import preference
from service.evaluation.experiments.report import as_html, as_text
from service.evaluation.experiments.result import Effects, MetricEffect, Report
from service.evaluation.experiments.verdict import outcome, preferred
from service.experiments.definitions import Experiment, Variant
from service.experiments.event_schema import Click, Exposure, View

NOW = 1_796_000_000
LIFT = {"fresh": Quality(lift=0.3)}
RECORDS = simulated(TEST, 2_000, 7, LIFT)


def report_of(records: list[Record], folder: Path, experiment: Experiment = TEST, **options: Any) -> Report:
    with open_events(written(records, folder)) as events:
        return analysed(experiment, events, **{"denominator": "exposures", "generated": NOW} | options)


def effects_of(report: Report) -> Effects:
    assert report.effects is not None, report.faults
    return report.effects


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report_of(RECORDS, tmp_path_factory.mktemp("log"))


def by_hand(records: list[Record]) -> dict[str, tuple[int, int, int]]:
    """By arm: readers, lists, clicks."""
    lists = [each for each in records if isinstance(each, Exposure) and each.variant]
    clicks = [each for each in records if isinstance(each, Click) and each.variant]
    return {
        arm: (
            len({each.unit for each in lists if each.variant == arm}),
            sum(each.variant == arm for each in lists),
            sum(each.variant == arm for each in clicks),
        )
        for arm in ("control", "fresh")
    }


def test_every_reader_list_and_click_is_counted(report: Report) -> None:
    assert {arm.key: (arm.units, arm.lists, arm.clicks) for arm in report.arms} == by_hand(RECORDS)
    assert {arm.expected for arm in report.arms} == {1_000.0}
    assert not any(each.n for each in report.left_out)


def test_plain_clicks_per_list_are_clicks_by_lists(report: Report) -> None:
    counted = by_hand(RECORDS)
    primary = effects_of(report).metrics[0]
    assert primary.metric == "ctr"
    assert primary.plain.control == pytest.approx(counted["control"][2] / counted["control"][1])
    assert primary.plain.treatment == pytest.approx(counted["fresh"][2] / counted["fresh"][1])
    assert primary.plain.lift == pytest.approx(primary.plain.treatment / primary.plain.control - 1)


def test_a_planted_lift_is_found_and_said(report: Report) -> None:
    primary = effects_of(report).metrics[0].adjusted
    assert primary.lift_interval is not None
    assert 0 < primary.lift_interval[0] < 0.3 < primary.lift_interval[1]
    low, high = (f"{end:.1%}" for end in primary.lift_interval)
    assert report.verdict == (
        f"Readers of “fresh” clicked {primary.lift:.1%} more often (between {low} and {high} more; decided, however "
        "often one looked)."
    )


def test_what_readers_did_before_makes_the_estimate_sharper(report: Report) -> None:
    primary = effects_of(report).metrics[0]
    assert primary.adjusted.theta is not None
    assert primary.adjusted.theta > 0.1
    assert primary.adjusted.standard_error < primary.plain.standard_error


def test_the_last_look_is_the_result(report: Report) -> None:
    effects = effects_of(report)
    last, result = effects.looks[-1], effects.metrics[0].adjusted
    assert last.lift == pytest.approx(result.lift)
    assert last.interval == pytest.approx(result.lift_interval)
    assert [each.day for each in effects.looks] == [date(2026, 11, day) for day in range(20, 27)]


def test_an_always_valid_interval_is_wider_than_that_of_one_look(report: Report) -> None:
    for each in effects_of(report).metrics:
        assert each.adjusted.interval[0] < each.adjusted.fixed_interval[0]
        assert each.adjusted.interval[1] > each.adjusted.fixed_interval[1]
        assert each.adjusted.p_value >= each.adjusted.fixed_p_value


def test_swapping_the_arms_flips_the_sign(report: Report, tmp_path: Path) -> None:
    swapped = msgspec.structs.replace(TEST, variants=(TEST.variants[1], TEST.variants[0]))
    with open_events(written(RECORDS, tmp_path)) as events:
        other = all_effects(open_experiment(events, swapped), "exposures", progress=lambda _: None)
    one, two = effects_of(report).metrics[0].adjusted, other.metrics[0].adjusted
    assert two.difference == pytest.approx(-one.difference)
    assert two.p_value == pytest.approx(one.p_value)


def test_of_seen_lists_there_are_fewer_and_as_many_clicks(tmp_path: Path) -> None:
    seen = effects_of(report_of(RECORDS, tmp_path, denominator="views")).metrics[0]
    views = sum(
        isinstance(each, View) and not isinstance(each, Click) and each.variant == "fresh" for each in RECORDS
    )
    assert seen.plain.treatment == pytest.approx(by_hand(RECORDS)["fresh"][2] / views)


def test_lists_from_a_day_on_can_be_left_out(tmp_path: Path) -> None:
    report = report_of(RECORDS, tmp_path, until=date(2026, 11, 22))
    lists = [each.at for each in RECORDS if isinstance(each, Exposure) and each.variant]
    early = sum(at < 1_795_305_600 for at in lists)  # 22 November
    assert sum(arm.lists for arm in report.arms) == early
    assert {each.what: each.n for each in report.left_out}["lists outside the test’s days"] == len(lists) - early
    assert report.experiment.ends_on == TEST.ends_on
    assert report.until == date(2026, 11, 22)


def test_three_arms_share_the_error_and_each_has_its_sentence(tmp_path: Path) -> None:
    keys = ("control", "fresh", "mixed")
    three = msgspec.structs.replace(
        TEST, variants=tuple(Variant(key=key, policy="related", weight=1 / 3) for key in keys)
    )
    report = report_of(simulated(three, 2_400, 8, LIFT), tmp_path, three)
    effects = effects_of(report)
    primary = [each for each in effects.metrics if each.role == "primary"]
    assert [each.variant for each in primary] == ["fresh", "mixed"]
    assert {each.alpha for each in primary} == {0.025}
    smaller, larger = sorted(each.adjusted.p_value for each in primary)
    assert sorted(each.p_corrected for each in primary) == pytest.approx(
        [min(1, 2 * smaller), max(min(1, 2 * smaller), larger)]  # Holm
    )
    assert report.verdict == " ".join(each.sentence for each in effects.outcomes)


def test_few_readers_say_nothing(tmp_path: Path) -> None:
    report = report_of(simulated(TEST, 150, 9), tmp_path)
    assert report.verdict == "Nothing can be said of “fresh”: fewer than 100 readers."
    assert not effects_of(report).metrics


def test_an_empty_log_has_no_results(tmp_path: Path) -> None:
    report = report_of([], tmp_path)
    assert report.verdict == "Do not use these results: no list of this experiment counts."
    assert report.effects is None


def test_an_interleaved_test_says_whom_readers_preferred(tmp_path: Path) -> None:
    interleaved = msgspec.structs.replace(TEST, mode="interleave")
    records: list[Record] = []
    for each in simulated(TEST, 400, 10):
        if each.variant and isinstance(each, Exposure):
            items = (msgspec.structs.replace(each.items[0], team="b"), *each.items[1:])
            each = msgspec.structs.replace(each, variant="interleaved", items=items)
        elif each.variant:
            each = msgspec.structs.replace(each, variant="interleaved")
        records.append(each)
    report = report_of(records, tmp_path, interleaved)
    clicks = sum(isinstance(each, Click) and each.variant is not None for each in records)
    found = effects_of(report).preference
    assert found is not None
    assert (found.clicks_a, found.clicks_b) == (0, clicks)
    assert report.sample_ratio is None
    assert report.verdict == (
        f"Readers who were shown both preferred “fresh” to “control”: of {clicks:,} clicks that tell them apart 0 "
        f"went to “control”, {clicks:,} to “fresh”."
    )


def test_identical_rankers_are_not_told_apart() -> None:
    nothing = preference(np.zeros(50), np.zeros(50), np.arange(50))
    assert preferred(nothing, "a", "b").startswith("Readers preferred neither “a” nor “b”, as far as can be told")


def test_the_definition_in_the_report_names_no_reader(tmp_path: Path) -> None:
    experiment = msgspec.structs.replace(TEST, overrides={"u7-0": "fresh"})
    assert b"u7-0" not in msgspec.json.encode(report_of(RECORDS, tmp_path, experiment))


def primary_of(control: float, treatment: float, variance: float, decided: bool = False) -> MetricEffect:
    """The effect on 5,000 and 5,000 readers of two figures of one variance."""
    error = (2 * variance) ** 0.5
    effect = Effect(
        control=control,
        treatment=treatment,
        difference=treatment - control,
        standard_error=error,
        p_value=0.5,
        lift=(treatment - control) / control,
        theta=None,
        n_control=5_000,
        n_treatment=5_000,
        control_variance=variance,
        treatment_variance=variance,
    )
    told = figures(effect, 0.05)
    return MetricEffect(
        metric="ctr",
        role="primary",
        variant="fresh",
        n_control=5_000,
        n_treatment=5_000,
        alpha=0.05,
        adjusted=told,
        plain=told,
        p_corrected=told.p_value,
        decided=decided,
    )


def test_a_sentence_excludes_what_the_test_excluded_and_no_more() -> None:
    """The lift's interval leaves out zero exactly where the difference's does."""
    for treatment in (0.03, 0.028, 0.072, 0.076):
        primary = primary_of(0.05, treatment, 2.6e-5)
        low, high = primary.adjusted.lift_interval or (0.0, 0.0)
        assert (low <= 0 <= high) == (primary.adjusted.interval[0] <= 0 <= primary.adjusted.interval[1])
    primary = primary_of(0.05, 0.045, 2.6e-6)
    low, high = (f"{abs(end):.1%}" for end in primary.adjusted.lift_interval or ())
    assert outcome(primary, [], 0.05).sentence == (
        f"Not decided: so far readers of “fresh” click between {low} less and {high} more often than the control’s."
    )


@pytest.mark.parametrize("variance", [2e-4, 5e-4, 1e-2])
def test_where_nothing_useful_can_be_told_the_sentence_says_so_and_gives_no_number(variance: float) -> None:
    """Of the first, the interval of the difference is from 182% less to 240% more."""
    primary = primary_of(0.05, 0.05, variance)
    assert primary.adjusted.interval[0] / 0.05 < -0.75
    assert outcome(primary, [], 0.05).sentence == (
        "Not decided, and too few readers to tell: those of “fresh” may click half as often as the control’s, or "
        "twice as often."
    )


def test_a_difference_that_is_decided_on_too_few_clicks_has_a_direction_and_no_size() -> None:
    told = outcome(primary_of(0.05, 0.9, 1e-2, decided=True), [], 0.05)
    assert (told.found, told.sentence) == (
        "better",
        "Readers of “fresh” clicked more often (by how much, so few clicks cannot tell; decided, however often one "
        "looked).",
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_in_a_report_is_more_than_a_hundred_percent_less(tmp_path: Path, seed: int) -> None:
    """Of so few readers that the symmetric intervals were beyond it, in sentences, tables, plots and figures."""
    report = report_of(simulated(TEST, 260, seed), tmp_path)
    effects = effects_of(report)
    intervals = [
        *(each.adjusted.lift_interval for each in effects.metrics),
        *(each.plain.fixed_lift_interval for each in effects.metrics),
        *(each.interval for each in (*effects.looks, *effects.days, *effects.segments)),
    ]
    assert any(intervals)
    assert all(each is None or each[0] >= -1 for each in intervals)
    page = as_html(report) + as_text(report)
    assert not [each for each in re.findall(r"−([\d,]+(?:\.\d+)?)%", page) if float(each.replace(",", "")) > 100]


def test_one_row_stands_for_two_that_read_alike(report: Report, tmp_path: Path) -> None:
    """Where nothing is known of the readers from before the test, there is nothing to adjust."""
    assert "adjusted (CUPED)" in as_html(report)
    during = [each for each in simulated(TEST, 1_000, 4) if each.variant]
    fresh = report_of(during, tmp_path)
    assert {each.adjusted.theta for each in effects_of(fresh).metrics} == {0.0}
    page = as_html(fresh)
    assert "adjusted (CUPED)" not in page
    assert page.count("<td>plain</td>") == len(effects_of(fresh).metrics)
