"""Assignment: GrowthBook's published cases, overrides, and readers who fall evenly and independently.

Of the cases of GrowthBook's SDKs those are out that this installation cannot meet: the hash of version 1 is only that
of namespaces here (its cases prove `fnv1a`) and there is no version 99; weights and a coverage that make no sense are
refused in the file (tests/unit/service/experiments/test_definitions.py) instead of being put right. Sections on
conditions, features, sticky buckets, redirects and bandits are about things that it does not have.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from service.experiments.assignment import Assigned, assign, bucket, bucket_ranges, chosen, fnv1a, in_namespace
from service.experiments.definitions import Experiment, Namespace, Variant

REFUSED = {
    "negative coverage",
    "coverage above 1",
    "weights sum below 1",
    "weights sum above 1",
    "weights.length not equal to num variations",
}


@pytest.fixture(scope="module")
def cases(data_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((data_dir / "experiments" / "growthbook_cases.json").read_text("utf-8"))
    return found


def experiment(*weights: float, **more: Any) -> Experiment:
    return Experiment(
        key="a-test",
        description="",
        owner="",
        starts_on=date(2026, 11, 20),
        ends_on=date(2026, 12, 20),
        minimum_effect=0.02,
        variants=tuple(Variant(key=str(at), policy="related", weight=each) for at, each in enumerate(weights)),
        **{"salt": "a-test"} | more,
    )


def variant_of(test: Experiment, unit: str) -> str | None:
    found = assign(test, unit)
    return None if found is None else found.variant.key


def test_buckets_are_those_of_growthbooks_hash_of_version_2(cases: dict[str, Any]) -> None:
    version_2 = [case for case in cases["hash"] if case[2] == 2]
    assert len(version_2) == 7
    for seed, unit, _, expected in version_2:
        assert bucket(seed, unit) == expected


def test_the_hash_beneath_is_that_of_growthbooks_version_1(cases: dict[str, Any]) -> None:
    version_1 = [case for case in cases["hash"] if case[2] == 1]
    assert len(version_1) == 7
    for seed, unit, _, expected in version_1:
        assert fnv1a(unit + seed) % 1_000 / 1_000 == expected


def test_fnv1a_gives_its_authors_values() -> None:
    assert [fnv1a(text) for text in ("", "a", "foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]


def test_ranges_are_growthbooks(cases: dict[str, Any]) -> None:
    met = [case for case in cases["getBucketRange"] if case[0] not in REFUSED]
    assert len(met) == len(cases["getBucketRange"]) - len(REFUSED) == 8
    for name, (variants, coverage, weights), expected in met:
        found = bucket_ranges(tuple(weights or [1 / variants] * variants), coverage)
        np.testing.assert_allclose(found, expected, atol=1e-12, err_msg=name)


def test_the_choice_within_ranges_is_growthbooks(cases: dict[str, Any]) -> None:
    for name, place, ranges, expected in cases["chooseVariation"]:
        assert chosen(place, ranges) == (None if expected == -1 else expected), name


def test_namespaces_are_growthbooks(cases: dict[str, Any]) -> None:
    for name, unit, (namespace, start, end), expected in cases["inNamespace"]:
        assert in_namespace(namespace, start, end, unit) is expected, name


def test_whole_assignments_are_growthbooks_where_they_use_what_there_is_here(cases: dict[str, Any]) -> None:
    met = [case for case in cases["run"] if case[2].get("hashVersion") == 2 and "ranges" not in case[2]]
    assert len(met) == 2
    for name, context, given, expected, assigned, _ in met:
        test = experiment(*given.get("weights", [0.5, 0.5]), salt=given["seed"], coverage=given.get("coverage", 1.0))
        assert (variant_of(test, context["attributes"]["id"]), assigned) == (str(expected), True), name


def test_an_override_is_stronger_than_the_namespace_and_is_told_apart() -> None:
    nobody = Namespace(name="front", start=0.0, end=1e-9)
    test = experiment(0.5, 0.5, namespace=nobody, overrides={"u-chief": "1"})
    assert assign(test, "u-chief") == Assigned(test.variants[1], True)
    assert assign(test, "u-other") is None


def test_who_falls_to_a_variant_is_no_override() -> None:
    test = experiment(0.5, 0.5)
    found = assign(test, "u-other")
    assert found is not None
    assert not found.override


def test_a_unit_without_an_id_takes_no_part() -> None:
    assert assign(experiment(0.5, 0.5), "") is None


def test_coverage_is_the_share_of_units_that_take_part() -> None:
    test = experiment(0.5, 0.5, coverage=0.2)
    part = sum(assign(test, f"reader-{n}") is not None for n in range(20_000))
    assert part / 20_000 == pytest.approx(0.2, abs=0.01)  # 3.5 standard errors


def test_a_namespace_takes_its_part_and_leaves_variants_even() -> None:
    test = experiment(0.5, 0.5, namespace=Namespace(name="front", start=0.0, end=0.5))
    found = [variant_of(test, f"reader-{n}") for n in range(40_000)]
    counts = [found.count(each) for each in ("0", "1")]
    assert sum(counts) / 40_000 == pytest.approx(0.5, abs=0.01)
    assert chisquare(counts).pvalue > 0.001


def buckets(salt: str, units: int) -> np.ndarray:
    return np.array([bucket(salt, f"reader-{n}") for n in range(units)])


def p_of_even_arms(places: np.ndarray, arms: int) -> float:
    starts = [start for start, _ in bucket_ranges((1 / arms,) * arms, 1.0)]
    counts = np.bincount(np.searchsorted(starts, places, side="right") - 1, minlength=arms)
    return float(chisquare(counts).pvalue)


def test_readers_fall_evenly_to_2_to_10_variants_and_independently_for_another_salt() -> None:
    places, others = buckets("fresher-latest", 100_000), buckets("other-test", 100_000)
    assert min(p_of_even_arms(places, arms) for arms in range(2, 11)) > 0.001
    assert abs(np.corrcoef(places, others)[0, 1]) < 0.0095  # 3 standard errors


@pytest.mark.proof
def test_a_million_readers_fall_evenly_to_2_to_10_variants() -> None:
    for arms in range(2, 11):
        assert p_of_even_arms(buckets(f"test-{arms}", 1_000_000), arms) > 0.001, arms


@pytest.mark.proof
def test_a_million_readers_fall_independently_for_another_salt() -> None:
    first, second, third = (buckets(salt, 1_000_000) for salt in ("fresher-latest", "fresher-latest-2", "other"))
    found = np.corrcoef([first, second, third])[np.triu_indices(3, 1)]
    assert np.abs(found).max() < 0.003
