"""scripts/ab_plan.py: what it prints, and what it says of options that cannot be."""

from __future__ import annotations

import pytest
from ab_plan import main

PLAN = ["--baseline", "0.04", "--lift", "0.05", "--daily-units", "20000"]


def test_it_says_how_many_units_and_days(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(PLAN) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "To tell 4.00% -> 4.20% (+5.0%), 2 arms, alpha 0.05, power 0.8:"
    assert lines[1].split() == ["always", "valid", "374,243", "units", "an", "arm", "38", "days"]
    assert lines[2].split() == ["one", "look", "154,301", "units", "an", "arm", "16", "days"]
    assert lines[5].split() == ["1", "70,000", "11.1%", "7.5%"]
    assert [line.split()[0] for line in lines[5:]] == ["1", "2", "3", "4", "6", "8"]


def test_more_arms_and_less_coverage_take_longer(capsys: pytest.CaptureFixture[str]) -> None:
    main([*PLAN, "--arms", "3", "--coverage", "0.5"])
    one_look = capsys.readouterr().out.splitlines()[2].split()
    assert (
        one_look[2] == "186,860"
    )  # alpha / 2 for each of two variants: 154,301 (2.24140 + .84162)^2 / (1.95996 + .84162)^2
    assert one_look[6] == "57"


def test_readers_who_differ_much_need_more(capsys: pytest.CaptureFixture[str]) -> None:
    main([*PLAN, "--sd", "0.4"])
    # 2 (1.95996 + .84162)^2 .4^2 / .002^2
    assert "627,910 units an arm" in capsys.readouterr().out.splitlines()[2]


def test_a_lift_beyond_every_rate_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--baseline", "0.9", "--lift", "0.05", "--daily-units", "20"])
    assert capsys.readouterr().out.splitlines()[5].split() == ["1", "70", "none", "none"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--baseline", "4"], "argument --baseline: a number above 0 and below 1, not '4'"),
        (["--lift", "-0.1"], "argument --lift: a number above 0, not '-0.1'"),
        (["--lift", "nan"], "argument --lift: a number above 0, not 'nan'"),
        (["--daily-units", "0"], "argument --daily-units: a number above 0, not '0'"),
        (["--arms", "1"], "argument --arms: a whole number from 2 to 10, not '1'"),
        (["--arms", "2.5"], "argument --arms: a whole number from 2 to 10, not '2.5'"),
        (["--coverage", "1.1"], "argument --coverage: a number above 0, at most 1, not '1.1'"),
        (["--power", "x"], "argument --power: a number above 0 and below 1, not 'x'"),
        (["--lift", "30"], "--lift: 0.04 cannot rise by 30; it would reach 1, the limit of rates"),
    ],
)
def test_what_is_wrong_and_what_is_allowed_is_said(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*PLAN, *options])
    assert says in capsys.readouterr().err
