"""service/evaluation/experiments/sample_ratio.py: the design's values, and the documented fault of real headline
tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.evaluation.experiments.sample_ratio import THRESHOLD, sample_ratio_mismatch


def test_5200_to_4800_is_the_designs() -> None:
    assert sample_ratio_mismatch([5200, 4800], [0.5, 0.5]) == pytest.approx(6.334248366623988e-05, abs=1e-15)
    assert sample_ratio_mismatch([5200, 4800], [1, 1]) == sample_ratio_mismatch([5200, 4800], [0.5, 0.5])


def test_units_by_their_weights_do_not_mismatch() -> None:
    assert sample_ratio_mismatch([900, 100], [0.9, 0.1]) == pytest.approx(1.0)
    assert sample_ratio_mismatch([500, 500], [0.9, 0.1]) < 1e-100


def test_three_arms_have_two_degrees_of_freedom() -> None:
    # Expected 100 each: chi-square 2 of two degrees, whose tail is exp(-x / 2).
    assert sample_ratio_mismatch([110, 100, 90], [1, 1, 1]) == pytest.approx(np.exp(-1))


def test_no_units_are_no_mismatch() -> None:
    assert sample_ratio_mismatch([0, 0], [0.5, 0.5]) == 1.0


def test_an_arm_that_no_unit_reached_is_a_mismatch() -> None:
    assert sample_ratio_mismatch([30, 0], [0.5, 0.5]) < THRESHOLD


@pytest.mark.parametrize(
    ("counts", "weights"), [([5], [1]), ([5, 5], [1]), ([5, -1], [1, 1]), ([5, 5], [1, 0]), ([5, 5], [1, -1])]
)
def test_counts_and_weights_that_do_not_fit_are_named(counts: list[int], weights: list[float]) -> None:
    with pytest.raises(ValueError, match="arms need a count"):
        sample_ratio_mismatch(counts, weights)


def test_the_weeks_whose_assignment_was_at_fault_are_found(data_dir: Path) -> None:
    """Upworthy: 4,873 headline tests, 1,102 of them in weeks 2013-25 to 2014-02. It has impressions, not units."""
    import duckdb

    file = data_dir / "experiments" / "upworthy.parquet"
    tests = duckdb.sql(
        "SELECT min(test_week), list(impressions) FROM read_parquet($file) GROUP BY clickability_test_id",
        params={"file": str(file)},
    ).fetchall()
    flagged = {True: [], False: []}
    for week, counts in tests:
        flagged[201325 <= week <= 201402].append(sample_ratio_mismatch(counts, [1] * len(counts)) < THRESHOLD)
    assert (len(flagged[True]), len(flagged[False])) == (1102, 3771)
    assert np.mean(flagged[True]) == pytest.approx(0.668, abs=0.0005)
    assert np.mean(flagged[False]) == pytest.approx(0.0045, abs=0.00005)
