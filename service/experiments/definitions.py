"""Owns `Experiment`: what is tried on whom and for how long, as data, and the file that experiments are read from.

A file that is served from has no faults. That a test is over is none: its readers get what all others get.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta

from service.recommend.policy import Policies
from service.recommend.query import DEFAULT_BLOCK

S = TypeVar("S", bound=msgspec.Struct)
State = Literal["planned", "running", "ended"]

INTERLEAVED = "interleaved"  # the variant of lists that two policies made together
WEIGHTS_TOLERANCE = 1e-9

_NAME = "1 to 60 lower-case letters, digits and -"
Text = Annotated[str, Meta(min_length=1, description="text")]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,60}\Z", description=_NAME)]
Block = Annotated[
    str, Meta(pattern=r"^[a-z0-9_-]{1,40}\Z", description="1 to 40 lower-case letters, digits, - and _")
]
Day = Annotated[date, Meta(description="a date, such as 2026-11-20")]
Share = Annotated[float, Meta(gt=0, le=1, description="a number above 0, to 1")]
Place = Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")]
Margin = Annotated[float, Meta(gt=0, le=1e6, description="a number above 0")]
Overrides = Annotated[dict[str, str], Meta(description="a table of units, each with the key of its variant")]
Mode = Annotated[Literal["split", "interleave"], Meta(description="split or interleave")]
Metric = Annotated[Literal["ctr", "clicks_per_unit"], Meta(description="ctr or clicks_per_unit")]


class BadExperiments(ValueError):
    """An experiments file that cannot be used; the message names file, experiment and key and what is allowed."""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """What some readers get. `channel`: the snapshots that their lists come from, None for the default ones."""

    key: Name
    policy: Text
    channel: Text | None = None
    weight: Share


class Namespace(msgspec.Struct, frozen=True, kw_only=True):
    """The part of all units, by their place (0-1) in the namespace of that name, that may take part.

    Tests with disjoint parts of one namespace never share a unit.
    """

    name: Name
    start: Place = msgspec.field(name="from")
    end: Place = msgspec.field(name="to")


class Guardrails(msgspec.Struct, frozen=True, kw_only=True):
    """By how much each figure of a variant may be worse than the control's, in the figure's own unit."""

    empty_lists: Margin = 0.01
    fallback_lists: Margin = 0.02
    same_section: Margin = 0.1
    coverage: Margin = 0.1
    diversity: Margin = 0.05
    age_days: Margin = 30
    duplicates: Margin = 0.005
    latency_p95_ms: Margin = 5
    latency_p99_ms: Margin = 10


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """A test on the readers of one block of the page.

    - `starts_on` is its first day (UTC), `ends_on` the first one after it.
    - `salt`: tests with the same salt divide readers in the same way; the key unless given.
    - `coverage`: the share of all units (of the namespace's part) that take part.
    - `mode`: each unit gets the lists of one variant, or of both, interleaved.
    - `minimum_effect`: the relative lift of `primary_metric` that would matter.
    - `overrides`: units that get the variant named, by its key, whatever falls to them.
    - `variants`: the first is the control.
    """

    key: Name
    description: Text
    owner: Text
    block: Block = DEFAULT_BLOCK
    starts_on: Day
    ends_on: Day
    salt: Text
    coverage: Share = 1.0
    namespace: Namespace | None = None
    mode: Mode = "split"
    primary_metric: Metric = "ctr"
    minimum_effect: Share
    guardrails: Guardrails = Guardrails()
    overrides: Overrides = {}
    variants: tuple[Variant, ...]

    @property
    def share(self) -> float:
        """The share of all units that take part (0-1)."""
        part = 1.0 if self.namespace is None else self.namespace.end - self.namespace.start
        return self.coverage * part

    def state(self, today: date) -> State:
        """Where it stands on a day (UTC)."""
        if today < self.starts_on:
            return "planned"
        return "running" if today < self.ends_on else "ended"


class Experiments(msgspec.Struct, frozen=True):
    """The experiments of an installation by key, in the order of their file."""

    by_key: Mapping[str, Experiment] = {}

    def active(self, block: str, today: date) -> list[Experiment]:
        """The experiments that run in a block on a day (UTC); a unit falls into one of them at most."""
        return [
            experiment
            for experiment in self.by_key.values()
            if experiment.block == block and experiment.state(today) == "running"
        ]

    def channels(self) -> set[str]:
        """The channels that variants name."""
        return {
            variant.channel for one in self.by_key.values() for variant in one.variants if variant.channel is not None
        }

    def problems(self, policies: Policies, today: date) -> list[str]:
        """What is no fault of the file, but its owners should know, a sentence each."""
        return [*_problems(self.by_key, policies.default, today)]


def read_experiments(path: Path | None, policies: Policies, channels: Collection[str] | None = None) -> Experiments:
    """The experiments of the TOML file at `path`, none without one. `channels`: those that exist, None for not known.

    A variant that names no policy has the default one. Raises `BadExperiments`.
    """
    if path is None:
        return Experiments()
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadExperiments(f"{path}: {error}") from error
    by_key = {key: _experiment(key, given[key], str(path), policies.default) for key in given}
    for complaint in (*_unknown_names(by_key, policies, channels), *_clashes(by_key)):
        raise BadExperiments(f"{path}: {complaint}")
    return Experiments(by_key)


def read_experiment(path: Path, key: str, policies: Policies) -> Experiment:
    """One of the experiments of a file. Raises `BadExperiments`, also where there is none of this key."""
    known = read_experiments(path, policies).by_key
    if key not in known:
        raise BadExperiments(f"{path} has no experiment {key!r}; it has {', '.join(known) or 'none'}")
    return known[key]


def _experiment(key: str, given: Any, where: str, default_policy: str) -> Experiment:
    place = f"{where}: [{key}]"
    if not isinstance(given, dict):
        raise BadExperiments(f"{where}: {key!r} is not an experiment: an experiment is a table, [{key}]")
    read: dict[str, Any] = (
        {"salt": key} | given | {"variants": _variants(key, given.get("variants"), place, default_policy)}
    )
    for name, struct in (("namespace", Namespace), ("guardrails", Guardrails)):
        if name in given:
            read[name] = _read(struct, given[name], f"{place} {name}")
    experiment = _read(Experiment, read, place, key=key)
    for complaint in _complaints(experiment):
        raise BadExperiments(f"{place} {complaint}")
    return experiment


def _variants(key: str, given: Any, place: str, default_policy: str) -> tuple[Variant, ...]:
    if not isinstance(given, list) or len(given) < 2 or not all(isinstance(variant, dict) for variant in given):
        raise BadExperiments(f"{place} variants must be two or more tables [[{key}.variants]], the control first")
    full = [{"policy": default_policy} | variant for variant in given]
    return tuple(_read(Variant, variant, f"{place} variants[{at}]") for at, variant in enumerate(full))


def _read(struct: type[S], given: Any, place: str, **own: str) -> S:
    """A table as a struct; `own` are fields that do not stand in it. Fields that are structs must be so already."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    known = ", ".join(name for name in fields if name not in own)
    if not isinstance(given, dict):
        raise BadExperiments(f"{place} must be a table of {known}")
    if unknown := [name for name in given if name not in fields or name in own]:
        raise BadExperiments(f"{place} has an unknown key {unknown[0]!r}; known are {known}")
    values = given | own
    for name, field in fields.items():
        if name in values:
            _check(values[name], field.type, f"{place} {name}")
        elif field.required:
            raise BadExperiments(f"{place} lacks the key {name!r}: it must be {_allowed(field.type)}")
    return msgspec.convert(values, struct)


def _check(value: Any, kind: Any, place: str) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise BadExperiments(f"{place} must be {_allowed(kind)}, not {value!r}") from None


def _allowed(kind: Any) -> str:
    """What a value of a described type, or of one that may be None, may be, in words."""
    metas = (meta for annotated in (kind, *get_args(kind)) for meta in getattr(annotated, "__metadata__", ()))
    return next(str(meta.description) for meta in metas)


def _complaints(experiment: Experiment) -> Iterator[str]:
    """What makes no sense in an experiment whose values are all allowed by themselves."""
    keys = [variant.key for variant in experiment.variants]
    total = sum(variant.weight for variant in experiment.variants)
    space = experiment.namespace
    if experiment.ends_on <= experiment.starts_on:
        yield f"ends_on must be after starts_on, not {experiment.ends_on} after {experiment.starts_on}"
    if twice := [key for key, n in Counter(keys).items() if n > 1]:
        yield f"has two variants {twice[0]!r}: each needs a key of its own"
    if abs(total - 1) > WEIGHTS_TOLERANCE:
        yield f"the variants' weights must sum to 1, not {total:.10g}"
    if space is not None and space.end <= space.start:
        yield f"namespace must have from < to, not from {space.start:g} to {space.end:g}"
    if experiment.mode == "interleave" and (
        len(keys) != 2 or len({variant.channel for variant in experiment.variants}) > 1
    ):
        yield 'mode = "interleave" needs exactly two variants, of one channel'
    for unit, key in experiment.overrides.items():
        if key not in keys:
            yield f"overrides: {unit!r} = {key!r} names no variant; known are {', '.join(keys)}"


def _unknown_names(
    by_key: Mapping[str, Experiment], policies: Policies, channels: Collection[str] | None
) -> Iterator[str]:
    for experiment in by_key.values():
        for variant in experiment.variants:
            place = f"[{experiment.key}] variant {variant.key!r}"
            if variant.policy not in policies.by_name:
                yield f"{place}: unknown policy {variant.policy!r}; known are {', '.join(policies.by_name)}"
            if channels is not None and variant.channel not in (None, *channels):
                yield f"{place}: unknown channel {variant.channel!r}; known are {', '.join(channels) or 'none'}"


def _clashes(by_key: Mapping[str, Experiment]) -> Iterator[str]:
    """Tests that a unit could fall into at once."""
    for one, other in combinations(by_key.values(), 2):
        together = one.starts_on < other.ends_on and other.starts_on < one.ends_on
        if one.block == other.block and together and not _apart(one.namespace, other.namespace):
            yield (
                f"[{one.key}] and [{other.key}] run on the same days in the block {one.block!r}: change the days, or "
                "give both a namespace of the same name and parts (from, to) that do not overlap"
            )


def _apart(one: Namespace | None, other: Namespace | None) -> bool:
    if one is None or other is None or one.name != other.name:
        return False
    return one.end <= other.start or other.end <= one.start


def _problems(by_key: Mapping[str, Experiment], default_policy: str, today: date) -> Iterator[str]:
    for experiment in by_key.values():
        control = experiment.variants[0]
        if experiment.state(today) == "ended":
            yield f"[{experiment.key}] ended on {experiment.ends_on}: its readers get what all get; remove it"
        elif control.policy != default_policy or control.channel is not None:
            yield f"[{experiment.key}] the control is not what readers get without it, policy {default_policy!r}"
    for one, other in combinations(by_key.values(), 2):
        if one.salt == other.salt:
            yield f"[{one.key}] and [{other.key}] have the same salt: who gets what in one decides it in the other"
