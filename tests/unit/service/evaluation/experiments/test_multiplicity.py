"""service/evaluation/experiments/multiplicity.py: the published procedures, by tea-tasting's and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from service.evaluation.experiments.multiplicity import benjamini_hochberg, holm


def test_holm_multiplies_by_those_that_are_left() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_benjamini_hochberg_multiplies_by_number_over_rank() -> None:
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_one_p_is_itself_and_none_gives_none() -> None:
    assert holm([0.03]) == benjamini_hochberg([0.03]) == [0.03]
    assert holm([]) == benjamini_hochberg([]) == []


def test_of_true_nulls_holm_keeps_the_chance_of_any_false_effect() -> None:
    draws = np.random.default_rng(5).uniform(size=(2000, 4))
    assert np.mean([min(holm(list(row))) <= 0.05 for row in draws]) == pytest.approx(0.05, abs=0.015)


def test_benjamini_hochberg_finds_no_less_than_holm() -> None:
    for row in np.random.default_rng(6).uniform(size=(50, 6)) ** 3:
        assert all(b <= h + 1e-15 for b, h in zip(benjamini_hochberg(list(row)), holm(list(row)), strict=True))
