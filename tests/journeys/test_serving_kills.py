"""Web workers are killed under readers: who was being answered asks once more, nobody waits, nobody is refused.

A killed process ends over some milliseconds (its memory goes first, then its connections), and what arrives by a kept
connection meanwhile is lost as well: no server of several processes can know it. A proxy asks again
(`test_serving_proxy.py`); browsers and HTTP clients do so where a kept connection ends before an answer has begun.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from killed_workers import kill_under_load


@pytest.mark.parametrize("workers", [2])
def test_a_killed_worker_costs_each_reader_at_most_one_question(tmp_path: Path, workers: int) -> None:
    kill_under_load(tmp_path, workers, kills=3, rate=100)


@pytest.mark.proof
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_fifty_killed_workers_cost_fifty_questions_at_most(tmp_path: Path, workers: int) -> None:
    each, told = kill_under_load(tmp_path, workers, kills=50, rate=100)
    print(f"\n{told}")
    if workers > 1:
        assert sum(each) <= 50
