"""Reloading a snapshot again and again: the peak, what grows, what stays open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from constants import ROOT
from served import editions

from index.publishing.store import Store


def reload_again_and_again(folder: Path, articles: int, reloads: int) -> str:
    """Swap two snapshots so often; what it cost, as a line."""
    store = Store(folder / "store")
    editions(store, [0, 1], articles)
    command = [sys.executable, ROOT / "tests" / "helpers" / "reloading.py", str(store.root), str(reloads)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    told = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, cwd=ROOT).stdout)
    assert told["peak"] <= 1.25 * told["steady"]
    assert told["held_after"] == told["held_before"]
    assert told["private_after"] <= 1.02 * told["private_before"]
    return f"{reloads} reloads of {articles} articles: {told}"


def test_twenty_reloads_cost_and_leave_nothing(tmp_path: Path) -> None:
    reload_again_and_again(tmp_path, 40, 20)


@pytest.mark.proof
def test_two_hundred_reloads_cost_and_leave_nothing(tmp_path: Path) -> None:
    print(f"\n{reload_again_and_again(tmp_path, 2_000, 200)}")
