"""Sends requests to a server at a constant rate, from a process of its own.

Latency counts from when a request was due, so a server that stalls is charged for every delayed request.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

THREADS = 16  # each asks every 80 ms at 200 a second: a slow answer delays the others little

Ask = Callable[[int], bool]  # asks question number n; whether the answer was right
Opener = Callable[[], Ask]  # makes one connection; picklable


class Latency(NamedTuple):
    """What the readers of some span of time met. `late_p99_ms`: how late the load itself was, a part of the p99."""

    asked: int
    failed: int
    p50_ms: float
    p99_ms: float
    late_p99_ms: float


class SteadyLoad:
    """What a load has seen; complete once it has ended."""

    def __init__(self) -> None:
        self._seen = np.zeros((0, 4))  # when due (monotonic), sent, answered; right

    def keep(self, seen: list[tuple[float, float, float, bool]]) -> None:
        """Take in what the process saw."""
        self._seen = np.array(seen, float).reshape(-1, 4)

    def during(self, spans: Sequence[tuple[float, float]]) -> Latency:
        """The questions due in spans of the monotonic clock, which processes share on Linux."""
        due = self._seen[:, 0]
        within = [(due >= begin) & (due < end) for begin, end in spans]
        due, sent, answered, right = self._seen[np.logical_or.reduce(within)].T
        if not due.size:
            return Latency(0, 0, *[float("nan")] * 3)
        p50, p99 = np.percentile(answered - due, [50, 99]) * 1_000
        late = np.percentile(sent - due, 99) * 1_000
        return Latency(due.size, int((right == 0).sum()), float(p50), float(p99), float(late))


@contextmanager
def steady_load(opener: Opener, rate: float) -> Iterator[SteadyLoad]:
    """Ask `rate` questions a second until the block ends."""
    spawn = multiprocessing.get_context("spawn")
    stop, (receiver, sender) = spawn.Event(), spawn.Pipe(duplex=False)
    process = spawn.Process(target=_run, args=(opener, rate, stop, sender), daemon=True)
    process.start()
    load = SteadyLoad()
    try:
        if receiver.recv() != "asking":
            raise RuntimeError("the load could not begin")
        yield load
        stop.set()
        load.keep(receiver.recv())
    finally:
        process.terminate()
        process.join()


def _run(opener: Opener, rate: float, stop: Any, sender: Any) -> None:
    with contextlib.suppress(PermissionError, AttributeError):  # readers are elsewhere: they wait for no core of ours
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    asks = [opener() for _ in range(THREADS)]
    begin = time.monotonic() + 0.1
    seen: list[list[tuple[float, float, float, bool]]] = [[] for _ in asks]
    threads = [
        threading.Thread(target=_keep_asking, args=(ask, begin, rate, at, stop, seen[at]))
        for at, ask in enumerate(asks)
    ]
    for thread in threads:
        thread.start()
    sender.send("asking")
    for thread in threads:
        thread.join()
    sender.send(sorted(each for part in seen for each in part))


def _keep_asking(
    ask: Ask, begin: float, rate: float, first: int, stop: Any, seen: list[tuple[float, float, float, bool]]
) -> None:
    number = first
    while not stop.is_set():
        due = begin + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        sent = time.monotonic()
        right = ask(number)
        seen.append((due, sent, time.monotonic(), right))
        number += THREADS
