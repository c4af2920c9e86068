"""Sabotage drills: a log is damaged, as logs are in life, and the report must notice, or not be moved by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from experiment_log import DAY, TEST, Quality, Record, simulated, written

from service.evaluation.experiments.analysis import analysed
from service.evaluation.experiments.events import open_events
from service.evaluation.experiments.result import Effects, Report
from service.evaluation.experiments.sample_ratio import THRESHOLD, sample_ratio_mismatch
from service.experiments.event_schema import Click, Exposure, View

LONG = [pytest.mark.proof, pytest.mark.timeout(3_600)]
ROUNDS = [pytest.param(3, id="ci"), pytest.param(100, id="proof", marks=LONG)]
READERS = 600
BEGIN = 1_795_132_800  # 20 November 2026
DAMAGED = Quality(slower_ms=20, catalogue=360, same_section=0.5)  # of 400 stories 10% fewer; 15 points more


def report_of(records: list[Record], folder: Path) -> Report:
    with open_events(written(records, folder)) as events:
        return analysed(TEST, events, denominator="exposures", generated=BEGIN)


def effects_of(report: Report) -> Effects:
    assert report.effects is not None, report.faults
    return report.effects


def sound_log(round_: int) -> list[Record]:
    return simulated(TEST, READERS, round_, {"fresh": Quality(lift=0.2)})


def counted(report: Report, what: str) -> int:
    return sum(each.n for each in (*report.log, *report.left_out) if what in each.what)


def changed(records: list[Record], change: Callable[[Record], Record]) -> list[Record]:
    return [change(each) for each in records]


def of_test(record: Record) -> bool:
    return getattr(record, "variant", None) is not None


@pytest.mark.parametrize("rounds", ROUNDS)
def test_three_percent_of_lists_lost_in_one_arm_hide_the_effects(rounds: int) -> None:
    draw = np.random.default_rng(1)
    for _ in range(rounds):
        arms = draw.multinomial(400_000, [0.5, 0.5])
        lists = draw.geometric(0.6, arms[1])  # of a reader: half have only one
        lost = (draw.random(arms[1]) < 0.03**lists).sum()
        assert sample_ratio_mismatch([int(arms[0]), int(arms[1] - lost)], [0.5, 0.5]) < THRESHOLD


@pytest.mark.parametrize("rounds", ROUNDS)
def test_lists_lost_in_one_arm_hide_the_effects_of_the_report(rounds: int, tmp_path: Path) -> None:
    for round_ in range(rounds):
        draw = np.random.default_rng(round_)
        units = {each.unit for each in sound_log(round_) if isinstance(each, Exposure) and each.variant == "fresh"}
        lost = {unit for unit in sorted(units) if draw.random() < 0.5}
        kept = [each for each in sound_log(round_) if not (isinstance(each, Exposure) and each.unit in lost)]
        report = report_of(kept, tmp_path)
        assert report.effects is None
        assert report.sample_ratio is not None
        assert report.sample_ratio.mismatch
        assert report.verdict.startswith("Do not use these results: readers did not fall to the variants as planned")


@pytest.mark.parametrize("rounds", ROUNDS)
def test_clicks_logged_twice_are_counted_and_change_nothing(rounds: int, tmp_path: Path) -> None:
    for round_ in range(rounds):
        records = sound_log(round_)
        clicks = [each for each in records if isinstance(each, Click)]
        twice = [*records, *(each for each in clicks if each.variant == "fresh")]
        again = [msgspec.structs.replace(each, at=each.at + 60) for each in clicks if each.variant == "control"]
        sound, report = report_of(records, tmp_path), report_of([*twice, *again], tmp_path)
        assert report.effects == sound.effects
        assert counted(report, "clicks written down twice") == sum(each.variant == "fresh" for each in clicks)
        assert counted(report, "clicks sent again") == len(again)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_labels_that_were_swapped_for_a_day_are_noticed(rounds: int, tmp_path: Path) -> None:
    other = {"control": "fresh", "fresh": "control"}

    def swapped(record: Record) -> Record:
        at = getattr(record, "served_at", record.at)
        if of_test(record) and BEGIN + 2 * DAY <= at < BEGIN + 3 * DAY:
            return msgspec.structs.replace(record, variant=other[record.variant])
        return record

    for round_ in range(rounds):
        report = report_of(changed(sound_log(round_), swapped), tmp_path)
        assert report.effects is None
        assert any("readers were in two variants" in fault for fault in report.faults)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_bot_with_ten_thousand_clicks_changes_nothing(rounds: int, tmp_path: Path) -> None:
    for round_ in range(rounds):
        records = sound_log(round_)
        shown = next(each for each in records if isinstance(each, Exposure) and each.variant == "fresh")
        lists = [msgspec.structs.replace(shown, unit="bot", list_id=f"{n:024x}") for n in range(2_000)]
        clicks = [bot_click(each, item.id, place) for each in lists for place, item in enumerate(each.items, 1)]
        assert len(clicks) == 10_000
        sound, report = report_of(records, tmp_path), report_of([*records, *lists, *clicks], tmp_path)
        assert counted(report, "readers who are programs") == 1
        assert report.effects == sound.effects


def bot_click(shown: Exposure, clicked_id: str, position: int) -> Click:
    return Click(
        at=shown.at + 1,
        occurred_at=shown.at + 1,
        list_id=shown.list_id,
        article_id=shown.article_id,
        block=shown.block,
        policy=shown.policy,
        experiment=shown.experiment,
        variant=shown.variant,
        served_at=shown.at,
        quarantine=None,
        clicked_id=f"{clicked_id}-{position}",
        position=position,
    )


@pytest.mark.parametrize("rounds", ROUNDS)
def test_clocks_an_hour_off_count_nowhere_but_in_the_table(rounds: int, tmp_path: Path) -> None:
    for round_ in range(rounds):
        records, draw = sound_log(round_), np.random.default_rng(round_)
        wrong = {each.list_id for each in records if isinstance(each, View) and draw.random() < 0.03}
        skewed = [off(each, 3_600, "future") if each.list_id in wrong else each for each in records]
        without = [each for each in records if isinstance(each, Exposure) or each.list_id not in wrong]
        report = report_of(skewed, tmp_path)
        assert report.effects == report_of(without, tmp_path).effects
        assert counted(report, "from a clock that is ahead") == len(records) - len(without)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_where_many_clocks_are_wrong_the_results_must_not_be_used(rounds: int, tmp_path: Path) -> None:
    for round_ in range(rounds):
        records, draw = sound_log(round_), np.random.default_rng(round_)
        slow = [off(each, -3_600, "early") if draw.random() < 0.2 else each for each in records]
        report = report_of(slow, tmp_path)
        assert report.effects is None
        assert any("came late or from wrong clocks" in fault for fault in report.faults)


def off(record: Record, seconds: float, quarantine: str) -> Record:
    if isinstance(record, View):
        return msgspec.structs.replace(record, occurred_at=record.occurred_at + seconds, quarantine=quarantine)
    return record


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_renamed_variant_is_named(rounds: int, tmp_path: Path) -> None:
    def renamed(record: Record) -> Record:
        at = getattr(record, "served_at", record.at)
        late = at >= BEGIN + 4 * DAY and getattr(record, "variant", None) == "fresh"
        return msgspec.structs.replace(record, variant="fresher-still") if late else record

    for round_ in range(rounds):
        report = report_of(changed(sound_log(round_), renamed), tmp_path)
        assert report.effects is None
        assert any("that the definition does not name: fresher-still" in fault for fault in report.faults)
        assert {each.note for each in report.left_out if "does not name" in each.what} == {"fresher-still"}


@pytest.mark.parametrize("rounds", ROUNDS)
def test_an_arm_without_lists_is_named(rounds: int, tmp_path: Path) -> None:
    for round_ in range(rounds):
        report = report_of(
            [each for each in sound_log(round_) if getattr(each, "variant", None) != "fresh"], tmp_path
        )
        assert report.effects is None
        assert "Variant “fresh” has no lists." in report.faults


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_unit_in_two_arms_counts_in_none(rounds: int, tmp_path: Path) -> None:
    for round_ in range(rounds):
        records = sound_log(round_)
        one = next(each for each in records if isinstance(each, Exposure) and each.variant == "fresh")
        both = [*records, msgspec.structs.replace(one, variant="control", list_id="0" * 24)]
        report = report_of(both, tmp_path)
        without = [each for each in records if not (of_test(each) and getattr(each, "unit", "") == one.unit)]
        assert counted(report, "readers who were in two variants") == 1
        assert effects_of(report).metrics == effects_of(report_of(without, tmp_path)).metrics


@pytest.mark.parametrize("rounds", ROUNDS)
def test_without_any_click_nothing_can_be_said(rounds: int, tmp_path: Path) -> None:
    for round_ in range(rounds):
        report = report_of([each for each in sound_log(round_) if not isinstance(each, Click)], tmp_path)
        assert report.verdict.startswith("Nothing can be said of “fresh”: ")
        assert {each.what for each in effects_of(report).untold} == {"ctr", "clicks_per_unit"}


SHIPPED = [
    pytest.param(5, id="ci"),
    pytest.param(100, id="proof", marks=[pytest.mark.proof, pytest.mark.timeout(3_600)]),
]


@pytest.mark.parametrize("rounds", SHIPPED)
def test_a_damaged_ranker_is_always_blocked(rounds: int, tmp_path: Path) -> None:
    said = [shipping(round_, DAMAGED, tmp_path) for round_ in range(rounds)]
    assert said.count("blocked") == rounds


@pytest.mark.parametrize("rounds", SHIPPED)
def test_a_harmless_one_passes(rounds: int, tmp_path: Path) -> None:
    said = [shipping(1_000 + round_, Quality(), tmp_path) for round_ in range(rounds)]
    assert said.count("pass") >= 0.95 * rounds


def shipping(round_: int, quality: Quality, folder: Path) -> str:
    effects = report_of(simulated(TEST, 3_000, round_, {"fresh": quality}), folder).effects
    if effects is None:
        return "hidden"  # of sound logs too two in a thousand are taken for damaged
    (outcome,) = effects.outcomes
    return outcome.shipping
