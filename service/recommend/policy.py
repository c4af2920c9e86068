"""Defines `Policy`, the numbers of a ranking, and reads the file of policies."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import inspect
from msgspec.structs import FieldInfo

Tier = Literal["same_section", "recent", "popular"]
Only = Literal["later", "older", "storyline"]
Days = Annotated[float, msgspec.Meta(gt=0, le=36_500)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Weight = Annotated[float, msgspec.Meta(gt=0, le=10)]


class BadPolicies(ValueError):
    """A policies file that cannot be used; the message names file, policy and key and says what is allowed."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How candidates become a list: score = relevance x recency x weight of the type, then the rules below.

    - `half_life_days`, `recency_offset_days`, `recency_floor` (0-1): recency = floor + (1 - floor) x
      0.5^(max(0, age - offset) / half-life); a floor of 1 takes no notice of age. `age_from`: age counts from
      now or from the source article. `evergreen_exempt`: evergreen stories do not age.
    - `type_weights`: by type of article, what its score is multiplied by (1 where not named).
    - `min_relevance` (0-1): candidates below it are dropped.
    - `only`: "later" than the source (or younger than `recent_days`), "older" than it, or of its "storyline".
    - `undated`: whether stories without a date may appear. `same_language`: only stories in the source's.
    - `same_event`: whether stories of the source's own event are labelled or left out ("exclude").
    - `sensitive_targets`: sections whose stories appear only under articles of their own section.
      `sensitive_sources`: sections whose articles show only stories of their own section, and never a fallback.
    - `diversity` (0-1): weight of unlikeness to the stories already chosen (maximal marginal relevance).
    - `section_cap`: most stories of one section, also among those that fill the list; 0 for no cap. Editors' pins go
      beyond it, it does not limit articles of no section, and a caller who names a section gets as many as there are.
    - `order`: by score, or the chosen stories "oldest_first" or "newest_first".
    - `fallback`: tiers that fill a short list, in order: the newest stories of the "same_section", the most "recent"
      ones of all, the most "popular" by the clicks of the last seven days (none where no events are kept).
    - `explore` (under 0.5): how often a reader's own list has one of its lower stories exchanged for another that was
      nearly in it. What readers make of it tells what they would make of other orders: see scripts/ope_report.py.
    """

    name: str
    description: str
    half_life_days: Days = 360
    recency_offset_days: Annotated[float, msgspec.Meta(ge=0)] = 0
    recency_floor: Share
    min_relevance: Share
    age_from: Literal["now", "source"] = "now"
    evergreen_exempt: bool = True
    type_weights: dict[str, Weight] = {}
    only: Only | None = None
    recent_days: Annotated[float, msgspec.Meta(ge=0)] = 0
    undated: bool = True
    same_language: bool = True
    same_event: Literal["label", "exclude"] = "label"
    sensitive_targets: tuple[str, ...] = ()
    sensitive_sources: tuple[str, ...] = ()
    diversity: Share = 0
    section_cap: Annotated[int, msgspec.Meta(ge=0)] = 0
    order: Literal["score", "oldest_first", "newest_first"] = "score"
    fallback: tuple[Tier, ...] = ()
    explore: Annotated[float, msgspec.Meta(ge=0, lt=0.5)] = 0


class Policies(msgspec.Struct, frozen=True):
    """The policies of an installation by name, and the one that answers where none is asked for."""

    default: str
    by_name: dict[str, Policy]

    def __getitem__(self, name: str) -> Policy:
        return self.by_name[name]

    def __iter__(self) -> Iterator[Policy]:
        return iter(self.by_name.values())

    @property
    def usual(self) -> Policy:
        """The policy that answers where none is asked for."""
        return self.by_name[self.default]


def read_policies(path: Path | None = None) -> Policies:
    """The shipped policies, with those of the file at `path` added and replacing them. Raises `BadPolicies`."""
    shipped = shipped_policies()
    if path is None:
        return shipped
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadPolicies(f"{path}: {error}") from error
    return _parsed(text, str(path), shipped)


@cache
def shipped_policies() -> Policies:
    """The policies of `policies.toml` beside this module."""
    return _parsed(
        (files("service.recommend") / "policies.toml").read_text("utf-8"), "policies.toml", Policies("", {})
    )


def _parsed(text: str, where: str, base: Policies) -> Policies:
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadPolicies(f"{where}: {error}") from error
    default = given.pop("default", base.default)
    policies = Policies(default, base.by_name | {name: _policy(name, given[name], where) for name in given})
    if not isinstance(default, str) or default not in policies.by_name:
        raise BadPolicies(f"{where}: default = {default!r} names no policy; known are {', '.join(policies.by_name)}")
    return policies


def _policy(name: str, given: Any, where: str) -> Policy:
    if not isinstance(given, dict):
        raise BadPolicies(f"{where}: {name!r} is not a policy: a policy is a table, [{name}]")
    if not name.isascii() or not name.replace("_", "").replace("-", "").isalnum():
        raise BadPolicies(f"{where}: the policy name {name!r} may hold only letters, digits, - and _")
    known = [field for field in Policy.__struct_fields__ if field != "name"]
    if unknown := sorted(set(given) - set(known)):
        raise BadPolicies(f"{where}: [{name}] has an unknown key {unknown[0]!r}; known are {', '.join(known)}")
    for field in msgspec.structs.fields(Policy):
        if field.name == "name":
            continue
        if complaint := _complaint(field, given):
            raise BadPolicies(f"{where}: [{name}] {complaint}")
    return msgspec.convert({**given, "name": name}, Policy)


def _complaint(field: FieldInfo, given: Mapping[str, Any]) -> str | None:
    """What is wrong with the value of a key, or of one entry of its table or list, and what may stand there."""
    kind = inspect.type_info(field.type)
    if field.name not in given:
        return f"lacks the key {field.name!r}: it must be {_allowed(kind)}" if field.required else None
    value = given[field.name]
    parts: list[tuple[str, Any, Any]] = [("", value, value)]
    if isinstance(kind, inspect.DictType) and isinstance(value, dict):
        kind, parts = kind.value_type, [(f".{key}", each, {key: each}) for key, each in value.items()]
    elif isinstance(kind, inspect.VarTupleType) and isinstance(value, list):
        kind, parts = kind.item_type, [(f"[{at}]", each, [each]) for at, each in enumerate(value)]
    for place, each, part in parts:
        try:
            msgspec.convert(part, field.type)
        except msgspec.ValidationError:
            return f"{field.name}{place} must be {_allowed(kind)}, not {each!r}"
    return None


def _allowed(kind: inspect.Type) -> str:
    """What a value of a kind may be, in words."""
    match kind:
        case inspect.UnionType():
            return _allowed(next(each for each in kind.types if not isinstance(each, inspect.NoneType)))
        case inspect.LiteralType():
            return f"one of {', '.join(map(str, kind.values))}"
        case inspect.DictType():
            return f"a table, each value {_allowed(kind.value_type)}"
        case inspect.VarTupleType():
            return f"a list, each entry {_allowed(kind.item_type)}"
        case inspect.IntType() | inspect.FloatType():
            return f"a {'whole ' if isinstance(kind, inspect.IntType) else ''}number{_bounds(kind)}"
        case inspect.BoolType():
            return "true or false"
    return "text"


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    least = f" above {kind.gt:g}" if kind.gt is not None else f" from {kind.ge:g}" if kind.ge is not None else ""
    return least + (f" to {kind.le:g}" if kind.le is not None else " up" if kind.ge is not None else "")
