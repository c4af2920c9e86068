"""Snapshots are swapped and rolled back under readers who look at every answer; none is refused, mixed or empty.

The long forms print figures: `pytest -m proof -s tests/journeys/test_serving_swaps.py`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from checking_readers import Readers
from served import Service, editions, served, until

from index.publishing.store import Store
from scripts.tools.steady_load import steady_load

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "300"))  # 1800: the whole proof


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    store = Store(tmp_path / "store")
    editions(store, [0])
    with served(store, tmp_path, workers=2) as running:
        yield running


def swap_under_load(service: Service, folder: Path, seconds: float, swaps: int, roll_backs: int, rate: int) -> str:
    """So many swaps to new snapshots and roll-backs, evenly over the time; what readers saw, as a line."""
    known = editions(service.store, range(1, swaps + 1))
    first = next(each for each in service.store.snapshot_ids() if each not in known)
    service.store.activate(first, "default")
    until(lambda: all(service.get("/readyz")[2]["snapshot_id"] == first for _ in range(10)))
    readers = Readers(service.port, known | {first: 0}, folder / "faults")
    pause, begin = threading.Event(), time.monotonic()
    serves = list(known)
    back_at = {(number + 1) * swaps // (roll_backs + 1) for number in range(roll_backs)}
    with steady_load(readers, rate) as load:
        for number, snapshot in enumerate(serves, 1):
            pause.wait(seconds / (swaps + roll_backs))
            service.store.activate(snapshot, "default")
            if number in back_at:
                pause.wait(seconds / (swaps + roll_backs))
                service.store.roll_back("default")
        pause.wait(1)
    end = time.monotonic()
    seen = load.during([(begin, end)])
    assert readers.faults() == {}
    assert seen.failed == 0
    assert seen.asked > 0.5 * rate * seconds  # they did ask
    active = service.store.active_id("default")
    until(lambda: service.get("/readyz")[2]["status"] == "ready")
    assert service.get("/readyz")[2] | {"live_lag_seconds": 0} == {
        "status": "ready", "snapshot_id": active, "reason": None, "live_sequence": 0, "live_lag_seconds": 0,
        "waiting": 0,
    }  # fmt: skip
    return f"{seen} (late: of the load itself)"


def test_four_swaps_and_a_roll_back_are_seen_by_nobody(service: Service, tmp_path: Path) -> None:
    swap_under_load(service, tmp_path, 5, swaps=4, roll_backs=1, rate=100)


@pytest.mark.proof
def test_twenty_swaps_and_two_roll_backs_in_a_minute_are_seen_by_nobody(service: Service, tmp_path: Path) -> None:
    print("\nswaps:", swap_under_load(service, tmp_path, 60, swaps=20, roll_backs=2, rate=200))


@pytest.mark.proof
@pytest.mark.timeout(7_200)
def test_memory_does_not_grow_under_500_readers_a_second_and_a_swap_every_ten(
    service: Service, tmp_path: Path
) -> None:
    """For SOAK_SECONDS: five minutes unless said otherwise; half an hour is the whole proof."""
    known = editions(service.store, range(1, 4)) | {service.store.snapshot_ids()[0]: 0}
    readers = Readers(service.port, known, tmp_path / "faults")
    workers = service.workers()
    pause, begin, memory = threading.Event(), time.monotonic(), []
    with steady_load(readers, 500) as load:
        for number in range(int(SOAK_SECONDS / 10)):
            service.store.activate(list(known)[number % len(known)], "default")
            pause.wait(10)
            private = [each.memory_full_info().uss / 2**20 for each in workers]
            memory.append(((time.monotonic() - begin) / 60, *private))
    seen = load.during([(begin, time.monotonic())])
    told = np.array(memory)[len(memory) // 5 :]  # the first fifth fills caches
    slopes = [float(np.polyfit(told[:, 0], told[:, at], 1)[0]) for at in range(1, told.shape[1])]
    print(f"\nsoak of {SOAK_SECONDS:.0f} s: {seen}; MB a minute {[round(each, 2) for each in slopes]}, private MB at "
          f"the end {[round(each) for each in told[-1, 1:]]}")  # fmt: skip
    assert readers.faults() == {}
    assert seen.failed == 0
    assert service.workers() == workers  # the same processes all the time
    assert max(slopes) < 1
