"""Policies as data: what a newsroom may write, and what it is told when it writes something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.recommend.policy import BadPolicies, Policies, read_policies, shipped_policies

LEAST = "[brief]\ndescription = 'Short.'\nrecency_floor = 0.5\nmin_relevance = 0.1\n"


def read(tmp_path: Path, text: str) -> Policies:
    path = tmp_path / "newsroom.toml"
    path.write_text(text, "utf-8")
    return read_policies(path)


def test_four_policies_ship_and_related_is_the_default() -> None:
    shipped = shipped_policies()
    assert list(shipped.by_name) == ["related", "latest", "background", "timeline"]
    assert shipped.default == "related"
    assert all(policy.name == name for name, policy in shipped.by_name.items())


def test_a_newsrooms_file_adds_policies_and_replaces_those_of_the_same_name(tmp_path: Path) -> None:
    found = read(tmp_path, LEAST + "[related]\ndescription = 'Ours.'\nrecency_floor = 1\nmin_relevance = 0.2\n")
    assert list(found.by_name) == ["related", "latest", "background", "timeline", "brief"]
    assert found["related"].min_relevance == 0.2
    assert found["brief"].recency_floor == 0.5
    assert found["latest"] == shipped_policies()["latest"]


def test_latest_does_not_promise_an_order_by_date() -> None:
    latest = shipped_policies()["latest"]
    assert (latest.order, "newest first" in latest.description) == ("score", False)


def test_the_default_may_be_another_policy(tmp_path: Path) -> None:
    assert read(tmp_path, "default = 'brief'\n" + LEAST).default == "brief"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("default = 'nothing'\n", "default = 'nothing' names no policy; known are related, latest"),
        (LEAST + "half_life = 3\n", "[brief] has an unknown key 'half_life'; known are description, half_life_days"),
        (LEAST + "diversity = 1.5\n", "[brief] diversity must be a number from 0 to 1, not 1.5"),
        (LEAST + "half_life_days = 0\n", "[brief] half_life_days must be a number above 0 to 36500, not 0"),
        (LEAST + "recent_days = -1\n", "[brief] recent_days must be a number from 0 up, not -1"),
        (LEAST + "section_cap = 1.5\n", "[brief] section_cap must be a whole number from 0 up, not 1.5"),
        (LEAST + "only = 'newer'\n", "[brief] only must be one of later, older, storyline, not 'newer'"),
        (
            LEAST + "fallback = ['recent', 'random']\n",
            "[brief] fallback[1] must be one of popular, recent, same_section, not 'random'",
        ),
        (
            LEAST + "fallback = 'recent'\n",
            "[brief] fallback must be a list, each entry one of popular, recent, same_section",
        ),
        (
            LEAST + "type_weights = { news = 1, live = -1 }\n",
            "[brief] type_weights.live must be a number above 0 to 10, not -1",
        ),
        (
            LEAST + "type_weights = 3\n",
            "[brief] type_weights must be a table, each value a number above 0 to 10, not 3",
        ),
        (LEAST + "undated = 'no'\n", "[brief] undated must be true or false, not 'no'"),
        (LEAST.replace("'Short.'", "7"), "[brief] description must be text, not 7"),
        (
            "[brief]\ndescription = 'Short.'\n",
            "[brief] lacks the key 'recency_floor': it must be a number from 0 to 1",
        ),
        ("default = ['related']\n", "default = ['related'] names no policy"),
        ("brief = 3\n", "'brief' is not a policy: a policy is a table, [brief]"),
        ("['a b']\n", "the policy name 'a b' may hold only letters, digits, - and _"),
        ("[brief\n", "newsroom.toml: "),
    ],
)
def test_a_wrong_file_is_refused_by_policy_key_and_what_is_allowed(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadPolicies) as error:
        read(tmp_path, text)
    assert "newsroom.toml" in str(error.value)
    assert told in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadPolicies, match=r"absent\.toml"):
        read_policies(tmp_path / "absent.toml")
