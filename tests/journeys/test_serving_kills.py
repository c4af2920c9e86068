"""Web workers are killed under readers: who was being answered asks once more, nobody waits, nobody is refused."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from checking_readers import Readers
from served import editions, served, until
from steady_load import steady_load

from index.store import Store


def kill_under_load(folder: Path, workers: int, kills: int, rate: int) -> str:
    """Kill one worker after another, when all are up; what readers saw, as a line."""
    store = Store(folder / "store")
    known = editions(store, [0])
    with served(store, folder, workers=workers) as service:
        readers = Readers(service.port, known, folder / "faults")
        until(lambda: len(service.workers()) == workers and all_answer(service.port, workers))
        begin, pause = time.monotonic(), threading.Event()
        with steady_load(readers, rate) as load:
            for number in range(kills):
                pause.wait(0.3)
                victim = sorted(service.workers(), key=lambda each: each.pid)[number % workers]
                os.kill(victim.pid, signal.SIGKILL)
                until(lambda victim=victim: not victim.is_running() or victim.status() == "zombie")
                until(lambda: len(service.workers()) == workers and all_answer(service.port, workers))
            pause.wait(0.5)
        seen = load.during([(begin, time.monotonic())])
    faults = readers.faults()
    assert faults["hung"] == 0
    assert {each for each in faults if each not in ("lost", "refused", "twice refused")} == set()
    if workers > 1:  # one alone leaves nobody to ask until it is back
        assert set(faults) <= {"lost"}  # what the killed worker was answering, or had in its queue
        assert seen.failed == 0  # whoever asked again was answered: no reader loses more than the one question
    return f"{workers} workers, {kills} kills: {seen.asked} asked, {dict(faults)}, p99 {seen.p99_ms:.0f} ms"


def all_answer(port: int, workers: int) -> bool:
    """Whether so many processes listen: a worker that is only starting does not yet."""
    listening = Path("/proc/net/tcp").read_text().count(f"0100007F:{port:04X} 00000000:0000 0A")
    return listening == workers


@pytest.mark.parametrize("workers", [2])
def test_a_killed_worker_costs_each_reader_at_most_one_question(tmp_path: Path, workers: int) -> None:
    kill_under_load(tmp_path, workers, kills=3, rate=100)


@pytest.mark.proof
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_fifty_killed_workers_cost_each_reader_at_most_one_question_a_kill(tmp_path: Path, workers: int) -> None:
    print(f"\n{kill_under_load(tmp_path, workers, kills=50, rate=100)}")
