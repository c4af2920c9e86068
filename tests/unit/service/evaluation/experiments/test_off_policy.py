"""Off-policy estimates against a real log's reference values, a synthetic log's truth, and refusals by name."""

from __future__ import annotations

import json
import random
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import ope_report
import pytest

from service.evaluation.experiments.off_policy import (
    Choices,
    DeterministicLog,
    Evaluation,
    MissingSupport,
    Model,
    TooLittleOverlap,
    WrongWeights,
    effective_sample_size,
    evaluate,
)
from service.experiments.exploration import explored

# IPW, SNIPW, DM, DR, ESS: the design's table.
OPEN_BANDIT = {
    "men": (0.005656266701, 0.005739864702, 0.005489573836, 0.005689135229, 2869),
    "women": (0.005805691783, 0.005833036087, 0.005597105505, 0.005900082881, 3492),
    "all": (0.005035366933, 0.005253072196, 0.004882733541, 0.005056717326, 2639),
}


@pytest.mark.parametrize("campaign", OPEN_BANDIT)
def test_the_open_bandit_log_gives_the_reference_values(data_dir: Path, campaign: str) -> None:
    found = ope_report.open_bandit(data_dir / "experiments" / "obd", campaign)
    *values, ess = OPEN_BANDIT[campaign]
    figures = (found.ips, found.snips, found.dm, found.dr)
    assert [figure.value for figure in figures if figure] == pytest.approx(values, abs=1e-9)
    assert round(found.ess) == ess


def choices(target: list[float], propensity: list[float], reward: list[float], unsupported: float = 0.0) -> Choices:
    """Each given row a hundred times over, of as many readers."""
    rows = 100 * len(target)
    columns = [np.tile(np.array(column, float), 100) for column in (reward, propensity, target)]
    return Choices(*columns, np.full(rows, unsupported), np.arange(rows))


def test_every_estimate_by_hand() -> None:
    log = choices(target=[0.9, 0.1], propensity=[0.5, 0.5], reward=[1, 0])  # weights 1.8 and 0.2
    found = evaluate(log, Model(np.tile([0.7, 0.3], 100), np.full(200, 0.66)))
    assert found.logged.value == pytest.approx(0.5)
    assert found.ips.value == pytest.approx(1.8 / 2)
    assert found.snips.value == pytest.approx(1.8 / 2)
    assert found.dm is not None and found.dm.value == pytest.approx(0.66)  # noqa: PT018
    assert found.dr is not None and found.dr.value == pytest.approx(0.66 + (1.8 * 0.3 - 0.2 * 0.3) / 2)  # noqa: PT018
    assert found.ess == pytest.approx(100 * 4 / (1.8**2 + 0.2**2))
    assert found.ips.standard_error == pytest.approx(0.9 / 199**0.5)
    assert found.mean_weight == pytest.approx(1)


def test_a_weight_above_the_cap_counts_for_the_cap() -> None:
    rare = choices(target=[1.0, *[0.5] * 19], propensity=[1 / 12, *[0.9] * 19], reward=[1, *[0] * 19])
    found = evaluate(rare)
    assert found.ips.value == pytest.approx(12 / 20)
    assert found.clipped.value == pytest.approx(10 / 20)


def test_the_logging_policy_as_target_gives_the_logged_mean() -> None:
    log = choices(target=[0.3, 0.7], propensity=[0.3, 0.7], reward=[1, 0])
    found = evaluate(log)
    assert found.ips == found.snips == found.clipped == found.logged
    assert found.ess == pytest.approx(200)
    assert found.dr is None


def test_effective_sample_size_by_hand() -> None:
    assert effective_sample_size(np.array([1.0, 1, 1, 0])) == 3
    assert effective_sample_size(np.array([3.0, 1])) == pytest.approx(1.6)
    assert effective_sample_size(np.zeros(3)) == 0


@pytest.mark.parametrize("propensity", [1.0, np.nan])
def test_a_deterministic_log_is_refused_by_name(propensity: float) -> None:
    with pytest.raises(DeterministicLog, match="only an exploring policy's log"):
        evaluate(choices(target=[1, 0], propensity=[propensity] * 2, reward=[1, 0]))


def test_a_target_that_the_log_could_not_show_is_refused_by_name() -> None:
    with pytest.raises(MissingSupport, match=r"in 200 contexts .* 10.0% of its choices"):
        evaluate(choices(target=[0.9, 0.1], propensity=[0.5, 0.5], reward=[1, 0], unsupported=0.1))


def test_too_little_overlap_is_refused_by_name() -> None:
    rare = choices(target=[1.0] + [0.0] * 19, propensity=[0.05] * 20, reward=[1] * 20)
    assert evaluate(rare).ess == pytest.approx(100)
    with pytest.raises(TooLittleOverlap, match="effective sample size is 99"):
        evaluate(msgspec.structs.replace(rare, target=rare.target * (np.arange(2_000) > 0)))


def test_propensities_that_are_not_those_of_the_log_are_refused_by_name() -> None:
    with pytest.raises(WrongWeights, match=r"average 1\.18"):
        evaluate(choices(target=[0.5, 0.5], propensity=[0.4, 0.45], reward=[1, 0]))


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.1, np.nan])
def test_a_propensity_that_is_no_probability_is_an_error(wrong: float) -> None:
    with pytest.raises(ValueError, match="not in"):
        evaluate(choices(target=[0.5, 0.5], propensity=[0.5, wrong], reward=[1, 0]))


# A synthetic log: two contexts, three items, a click model, and what the target would get.
CLICKED = np.array([[0.5, 0.2, 0.1], [0.1, 0.3, 0.4]])
LOGS = np.array([[0.6, 0.2, 0.2], [0.5, 0.3, 0.2]])
TARGET = np.array([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
TRUTH = float((TARGET * CLICKED).sum(axis=1).mean())


def synthetic(rng: np.random.Generator, rows: int = 600) -> Evaluation:
    context = rng.integers(0, 2, rows)
    item = (rng.random(rows)[:, None] > LOGS.cumsum(axis=1)[context]).sum(axis=1)
    reward = (rng.random(rows) < CLICKED[context, item]).astype(float)
    near = 0.8 * CLICKED + 0.05  # a model that is a little wrong
    model = Model(near[context, item], (TARGET * near).sum(axis=1)[context])
    log = Choices(reward, LOGS[context, item], TARGET[context, item], np.zeros(rows), np.arange(rows))
    return evaluate(log, model)


def check_estimators(rounds: int) -> None:
    rng = np.random.default_rng(8)
    found = [synthetic(rng) for _ in range(rounds)]
    values = {name: np.array([getattr(each, name).value for each in found]) for name in ("ips", "snips", "dm", "dr")}
    errors = {name: each.std() / rounds**0.5 for name, each in values.items()}
    for name in ("ips", "snips", "dr"):
        assert values[name].mean() == pytest.approx(TRUTH, abs=4 * errors[name])
        covered = np.mean([getattr(each, name).low <= TRUTH <= getattr(each, name).high for each in found])
        assert covered == pytest.approx(0.95, abs=4 * (0.05 * 0.95 / rounds) ** 0.5 + 0.005)
    assert abs(values["dm"].mean() - TRUTH) > 4 * errors["dm"]  # the wrong model misleads dm, and not dr
    assert values["dr"].var() < values["ips"].var()


def test_estimates_are_unbiased_their_intervals_hold_and_dr_varies_less_than_ips() -> None:
    check_estimators(400)


@pytest.mark.proof
def test_estimates_are_unbiased_their_intervals_hold_and_dr_varies_less_than_ips_over_5_000_logs() -> None:
    check_estimators(5_000)


# Lists that an exploring policy logs, and how readers look at them.
LOOK = np.array([1.0, 0.8, 0.6, 0.45, 0.3])
ATTRACTION = np.linspace(0.6, 0.15, 12)  # stories 0-4 are the list, 5-11 nearly in it
EPSILON, FIXED = 0.6, 1


def exploring_lists(lists: int, seed: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(lists, 5) stories, propensities and clicks."""
    draw, rng = random.Random(seed).random, np.random.default_rng(seed)
    logged = [explored(range(5), range(5, 12), EPSILON, FIXED, draw) for _ in range(lists)]
    shown, propensities = np.array([items for items, _ in logged]), np.array([each for _, each in logged])
    return shown, propensities, rng.random(shown.shape) < LOOK * ATTRACTION[shown]


def test_what_exploring_costs_is_estimated_without_bias_from_lists_that_exploring_made() -> None:
    shown, propensities, clicked = exploring_lists(20_000)
    own = shown == np.arange(5)
    readers = np.repeat(np.arange(20_000), 5)
    log = Choices(clicked.ravel() * 1.0, propensities.ravel(), own.ravel() * 1.0, np.zeros(100_000), readers)
    found, truth = evaluate(log), float((LOOK * ATTRACTION[:5]).mean())
    assert found.ips.low < truth < found.ips.high
    assert found.logged.high < truth  # as logged, stories from beyond the list are among them
    assert found.ips.standard_error < 0.002


def event_log(folder: Path, lists: int = 3_000) -> Path:
    """Lists of an exploring policy and their clicks as the service writes them, with what must not count."""
    shown, propensities, clicked = exploring_lists(lists)
    lines = []
    for number in range(lists):
        same = {"at": 1e9 + number, "list_id": f"l{number}", "article_id": "a", "block": "foot", "policy": "curious"}
        items = [{"id": str(story), "score": 0.5} for story in shown[number]]
        exposure = same | {"kind": "exposure", "unit": f"u{number % 700}", "items": items}
        lines.append(exposure | {"propensities": propensities[number].tolist()})
        for place in np.flatnonzero(clicked[number]):
            click = same | {"kind": "click", "clicked_id": str(shown[number, place]), "quarantine": None}
            lines += [click, click]
        lines.append(same | {"kind": "click", "clicked_id": str(shown[number, 4]), "quarantine": "late"})
    lines.append(lines[0])
    lines += [lines[0] | {"list_id": f"bot{n}", "unit": "bot"} for n in range(1_001)]
    lines.append(lines[0] | {"list_id": "other", "policy": "related", "propensities": None})
    folder.mkdir()
    (folder / "one.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\nnot JSON\n{"kind":"expo', "utf-8")
    return folder


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return event_log(tmp_path_factory.mktemp("log") / "events")


def test_the_report_reads_each_list_and_click_once_and_no_bot(events: Path) -> None:
    rows = ope_report.logged_places(events, "curious")
    shown, propensities, clicked = exploring_lists(3_000)
    order = np.argsort(duckdb.sql("SELECT hash('l' || range) AS hash FROM range(3000)").fetchnumpy()["hash"])
    assert rows["item"].tolist() == shown[order].astype(str).ravel().tolist()
    assert np.array_equal(rows["propensity"], propensities[order].ravel())
    assert np.array_equal(rows["reward"], clicked[order].ravel())


def test_the_report_on_the_list_without_exploring(
    events: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out.json"
    assert ope_report.main([str(events), "--policy", "curious", "--json", str(out)]) == 0
    assert "curious without exploring: 15000 choices" in capsys.readouterr().out
    found = msgspec.json.decode(out.read_bytes(), type=dict[str, Evaluation])["curious without exploring"]
    truth = float((LOOK * ATTRACTION[:5]).mean())
    for each in (found.ips, found.snips, found.dr):
        assert each is not None
        assert each.low < truth < each.high


def test_the_report_on_given_lists(events: Path, tmp_path: Path) -> None:
    out, lists = tmp_path / "out.json", tmp_path / "lists.jsonl"
    lists.write_text('{"article_id":"a","items":["0","1","2","7"]}\n{"article_id":"b","items":["1"]}\n', "utf-8")
    assert ope_report.main([str(events), "--policy", "curious", "--lists", str(lists), "--json", str(out)]) == 0
    found = msgspec.json.decode(out.read_bytes(), type=dict[str, Evaluation])[str(lists)]
    truth = float((LOOK[:4] * ATTRACTION[[0, 1, 2, 7]]).mean())
    assert found.rows == 4 * 3_000
    for each in (found.ips, found.snips, found.dr):
        assert each is not None
        assert each.low < truth < each.high


def test_the_report_refuses_by_name(events: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    few, lists = event_log(tmp_path / "few", 300), tmp_path / "lists.jsonl"
    assert ope_report.main([str(events), "--policy", "related"]) == 1
    assert capsys.readouterr().err.startswith("DeterministicLog: ")
    lists.write_text('{"article_id":"a","items":["1","0"]}', "utf-8")
    assert ope_report.main([str(events), "--policy", "curious", "--lists", str(lists)]) == 1
    assert capsys.readouterr().err.startswith("MissingSupport: in 6000 contexts")
    lists.write_text('{"article_id":"a","items":["0","5","6","7","8"]}', "utf-8")
    assert ope_report.main([str(few), "--policy", "curious", "--lists", str(lists)]) == 1
    assert capsys.readouterr().err.startswith("TooLittleOverlap: ")


def test_the_report_without_a_log_or_with_lists_of_other_articles_says_so(
    events: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert ope_report.main([str(tmp_path)]) == 2
    assert "no event log in" in capsys.readouterr().err
    (tmp_path / "lists.jsonl").write_text('{"article_id":"b","items":["1"]}', "utf-8")
    assert ope_report.main([str(events), "--policy", "curious", "--lists", str(tmp_path / "lists.jsonl")]) == 2
    assert "none of the articles" in capsys.readouterr().err
