"""A file of experiments: what it may say, and that a fault is named with its place and what is allowed there."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from service.experiments.definitions import BadExperiments, Experiments, Guardrails, Namespace, read_experiments
from service.recommend.policy import read_policies

POLICIES = read_policies(None)
TODAY = date(2026, 11, 24)

FRESHER = """
[fresher-latest]
description = "Do readers click more when newer stories come first?"
owner = "The front-page desk"
starts_on = 2026-11-20
ends_on = 2026-12-20
minimum_effect = 0.02
[[fresher-latest.variants]]
key = "control"
weight = 0.5
[[fresher-latest.variants]]
key = "fresh"
policy = "latest"
weight = 0.5
"""
DEEPER = FRESHER.replace("fresher-latest", "deeper").replace('"latest"', '"background"')


def head(line: str) -> str:
    """The experiment with one more line, before its variants."""
    return FRESHER.replace("minimum_effect", f"{line}\nminimum_effect", 1)


def within(text: str, **namespace: str) -> str:
    inside = ", ".join(f"{name} = {value}" for name, value in {"name": '"front"', **namespace}.items())
    return text.replace("minimum_effect", f"namespace = {{ {inside} }}\nminimum_effect", 1)


def read(folder: Path, text: str, channels: tuple[str, ...] | None = None) -> Experiments:
    path = folder / "experiments.toml"
    path.write_text(text, "utf-8")
    return read_experiments(path, POLICIES, channels)


def complaint(folder: Path, text: str, channels: tuple[str, ...] | None = None) -> str:
    with pytest.raises(BadExperiments) as caught:
        read(folder, text, channels)
    start = f"{folder / 'experiments.toml'}: "
    assert str(caught.value).startswith(start)
    return str(caught.value).removeprefix(start)


def test_without_a_file_there_are_no_experiments() -> None:
    assert read_experiments(None, POLICIES).active("default", TODAY) == []


def test_what_an_experiment_leaves_out_is_the_usual(tmp_path: Path) -> None:
    found = read(tmp_path, FRESHER).by_key["fresher-latest"]
    assert (found.key, found.salt, found.block, found.mode) == (
        "fresher-latest",
        "fresher-latest",
        "default",
        "split",
    )
    assert (found.coverage, found.share, found.primary_metric, found.overrides) == (1.0, 1.0, "ctr", {})
    assert found.guardrails == Guardrails()
    assert [(each.key, each.policy, each.channel, each.weight) for each in found.variants] == [
        ("control", POLICIES.default, None, 0.5),
        ("fresh", "latest", None, 0.5),
    ]


def test_an_experiment_says_all_that_it_can(tmp_path: Path) -> None:
    more = (
        'block = "front_page"\nsalt = "s"\ncoverage = 0.5\nmode = "interleave"\nprimary_metric = "clicks_per_unit"\n'
        'namespace = { name = "front", from = 0.2, to = 0.6 }\nguardrails = { age_days = 9 }\n'
        'overrides = { u = "fresh" }'
    )
    found = read(tmp_path, head(more).replace("weight", 'channel = "candidate"\nweight'), ("candidate",))
    test = found.by_key["fresher-latest"]
    assert (test.block, test.salt, test.mode, test.primary_metric) == (
        "front_page",
        "s",
        "interleave",
        "clicks_per_unit",
    )
    assert test.namespace == Namespace(name="front", start=0.2, end=0.6)
    assert test.share == pytest.approx(0.2)
    assert test.guardrails == Guardrails(age_days=9)
    assert test.overrides == {"u": "fresh"}
    assert {each.channel for each in test.variants} == {"candidate"}


@pytest.mark.parametrize(
    ("day", "runs", "state"),
    [
        (date(2026, 11, 19), False, "planned"),
        (date(2026, 11, 20), True, "running"),
        (date(2026, 12, 19), True, "running"),
        (date(2026, 12, 20), False, "ended"),
    ],
)
def test_an_experiment_runs_from_its_first_day_until_the_day_it_ends_on(
    tmp_path: Path, day: date, runs: bool, state: str
) -> None:
    found = read(tmp_path, FRESHER)
    assert [each.key for each in found.active("default", day)] == ["fresher-latest"] * runs
    assert found.by_key["fresher-latest"].state(day) == state
    assert found.active("another-block", day) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fresh = 1", "'fresh' is not an experiment: an experiment is a table, [fresh]"),
        ("a = [", "Invalid value"),
        (FRESHER + DEEPER + FRESHER, "Cannot declare"),
        (
            FRESHER.replace("fresher-latest", "Fresher"),
            "[Fresher] key must be 1 to 60 lower-case letters, digits and -",
        ),
        (head("colour = 1"), "[fresher-latest] has an unknown key 'colour'; known are description, owner, block, "),
        (head('key = "x"'), "[fresher-latest] has an unknown key 'key'; known are description, owner, block, "),
        (FRESHER.replace("owner", "# owner"), "[fresher-latest] lacks the key 'owner': it must be text"),
        (
            FRESHER.replace("starts_on", "# "),
            "[fresher-latest] lacks the key 'starts_on': it must be a date, such as",
        ),
        (FRESHER.replace("2026-12-20", "2026-12-20T00:00:00"), "[fresher-latest] ends_on must be a date, such as"),
        (
            FRESHER.replace("2026-12-20", "2026-11-20"),
            "[fresher-latest] ends_on must be after starts_on, not 2026-11-20",
        ),
        (head("coverage = 0"), "[fresher-latest] coverage must be a number above 0, to 1, not 0"),
        (head("coverage = -0.2"), "[fresher-latest] coverage must be a number above 0, to 1, not -0.2"),
        (head("coverage = 1.5"), "[fresher-latest] coverage must be a number above 0, to 1, not 1.5"),
        (head("coverage = nan"), "[fresher-latest] coverage must be a number above 0, to 1, not nan"),
        (head('mode = "mixed"'), "[fresher-latest] mode must be split or interleave, not 'mixed'"),
        (head('primary_metric = "x"'), "[fresher-latest] primary_metric must be ctr or clicks_per_unit, not 'x'"),
        (
            head('block = "A b"'),
            "[fresher-latest] block must be 1 to 40 lower-case letters, digits, - and _, not 'A b'",
        ),
        (
            head("guardrails = { ag = 1 }"),
            "[fresher-latest] guardrails has an unknown key 'ag'; known are empty_lists, ",
        ),
        (
            head("guardrails = { age_days = 0 }"),
            "[fresher-latest] guardrails age_days must be a number above 0, not 0",
        ),
        (head("guardrails = 3"), "[fresher-latest] guardrails must be a table of empty_lists, "),
        (within(FRESHER, to="1"), "[fresher-latest] namespace lacks the key 'from': it must be a number from 0 to 1"),
        (
            within(FRESHER, **{"from": "0.5", "to": "0.5"}),
            "[fresher-latest] namespace must have from < to, not from 0.5",
        ),
        (head("overrides = { u = 3 }"), "[fresher-latest] overrides must be a table of units, each with the key"),
        (
            head('overrides = { u = "x" }'),
            "[fresher-latest] overrides: 'u' = 'x' names no variant; known are control, f",
        ),
        (
            FRESHER.partition("[[")[0],
            "[fresher-latest] variants must be two or more tables [[fresher-latest.variants]]",
        ),
        (
            FRESHER.replace('key = "fresh"', 'key = "control"'),
            "[fresher-latest] has two variants 'control': each needs",
        ),
        (
            FRESHER.replace("weight = 0.5", "weight = 0.4"),
            "[fresher-latest] the variants' weights must sum to 1, not 0.8",
        ),
        (
            FRESHER.replace("weight = 0.5", "weight = 0.7"),
            "[fresher-latest] the variants' weights must sum to 1, not 1.4",
        ),
        (
            FRESHER.replace("weight = 0.5", "", 1),
            "[fresher-latest] variants[0] lacks the key 'weight': it must be a nu",
        ),
        (
            FRESHER.replace("policy", "polcy"),
            "[fresher-latest] variants[1] has an unknown key 'polcy'; known are key, p",
        ),
        (
            FRESHER.replace('"latest"', '"newest"'),
            "[fresher-latest] variant 'fresh': unknown policy 'newest'; known are",
        ),
        (
            head('mode = "interleave"').replace('policy = "latest"', 'channel = "candidate"'),
            '[fresher-latest] mode = "interleave" needs exactly two variants, of one channel',
        ),
    ],
)
def test_a_fault_is_named_with_what_is_allowed(tmp_path: Path, text: str, expected: str) -> None:
    assert complaint(tmp_path, text).startswith(expected)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadExperiments, match=r"none\.toml: .*No such file"):
        read_experiments(tmp_path / "none.toml", POLICIES)


def test_weights_that_sum_to_one_but_for_rounding_are_taken(tmp_path: Path) -> None:
    third = FRESHER.replace("weight = 0.5", "weight = 0.3333333333333333") + (
        '[[fresher-latest.variants]]\nkey = "third"\nweight = 0.3333333333333334\n'
    )
    assert len(read(tmp_path, third).by_key["fresher-latest"].variants) == 3


def test_a_channel_must_exist_where_channels_are_known(tmp_path: Path) -> None:
    text = FRESHER.replace('policy = "latest"', 'channel = "candidate"')
    assert read(tmp_path, text).by_key["fresher-latest"].variants[1].channel == "candidate"
    assert complaint(tmp_path, text, ("default", "trial")) == (
        "[fresher-latest] variant 'fresh': unknown channel 'candidate'; known are default, trial"
    )


def test_two_tests_in_a_block_at_the_same_time_need_parts_of_one_namespace(tmp_path: Path) -> None:
    low, high = {"from": "0", "to": "0.5"}, {"from": "0.5", "to": "1"}
    fault = "[fresher-latest] and [deeper] run on the same days in the block 'default': change the days, or give both"
    for together in (
        FRESHER + DEEPER,
        within(FRESHER, **low) + DEEPER,
        within(FRESHER, **low) + within(DEEPER, **{"from": "0.4", "to": "1"}),
        within(FRESHER, **low) + within(DEEPER, name='"another"', **high),
    ):
        assert complaint(tmp_path, together).startswith(fault)
    both = read(tmp_path, within(FRESHER, **low) + within(DEEPER, **high))
    assert [each.key for each in both.active("default", TODAY)] == ["fresher-latest", "deeper"]


def test_tests_on_other_days_or_in_other_blocks_do_not_meet(tmp_path: Path) -> None:
    later = DEEPER.replace("2026-12-20", "2027-01-20").replace("2026-11-20", "2026-12-20")
    assert len(read(tmp_path, FRESHER + later).by_key) == 2
    elsewhere = DEEPER.replace("minimum_effect", 'block = "foot"\nminimum_effect')
    assert [each.key for each in read(tmp_path, FRESHER + elsewhere).active("foot", TODAY)] == ["deeper"]


def test_what_owners_should_know_is_told_and_stops_nothing(tmp_path: Path) -> None:
    later = DEEPER.replace("2026-12-20", "2027-01-20").replace("2026-11-20", "2026-12-20")
    later = later.replace("minimum_effect", 'salt = "fresher-latest"\nminimum_effect')
    later = later.replace('key = "control"', 'key = "control"\npolicy = "timeline"')
    assert read(tmp_path, FRESHER + later).problems(POLICIES, date(2026, 12, 20)) == [
        "[fresher-latest] ended on 2026-12-20: its readers get what all get; remove it",
        "[deeper] the control is not what readers get without it, policy 'related'",
        "[fresher-latest] and [deeper] have the same salt: who gets what in one decides it in the other",
    ]
    assert read(tmp_path, FRESHER).problems(POLICIES, TODAY) == []
