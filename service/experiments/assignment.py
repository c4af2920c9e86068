"""Owns which variant of an experiment falls to a unit: arithmetic on its ID, nothing is stored.

*Source* of the hash, the ranges and the namespaces: GrowthBook's SDK specification (hash version 2), whose published
cases are among the tests: another implementation of it assigns the same variants.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from service.experiments.definitions import Experiment, Variant

BUCKETS = 10_000
NAMESPACE_BUCKETS = 1_000  # coarser, as there: a share of a namespace is a multiple of 0.001

_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193


class Assigned(NamedTuple):
    """The variant that a unit gets. `override`: because the definition names the unit, which no analysis counts."""

    variant: Variant
    override: bool


def assign(experiment: Experiment, unit: str) -> Assigned | None:
    """The unit's variant; None if it takes no part. An override is stronger than namespace and coverage."""
    if (key := experiment.overrides.get(unit)) is not None:
        return Assigned(next(variant for variant in experiment.variants if variant.key == key), True)
    space = experiment.namespace
    if not unit or (space is not None and not in_namespace(space.name, space.start, space.end, unit)):
        return None
    ranges = bucket_ranges(tuple([variant.weight for variant in experiment.variants]), experiment.coverage)
    at = chosen(bucket(experiment.salt, unit), ranges)
    return None if at is None else Assigned(experiment.variants[at], False)


def bucket(seed: str, unit: str) -> float:
    """Where the unit falls: 0, 0.0001, ... 0.9999, evenly, and for another seed independently of this one."""
    return fnv1a(str(fnv1a(unit, _after(seed)))) % BUCKETS / BUCKETS


@cache
def bucket_ranges(weights: tuple[float, ...], coverage: float) -> tuple[tuple[float, float], ...]:
    """For each variant the buckets that are its own: from the first, up to but without the second.

    Each begins where the weights before it end, whatever the coverage (0-1): raising that only lengthens ranges, so
    that nobody who takes part changes to another variant.
    """
    starts = accumulate(weights, initial=0.0)
    return tuple((start, start + coverage * weight) for start, weight in zip(starts, weights, strict=False))


def chosen(bucket: float, ranges: Iterable[tuple[float, float]]) -> int | None:
    """The index of the first range that holds the bucket; None if none does."""
    for at, (start, end) in enumerate(ranges):
        if start <= bucket < end:
            return at
    return None


def in_namespace(name: str, start: float, end: float, unit: str) -> bool:
    """Whether the unit's place in the namespace (0, 0.001, ... 0.999) is from `start` up to but without `end`."""
    return start <= fnv1a(f"{unit}__{name}") % NAMESPACE_BUCKETS / NAMESPACE_BUCKETS < end


def fnv1a(text: str, value: int = _FNV_OFFSET) -> int:
    """The 32-bit FNV-1a hash of the text in UTF-8, as the continuation of a text whose hash is `value`.

    *Source*: Fowler, Noll and Vo.
    """
    for byte in text.encode():
        value = (value ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    return value


_after = cache(fnv1a)  # of a salt: there are as many as experiments
