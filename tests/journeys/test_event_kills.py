"""Writers of events killed at any moment, and a reader's erasure while others write: nothing else is lost."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from constants import NOW
from events import main

from service.experiments.event_log import EventLog, is_torn, lines, segments

PADDING = "x" * 20_000  # so that a kill can fall into the writing of a line
BATCHES = (1, 3, 30)  # lines


def started(work: Callable[[BinaryIO], None]) -> tuple[int, BinaryIO]:
    """A process that does the work and says how far it is; its ID, and where it says so."""
    reads, writes = os.pipe()
    child = os.fork()
    if child:
        os.close(writes)
        return child, os.fdopen(reads, "rb")
    os.close(reads)
    try:
        work(os.fdopen(writes, "wb", buffering=0))
    finally:
        os._exit(1)  # work ends by itself with 0


def write_until_killed(folder: Path, seed: int) -> Callable[[BinaryIO], None]:
    def work(said: BinaryIO) -> None:
        log, chance, number = EventLog(folder, "never", max_bytes=2_000_000), random.Random(seed), 0
        while True:
            batch = range(number, number + chance.choice(BATCHES))
            log.append([json.dumps({"n": n, "padding": PADDING}).encode() + b"\n" for n in batch])
            number = batch.stop
            said.write(b"%d\n" % number)

    return work


def kill_at_some_moment(writer: int, said: BinaryIO, chance: random.Random) -> int:
    """Kill it after some of its batches, somewhere within the next ones; returns how many lines it said are in."""
    read = [said.readline() for _ in range(chance.randrange(0, 8))]
    select.select([], [], [], chance.uniform(0, 0.002))  # a batch takes some tenths of a millisecond
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    read += said.readlines()
    said.close()
    return int(read[-1]) if read else 0


@pytest.mark.parametrize("kills", [50, pytest.param(1_000, marks=[pytest.mark.proof, pytest.mark.timeout(3_600)])])
def test_no_event_that_was_acknowledged_is_missing_after_a_kill(tmp_path: Path, kills: int) -> None:
    chance, outcomes = random.Random(11), Counter[str]()
    for kill in range(kills):
        folder = tmp_path / str(kill)
        writer, said = started(write_until_killed(folder, kill))
        told = kill_at_some_moment(writer, said, chance)
        found = [json.loads(line)["n"] for each in segments(folder) for line in lines(each)]
        torn = sum(map(is_torn, segments(folder)))
        assert sorted(found) == [*range(len(found))], kill  # none twice, none damaged, none left out
        assert told <= len(found) <= told + max(BATCHES), kill  # one batch may be under way
        assert torn <= 1, kill
        outcomes.update(acknowledged=told, unacknowledged=len(found) - told, torn=torn)
        shutil.rmtree(folder, ignore_errors=True)
    print(dict(outcomes))
    assert outcomes["acknowledged"] > kills


READERS = 10
ERASED = "reader-3"


def write_until_told(folder: Path, name: str, stop: int) -> Callable[[BinaryIO], None]:
    """A list and a click for one reader after another, until there is something to read at `stop`."""

    def work(said: BinaryIO) -> None:
        log, number, told = EventLog(folder, "never", max_bytes=20_000), 0, select.poll()
        told.register(stop, select.POLLIN)
        while not told.poll(0):
            log.append([json.dumps(each).encode() + b"\n" for each in events_of(name, number)])
            number += 1
            said.write(b"%d\n" % number)
        os._exit(0)

    return work


def events_of(name: str, number: int) -> list[dict[str, str]]:
    list_id = f"{name}-{number}"
    exposure = {"kind": "exposure", "list_id": list_id, "unit": f"reader-{number % READERS}"}
    return [exposure, {"kind": "click", "list_id": list_id}]


def test_erasing_a_reader_while_two_processes_write_takes_nothing_of_the_others(tmp_path: Path) -> None:
    stop, tell = os.pipe()
    writers = {name: started(write_until_told(tmp_path, name, stop)) for name in ("one", "two")}
    for _, said in writers.values():
        assert said.readline() == b"1\n"
    erase = ["erase", "--events", str(tmp_path), "--unit", ERASED]
    assert [main(erase, lambda: float(NOW)) for _ in range(10)] == [0] * 10
    os.write(tell, b"!")
    written = {}
    for name, (writer, said) in writers.items():
        written[name] = int(said.read().split()[-1])
        said.close()
        assert os.waitpid(writer, 0)[1] == 0
    os.close(stop)
    os.close(tell)
    assert main(erase, lambda: float(NOW)) == 0
    found = [json.loads(line) for each in segments(tmp_path) for line in lines(each)]
    expected = [
        event
        for name, count in written.items()
        for number in range(count)
        for event in events_of(name, number)
        if f"reader-{number % READERS}" != ERASED
    ]
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, expected))
    assert not any(map(is_torn, segments(tmp_path)))
