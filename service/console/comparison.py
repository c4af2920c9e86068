"""Owns two lists of one article side by side, and what moved between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from service.experiments.definitions import Experiments
from service.recommend.policy import Policies


class Side(NamedTuple):
    """A list that an article could have: by a policy, of a channel."""

    value: str  # as a form names it: policy, or policy@channel
    policy: str
    channel: str
    label: str


class Group(NamedTuple):
    """Sides to choose from under one head."""

    name: str
    sides: tuple[Side, ...]


def groups(policies: Policies, experiments: Experiments, channel: str, others: Sequence[str]) -> tuple[Group, ...]:
    """All that can be compared: policies, other channels' snapshots, and what experiments give their readers."""
    found = [Group("Policies", tuple(_side(name, channel, channel, name) for name in policies.by_name))]
    if others:
        sides = (_side(policies.default, other, channel, f"{other} ({policies.default})") for other in others)
        found.append(Group("Channels", tuple(sides)))
    for experiment in experiments.by_key.values():
        sides = (
            _side(variant.policy, variant.channel or channel, channel, f"{experiment.key}: {variant.key}")
            for variant in experiment.variants
        )
        found.append(Group(f"Experiment {experiment.key}", tuple(sides)))
    return tuple(found)


def chosen(found: Sequence[Group], value: str | None, default: int) -> Side:
    """The side of a value that a form gave; the `default`th policy for one that there is not."""
    policies = found[0].sides
    known = {side.value: side for group in reversed(found) for side in group.sides}
    return known.get(value or "", policies[min(default, len(policies) - 1)])


def moved(left: Sequence[dict[str, Any]], right: Sequence[dict[str, Any]]) -> tuple[dict[str, str], int]:
    """What became of each story of the right list, by ID: "new", "=", "↑2", "↓1"; and how many both have."""
    places = {item["teaser"]["id"]: item["position"] for item in left}
    marks = {item["teaser"]["id"]: _mark(places.get(item["teaser"]["id"]), item["position"]) for item in right}
    return marks, len(places.keys() & marks.keys())


def _mark(before: int | None, after: int) -> str:
    if before is None:
        return "new"
    return "=" if before == after else f"{'↑' if after < before else '↓'}{abs(after - before)}"


def _side(policy: str, channel: str, usual: str, label: str) -> Side:
    return Side(policy if channel == usual else f"{policy}@{channel}", policy, channel, label)
