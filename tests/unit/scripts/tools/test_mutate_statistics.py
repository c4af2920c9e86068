"""scripts/tools/mutate_statistics.py: the statistics cannot be broken without a test that fails."""

from __future__ import annotations

import pytest

from scripts.tools.mutate_statistics import main


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_nine_of_ten_mutants_of_the_statistics_are_killed() -> None:
    pytest.importorskip("mutmut")
    assert main([]) == 0
