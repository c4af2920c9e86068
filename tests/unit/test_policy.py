"""Policies as data: what a newsroom may write, and what it is told when it writes something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.policy import BadPolicies, Policies, read_policies, shipped_policies

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


def test_the_default_may_be_another_policy(tmp_path: Path) -> None:
    assert read(tmp_path, "default = 'brief'\n" + LEAST).default == "brief"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("default = 'nothing'\n", "default = 'nothing' names no policy; known are related, latest"),
        (LEAST + "half_life = 3\n", "[brief] has an unknown key 'half_life'; known are description, half_life_days"),
        (LEAST + "diversity = 1.5\n", "[brief] diversity: expected `float` <= 1.0"),
        (LEAST + "half_life_days = 0\n", "[brief] half_life_days: expected `float` > 0.0"),
        (LEAST + "only = 'sooner'\n", "[brief] only: invalid enum value 'sooner'"),
        (LEAST + "type_weights = { live = -1 }\n", "[brief] type_weights[...]: expected `float` > 0.0"),
        ("[brief]\ndescription = 'Short.'\n", "[brief] object missing required field `recency_floor`"),
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
