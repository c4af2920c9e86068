"""scripts/ab_check.py: what stands in the file, in words; a fault ends with 2, a warning does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from ab_check import main
from constants import NOW

TEXT = """
[fresher-latest]
description = "Do readers click more when newer stories come first?"
owner = "The front-page desk"
starts_on = 2026-11-20
ends_on = 2026-12-20
coverage = 0.5
minimum_effect = 0.02
[[fresher-latest.variants]]
key = "control"
weight = 0.6
[[fresher-latest.variants]]
key = "fresh"
policy = "latest"
channel = "candidate"
weight = 0.4
"""
DAY = 86_400


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "experiments.toml"
    path.write_text(TEXT, "utf-8")
    return path


def check(*arguments: str | Path, days: int = 0) -> int:
    return main([str(each) for each in arguments], lambda: NOW + days * DAY)


def test_an_experiment_is_told_with_its_variants_and_their_shares(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(file) == 0
    assert capsys.readouterr().out.splitlines() == [
        "fresher-latest: running, 26 days left; block default, 50.0% of readers, split",
        "  control               30.0%  policy related",
        "  fresh                 20.0%  policy latest, channel candidate",
    ]


@pytest.mark.parametrize(("days", "standing"), [(-10, "planned, begins in 6 days"), (26, "ended on 2026-12-20")])
def test_where_it_stands_is_told(file: Path, days: int, standing: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(file, days=days) == 0
    found = capsys.readouterr()
    assert found.out.startswith(f"fresher-latest: {standing}; ")
    assert ("warning: [fresher-latest] ended on" in found.err) == (days == 26)


def test_a_fault_is_an_error(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(TEXT.replace("0.4", "0.3"), "utf-8")
    assert check(file) == 2
    assert capsys.readouterr() == (
        "",
        f"error: {file}: [fresher-latest] the variants' weights must sum to 1, not 0.9\n",
    )


def test_a_policy_of_the_newsroom_counts_where_its_file_is_given(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(TEXT.replace('"latest"', '"ours"'), "utf-8")
    policies = tmp_path / "policies.toml"
    policies.write_text('[ours]\ndescription = "Ours."\nrecency_floor = 1\nmin_relevance = 0.1\n', "utf-8")
    assert check(file) == 2
    assert "unknown policy 'ours'" in capsys.readouterr().err
    assert check(file, "--policies", policies) == 0
    policies.write_text("nonsense", "utf-8")
    assert check(file, "--policies", policies) == 2


def test_a_channel_must_be_one_of_the_store(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    channels = tmp_path / "store" / "channels"
    channels.mkdir(parents=True)
    assert check(file, "--store", tmp_path / "store") == 2
    assert "unknown channel 'candidate'; known are none" in capsys.readouterr().err
    (channels / "candidate").write_text("20261124T090000-1")
    assert check(file, "--store", tmp_path / "store") == 0
    assert check(file, "--store", tmp_path / "nowhere") == 2
    assert f"there is no store {tmp_path / 'nowhere'}" in capsys.readouterr().err
