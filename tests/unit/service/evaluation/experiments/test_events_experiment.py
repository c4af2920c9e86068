"""Reading the event log: what becomes of every line and every list is what a reading in plain Python finds."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from event_oracle import List, Oracle, Rows, number
from experiment_log import TEST
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty_log import BEGIN, BROKEN, FIGURES, MIDNIGHTS, bot_lines, line, nasty_lines, report, shown, write

from service.evaluation.experiments.effects import Moments
from service.evaluation.experiments.events import MalformedLine, open_events
from service.evaluation.experiments.events_experiment import (
    BOT_CLICKS,
    ByArm,
    Denominator,
    ExperimentEvents,
    open_experiment,
)
from service.experiments.definitions import INTERLEAVED

DENOMINATORS = get_args(Denominator)


def day_of(each: List) -> Any:
    return datetime.fromtimestamp(each.shown.at, UTC).date()


def assert_moments(found: ByArm, rows: Rows, scale: float = 1.0) -> None:
    assert found.keys() == rows.keys()
    for arm, moments in found.items():
        expected = Moments.of([[scale * y, *rest] for y, *rest in rows[arm].values()])
        assert moments.n == expected.n
        np.testing.assert_allclose(moments.mean, expected.mean, rtol=1e-12)
        np.testing.assert_allclose(moments.cov, expected.cov, rtol=1e-9, atol=1e-12)


def assert_lines(folder: Path, oracle: Oracle) -> None:
    with open_events(folder) as events:
        assert events.lines().counts == oracle.statuses()
        lines = events.rows("SELECT kind, list_id, clicked_id, received_at, status FROM line WHERE kind IS NOT NULL")
        names = {each.says("list_id") for each in oracle.lines if each.status != "malformed"}
        hashes = {name: events.rows("SELECT hash($name::VARCHAR)", name=name)[0][0] for name in names}
    assert Counter((*rest, finite(at), status) for *rest, at, status in lines) == Counter(
        (each.kind, hashes[each.says("list_id")], each.clicked, finite(number(each.record.get("at"))), each.status)
        for each in oracle.lines
        if each.status != "malformed"
    )


def finite(at: float | None) -> float | None:
    return at if at is not None and math.isfinite(at) else None


def assert_experiment(found: ExperimentEvents, oracle: Oracle) -> None:
    assert dict(found.events.rows("SELECT reason, count(*) FROM lists GROUP BY 1")) == oracle.reasons()
    assert dict(found.events.rows("FROM excluded_units")) == oracle.excluded
    assert {arm: (each.units, each.lists, each.clicks) for arm, each in found.counts().items()} == {
        arm: (len(units), sum(row[1] for row in units.values()), sum(row[0] for row in units.values()))
        for arm, units in oracle.rows("exposures").items()
    }
    for denominator in DENOMINATORS:
        assert_moments(found.moments(denominator), oracle.rows(denominator))
        assert_days(found, oracle, denominator)
        assert_segments(found, oracle, denominator)
    assert_guardrails(found, oracle)


def assert_days(found: ExperimentEvents, oracle: Oracle, denominator: Denominator) -> None:
    days = {day_of(each) for each in oracle.used(denominator)}
    by_day, looks = found.by_day(denominator), found.looks(denominator)
    assert list(by_day) == list(looks) == sorted(days)
    for day in days:
        assert_moments(by_day[day], oracle.rows(denominator, lambda each, day=day: day_of(each) == day))
        assert_moments(looks[day], oracle.rows(denominator, lambda each, day=day: day_of(each) <= day))


def assert_segments(found: ExperimentEvents, oracle: Oracle, denominator: Denominator) -> None:
    def of(each: List) -> set[tuple[str, str]]:
        article, earlier = str(each.shown.says("article_id")), oracle.before[each.shown.says("unit")][1]
        part = {("part", article.split("/")[0])} if "/" in article else set()
        return part | {("block", str(each.shown.says("block"))), ("readers", "seen before" if earlier else "new")}

    segments = found.by_segment(denominator)
    names = {name for each in oracle.used(denominator) for name in of(each)}
    assert {(each.name, each.value) for each in segments} == names
    for segment in segments:
        name = (segment.name, segment.value)
        assert_moments(segment.moments, oracle.rows(denominator, lambda each, name=name: name in of(each)))


def assert_guardrails(found: ExperimentEvents, oracle: Oracle) -> None:
    told = defaultdict(dict, found.guardrails())
    assert_moments(told["view_rate"], oracle.sums(lambda each: int(each.viewed)))
    assert_moments(told["empty_lists"], oracle.sums(lambda each: int(not each.shown.record["items"])))
    assert_moments(told["fallback_lists"], oracle.sums(lambda each: int(each.shown.record["fallback_used"] is True)))
    for name in FIGURES:
        assert_moments(told[name], oracle.sums(lambda each, name=name: millionths(each, name)), 1e-6)
    assert_moments(told["coverage"], coverage(oracle))
    for arm, quantile in found.latency()["latency_p95_ms"].items():
        times = [number(each.shown.record["took_ms"]) for each in oracle.used() if each.shown.says("variant") == arm]
        known = sorted(each for each in times if each < 1e6)
        assert (quantile.lists, quantile.value_ms) == (len(known), known[math.ceil(0.95 * len(known)) - 1])


def millionths(each: List, name: str) -> int | None:
    value = number(each.shown.record[name])
    return None if math.isnan(value) else round(1e6 * value)


def coverage(oracle: Oracle) -> Rows:
    """Different stories of each unit: of fewer than forty units an arm, each is a group of its own."""
    stories: dict[tuple[str, str | None], set[str]] = {}
    for each in oracle.used():
        seen = stories.setdefault((str(each.shown.says("variant")), each.shown.says("unit")), set())
        seen |= {story["id"] for story in each.shown.record["items"]}
    return {arm: {unit: [len(seen), 1, 0, 0] for (own, unit), seen in stories.items() if own == arm}
            for arm in {arm for arm, _ in stories}}  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_comes_is_read_as_in_plain_python(seed: int, tmp_path: Path) -> None:
    torn = [b'{"kind": "view"', b"\xff\xfe", line(report("view", shown("u1", "l/1", BEGIN, "fresh"), BEGIN))]
    folder = write(nasty_lines(seed), tmp_path, files=3, torn=torn)
    oracle = Oracle(folder, TEST, bot_clicks=5)
    assert_lines(folder, oracle)
    with open_events(folder) as events:
        assert_experiment(open_experiment(events, TEST, bot_clicks=5), oracle)
    assert oracle.torn == 3
    assert {status for _, status in oracle.statuses()} == {
        "accepted", "late", "future", "early", "logged_twice", "replay", "incomplete", "refused", "malformed",
        "unknown_kind", "torn",
    }  # fmt: skip
    assert set(oracle.reasons()) == {
        "used", "no_unit", "outside_dates", "unknown_variant", "override", "two_arms", "bot",
    }  # fmt: skip


def test_bots_are_found_on_every_day_that_counts_and_readers_below_them_stay(tmp_path: Path) -> None:
    folder = write(bot_lines(), tmp_path)
    oracle = Oracle(folder, TEST, BOT_CLICKS)
    assert oracle.excluded == dict.fromkeys(["lists", "clicks", "after"], "bot")
    with open_events(folder) as events:
        found = open_experiment(events, TEST)
        assert_experiment(found, oracle)
        assert found.counts()["fresh"].units == 4


def test_no_line_and_no_list_goes_without_a_word(tmp_path: Path) -> None:
    lines = nasty_lines(4)
    with open_events(write(lines, tmp_path, torn=[b"torn", b"too"])) as events:
        told = events.lines()
        found = open_experiment(events, TEST, bot_clicks=5)
        of_lists = dict(events.rows("SELECT reason, count(*) FROM lists GROUP BY 1"))
        ((lists,),) = events.rows("SELECT count(*) FROM exposures WHERE experiment = $key", key=TEST.key)
        used = sum(each.lists for each in found.counts().values())
    written = sum(bool(each.strip()) for each in lines) + 1
    assert told.total == written + 2
    assert sum(told.malformed.values()) == told.counts["", "malformed"]
    assert sum(of_lists.values()) == lists
    assert of_lists["used"] == used


def answers(folder: Path, named_stories: bool = True) -> bytes:
    """Everything that the statistics are made of, to the last digit."""
    with open_events(folder, named_stories=named_stories) as events:
        found = open_experiment(events, TEST, bot_clicks=2)
        asked: list[Any] = [found.counts(), found.guardrails(), found.latency()]
        for of in DENOMINATORS:
            asked += [found.moments(of), found.by_day(of), found.looks(of), found.by_segment(of)]
        asked += [sorted(events.rows(f"SELECT reason, count(*) FROM {table} GROUP BY 1"))  # noqa: S608
                  for table in ("lists", "excluded_units")]  # fmt: skip
    return msgspec.json.encode(asked, enc_hook=lambda each: each.tolist())


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), files=st.integers(1, 4))
def test_order_files_and_repeated_lines_change_no_answer(seed: int, files: int) -> None:
    draw, lines = np.random.default_rng(seed), nasty_lines(seed, lists=60)
    again = [*lines, *(lines[at] for at in draw.integers(0, len(lines), 100))]
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        shuffled = [again[at] for at in draw.permutation(len(again))]
        assert answers(write(shuffled, Path(other), files)) == answers(write(lines, Path(one)))


def test_stories_that_go_by_hashes_change_no_answer(tmp_path: Path) -> None:
    lines = nasty_lines(5)
    lines += [line(shown("new", f"nameless {n}", BEGIN + n, "fresh", items=[{"id": None}, {}])) for n in range(3)]
    folder = write(lines, tmp_path)
    assert answers(folder, named_stories=False) == answers(folder)


@pytest.mark.parametrize("named", [True, False])
def test_a_click_counts_for_the_team_of_its_story(named: bool, tmp_path: Path) -> None:
    teams = [{"id": "s1", "team": "a"}, {"id": "s2", "team": "b"}, {"id": "s3", "team": None}]
    lists = [shown("u1", f"l{n}", BEGIN + n, INTERLEAVED, items=teams) for n in range(4)]
    clicked = [(0, "s1"), (1, "s2"), (1, "s3")]
    clicks = [report("click", lists[n], BEGIN + 9, clicked_id=story) for n, story in clicked]
    folder = write([line(each) for each in (*lists, *clicks)], tmp_path)
    with open_events(folder, named_stories=named) as events:
        found = open_experiment(events, msgspec.structs.replace(TEST, mode="interleave")).interleaved()
    by_list = sorted(zip(found.clicks_a.tolist(), found.clicks_b.tolist(), strict=True))
    assert by_list == [(0, 0), (0, 0), (0, 1), (1, 0)]


TIMES = st.sampled_from([*MIDNIGHTS, BEGIN + 5, BEGIN + 90_000])
LISTS = st.sampled_from(["l1", "l/2", "ł3", "l4"])
EXPOSURES = st.builds(
    shown,
    unit=st.sampled_from(["a", "b/1", "ü", ""]),
    list_id=LISTS,
    at=TIMES,
    variant=st.sampled_from(["control", "fresh", "renamed", None]),
    override=st.sampled_from([False, False, True]),
)
REPORTS = st.builds(
    lambda kind, list_id, at, quarantine, clicked: report(
        kind, shown("a", list_id, at, "fresh"), at, quarantine=quarantine, clicked_id=clicked
    ),
    st.sampled_from(["view", "click", "click"]),
    LISTS,
    TIMES,
    st.sampled_from([None, None, None, "late", "", 7]),
    st.sampled_from(["s1", "s2", None]),
)
EVENTS = st.lists(
    EXPOSURES | REPORTS, max_size=25, unique_by=lambda each: (each["kind"], each["list_id"], each["at"])
)


@settings(max_examples=20, deadline=None)
@given(records=EVENTS, repeated=st.lists(st.integers(0, 24), max_size=5))
def test_any_few_events_are_read_as_in_plain_python(
    records: Sequence[dict[str, Any]], repeated: Sequence[int]
) -> None:
    lines = [line(each) for each in records]
    lines += [lines[at] for at in repeated if at < len(lines)]
    with TemporaryDirectory() as name:
        folder = write(lines, Path(name))
        oracle = Oracle(folder, TEST, bot_clicks=2)
        assert_lines(folder, oracle)
        with open_events(folder) as events:
            assert_experiment(open_experiment(events, TEST, bot_clicks=2), oracle)


def test_the_first_malformed_lines_are_named_by_file_and_number(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n" + line({"kind": "ping"}) + b"\nnonsense\n\n" + BROKEN[0] + b"\ntorn")
    (tmp_path / "b.jsonl").write_bytes(b"".join(each + b"\n" for each in BROKEN))
    with open_events(tmp_path) as events:
        assert events.first_malformed() == [
            MalformedLine("a.jsonl", 3),
            MalformedLine("a.jsonl", 5),
            *(MalformedLine("b.jsonl", number) for number in range(1, 9)),
        ]
