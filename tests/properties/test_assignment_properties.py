"""Whatever the weights, coverage and IDs: who takes part stays where they are, and nobody is in two places."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from service.experiments.assignment import assign, bucket_ranges, fnv1a
from service.experiments.definitions import Experiment, Namespace, Variant

UNITS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)
SHARES = st.floats(0.001, 1)


@st.composite
def weights(draw: st.DrawFn) -> tuple[float, ...]:
    parts = draw(st.lists(st.floats(0.01, 1), min_size=2, max_size=10))
    return tuple(part / sum(parts) for part in parts)


def experiment(shares: tuple[float, ...], **more: Any) -> Experiment:
    return Experiment(
        key="a-test",
        description="",
        owner="",
        starts_on=date(2026, 11, 20),
        ends_on=date(2026, 12, 20),
        salt="a-test",
        minimum_effect=0.02,
        variants=tuple(Variant(key=str(at), policy="related", weight=each) for at, each in enumerate(shares)),
        **more,
    )


@given(weights(), SHARES, SHARES, UNITS)
def test_raising_the_coverage_moves_nobody_who_takes_part(
    shares: tuple[float, ...], one: float, other: float, unit: str
) -> None:
    before = assign(experiment(shares, coverage=min(one, other)), unit)
    assume(before is not None)
    assert assign(experiment(shares, coverage=max(one, other)), unit) == before


@given(weights(), UNITS)
def test_everybody_takes_part_at_full_coverage(shares: tuple[float, ...], unit: str) -> None:
    assert assign(experiment(shares), unit) is not None


@given(weights(), SHARES)
def test_no_bucket_belongs_to_two_variants(shares: tuple[float, ...], coverage: float) -> None:
    edges = [edge for each in bucket_ranges(shares, coverage) for edge in each]
    assert edges == sorted(edges)
    assert edges[0] == 0
    assert edges[-1] <= 1 + 1e-9


@given(st.floats(0, 1), UNITS)
def test_two_parts_of_a_namespace_share_nobody_and_leave_out_nobody(border: float, unit: str) -> None:
    parts = [Namespace(name="front", start=start, end=end) for start, end in ((0.0, border), (border, 1.0))]
    found = [assign(experiment((0.5, 0.5), namespace=part), unit) is not None for part in parts]
    assert sorted(found) == [False, True]


@given(weights(), SHARES, UNITS, st.data())
def test_an_override_always_wins(shares: tuple[float, ...], coverage: float, unit: str, data: st.DataObject) -> None:
    key = str(data.draw(st.integers(0, len(shares) - 1)))
    found = assign(experiment(shares, coverage=coverage, overrides={unit: key}), unit)
    assert found is not None
    assert (found.variant.key, found.override) == (key, True)


@given(UNITS, UNITS)
def test_a_hash_can_be_continued(first: str, second: str) -> None:
    assert fnv1a(second, fnv1a(first)) == fnv1a(first + second)
