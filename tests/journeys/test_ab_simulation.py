"""An experiment from readers to report: what was planted among simulated readers of the service is found again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import ab_simulate
import numpy as np
import pytest
from constants import NOW
from hashing_embedder import HashingEmbedder
from scipy.stats import kstest

from index.article import Article
from index.build import rebuild
from index.publishing.store import Store
from scripts.simulation.readers import Habits
from scripts.simulation.simulation import Plan, Trouble
from service.evaluation.experiments.analysis import analysed
from service.evaluation.experiments.events import Events, open_events
from service.evaluation.experiments.events_experiment import open_experiment
from service.evaluation.experiments.interleaving import preference
from service.evaluation.experiments.result import MetricEffect, Report
from service.experiments.definitions import Experiment, read_experiments
from service.recommend.policy import read_policies

EXPERIMENTS = """
[kinder]
description = "Do readers click more where we are kinder? The lists are the same."
owner = "desk"
starts_on = 2026-11-27
ends_on = 2026-12-24
primary_metric = "ctr"
minimum_effect = 0.1
[[kinder.variants]]
key = "control"
policy = "related"
weight = 0.5
[[kinder.variants]]
key = "kind"
policy = "related"
weight = 0.5

[both-at-once]
description = "Do readers prefer what happened since?"
owner = "desk"
block = "foot"
starts_on = 2026-11-24
ends_on = 2026-12-24
mode = "interleave"
minimum_effect = 0.1
[[both-at-once.variants]]
key = "control"
policy = "related"
weight = 0.5
[[both-at-once.variants]]
key = "newest"
policy = "latest"
weight = 0.5
"""
BEGIN = date(2026, 11, 24)  # three days before the test
HABITS = Habits(visits_a_day=0.4, visits_shape=2.0, clicks_a_view=0.2, clicks_shape=3.0)
TROUBLE = Trouble(replays=0.03, late=0.03, changed=0.02, wrong_clocks=0.03, bots=1)


class Installation(NamedTuple):
    """A newsroom with experiments."""

    store: Path
    experiments: Path

    def experiment(self, key: str = "kinder") -> Experiment:
        return read_experiments(self.experiments, read_policies(None)).by_key[key]

    def simulated(self, events: Path, **plan: Any) -> dict[str, Any]:
        usual = {"experiment": self.experiment(), "begin": BEGIN, "habits": HABITS, "trouble": TROUBLE}
        planned = Plan(**{**usual, **plan})
        return ab_simulate.simulate(planned, self.store, self.experiments, events)


class Simulated(NamedTuple):
    """What was planted, what is in the log, and what the analysis makes of it."""

    truth: dict[str, Any]
    log: Events
    report: Report


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, sample_articles: list[Article]) -> Installation:
    folder = tmp_path_factory.mktemp("simulated")
    rebuild(sample_articles, Store(folder / "store"), HashingEmbedder(), NOW)
    (folder / "experiments.toml").write_text(EXPERIMENTS, "utf-8")
    return Installation(folder / "store", folder / "experiments.toml")


@pytest.fixture(scope="module")
def lifted(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    """A lift so large that few readers tell it."""
    folder = tmp_path_factory.mktemp("lifted")
    truth = installation.simulated(folder, readers=400, days=8, lift=1.5)
    with open_events(folder) as log:
        report = analysed(installation.experiment(), log, denominator="exposures", generated=NOW)
        yield Simulated(truth, log, report)


def test_every_line_of_the_log_is_accounted_for(lifted: Simulated) -> None:
    truth, lines = lifted.truth, lifted.log.lines()
    assert all(truth["wrong"][name] > 0 for name in ("replay", "late", "future", "early", "changed", "bot"))
    assert truth["refused"] == {"replay": truth["wrong"]["replay"], "bad_signature": truth["wrong"]["changed"]}
    assert lines.refused == truth["refused"]
    by_status = {
        status: sum(n for (kind, its), n in lines.counts.items() if its == status and kind in ("view", "click"))
        for status in ("accepted", "late", "future", "early")
    }
    assert (
        sum(by_status.values()) == truth["accepted"] == sum(truth["sent"].values()) - sum(truth["refused"].values())
    )
    for status in ("late", "future", "early"):
        assert by_status[status] == truth["wrong"][status]
    assert lines.counts["exposure", "accepted"] == truth["lists"]
    assert {status for _, status in lines.counts} == {"accepted", "late", "future", "early", "refused"}


def test_what_counts_in_each_arm_is_what_its_readers_did(lifted: Simulated, installation: Installation) -> None:
    counted = open_experiment(lifted.log, installation.experiment()).counts()
    assert set(counted) == {"control", "kind"}
    for arm, told in lifted.truth["arms"].items():
        found = counted[arm]
        assert (found.units, found.lists, found.viewed, found.clicks) == (
            told["units"], told["lists"], told["views"], told["clicks"],
        )  # fmt: skip
    assert lifted.log.rows("SELECT unit, reason FROM excluded_units") == [("bot-0", "bot")]


def test_the_report_finds_the_planted_lift_again(lifted: Simulated) -> None:
    assert lifted.report.faults == ()
    assert lifted.report.effects is not None
    (found,) = (each for each in lifted.report.effects.metrics if each.metric == "ctr")
    assert (found.variant, found.decided) == ("kind", True)
    assert lifted.report.effects.outcomes[0].found == "better"
    for figures in (found.adjusted, found.plain):
        assert figures.lift_interval is not None
        assert figures.fixed_lift_interval is not None
        assert figures.lift_interval[0] < 1.5 < figures.lift_interval[1]
        assert figures.fixed_lift_interval[0] < 1.5 < figures.fixed_lift_interval[1]
    assert found.adjusted.standard_error < found.plain.standard_error  # readers' clicks before the test foretold much


def test_where_nothing_is_planted_nothing_is_found(installation: Installation, tmp_path: Path) -> None:
    installation.simulated(tmp_path, readers=500, days=7, lift=0.0, seed=3)
    with open_events(tmp_path) as log:
        report = analysed(installation.experiment(), log, denominator="exposures", generated=NOW)
    assert report.faults == ()
    assert report.effects is not None
    assert report.effects.metrics[0].metric == "ctr"
    assert not any(each.decided for each in report.effects.metrics)
    assert all(each.verdict != "harmed" for each in report.effects.guardrails)


def test_readers_who_like_what_is_new_prefer_it_where_two_policies_are_interleaved(
    installation: Installation, tmp_path: Path
) -> None:
    experiment, habits = installation.experiment("both-at-once"), replace(HABITS, half_life_days=3.0)
    truth = installation.simulated(tmp_path, experiment=experiment, readers=120, days=6, lift=0.0, habits=habits)
    assert set(truth["arms"]) == {"interleaved"}
    with open_events(tmp_path) as log:
        found = open_experiment(log, experiment).interleaved()
    told = preference(found.clicks_a, found.clicks_b, found.unit)
    assert told.clicks_b > told.clicks_a
    assert told.effect.p_value < 0.01


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--experiment", "none"], "has no experiment 'none'; it has kinder, both-at-once"),
        (["--begin", "2026-11-20", "--days", "7"], "runs from 2026-11-27 until 2026-12-24: none of the 7 days"),
        (["--begin", "2026-12-24"], "see --begin"),
        (["--store", "nowhere"], "no snapshot of channel default in nowhere"),
    ],
)
def test_what_cannot_be_simulated_is_said(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    given = {"--store": str(installation.store), "--experiment": "kinder", "--begin": "2026-11-27"}
    given |= {"--experiments": str(installation.experiments), "--events": str(tmp_path / "events")}
    given |= dict(zip(options[::2], options[1::2], strict=True))
    assert ab_simulate.main([each for pair in given.items() for each in pair]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "events").exists()


def test_no_real_event_is_replaced_by_a_simulation(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "20261124T090000-1-abcd.jsonl").write_text("")
    with pytest.raises(ab_simulate.Unusable, match="no simulation's"):
        installation.simulated(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["20261124T090000-1-abcd.jsonl"]


@pytest.mark.proof
@pytest.mark.timeout(3_600)
def test_planted_lifts_are_found_without_bias(installation: Installation, tmp_path: Path) -> None:
    """Ten times 50%: the mean is within two standard errors of it, and each always-valid interval holds it."""
    found = [
        effect_of(installation, tmp_path / str(seed), readers=400, days=10, lift=0.5, seed=seed) for seed in range(10)
    ]
    lifts = [each.adjusted.lift for each in found]
    assert abs(np.mean(lifts) - 0.5) < 2 * np.std(lifts, ddof=1) / np.sqrt(10)
    intervals = [each.adjusted.lift_interval for each in found]
    assert all(each is not None and each[0] < 0.5 < each[1] for each in intervals)


@pytest.mark.proof
@pytest.mark.timeout(7_200)
def test_tests_of_nothing_find_nothing_as_often_as_they_say(installation: Installation, tmp_path: Path) -> None:
    """Of 60 A/A tests, at 5%: more than 8 wrong ones would be chance 3 times in 1,000; p-values are uniform."""
    found = [
        effect_of(installation, tmp_path / str(seed), readers=400, days=6, lift=0.0, seed=seed) for seed in range(60)
    ]
    p_values = np.array([each.adjusted.fixed_p_value for each in found])
    assert (p_values < 0.05).sum() <= 8
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert sum(each.decided for each in found) <= 1


def effect_of(installation: Installation, events: Path, **plan: Any) -> MetricEffect:
    """What the report says of clicks per list, after one simulation without trouble."""
    installation.simulated(events, trouble=Trouble(0, 0, 0, 0, 0), **plan)
    with open_events(events) as log:
        report = analysed(installation.experiment(), log, denominator="exposures", generated=NOW)
    shutil.rmtree(events)
    assert report.effects is not None
    (found,) = (each for each in report.effects.metrics if each.metric == "ctr")
    return found
