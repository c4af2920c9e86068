"""Kills web workers of the real service, one after another, under readers who look at every answer."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from pathlib import Path

from checking_readers import Readers
from served import Service, editions, served, until

from index.publishing.store import Store
from scripts.tools.steady_load import steady_load

Proxy = Callable[[int], AbstractContextManager[int]]  # of the service's port; its own


def kill_under_load(
    folder: Path, workers: int, kills: int, rate: int, proxy: Proxy = nullcontext
) -> tuple[list[int], str]:
    """Kill one worker after another, when all are up; questions lost by each kill, and a line of what readers saw."""
    store = Store(folder / "store")
    known = editions(store, [0])
    lost = [0]
    with served(store, folder, workers=workers) as service, proxy(service.port) as port:
        readers = Readers(port, known, folder / "faults")
        until(lambda: all_answer(service, workers))
        begin, pause = time.monotonic(), threading.Event()
        with steady_load(readers, rate) as load:
            for number in range(kills):
                pause.wait(0.3)
                victim = sorted(service.workers(), key=lambda each: each.pid)[number % workers]
                os.kill(victim.pid, signal.SIGKILL)
                until(lambda victim=victim: victim not in service.workers() and all_answer(service, workers))
                lost.append(readers.faults()["lost"])
            pause.wait(0.5)
        seen = load.during([(begin, time.monotonic())])
    faults = readers.faults()
    assert faults["hung"] == 0
    assert set(faults) <= {"lost", "refused", "twice refused"}
    if workers > 1:  # one alone leaves nobody to ask until it is back
        assert set(faults) <= {"lost"}  # what the killed worker was answering, or came while it ended
        assert seen.failed == 0  # whoever asked again was answered: no reader loses more than the one question
    each = [after - before for before, after in pairwise(lost)]
    told = (
        f"{workers} workers, {kills} kills: {seen.asked} asked, {dict(faults)}, at most {max(each)} lost by one kill"
    )
    return each, f"{told}, p99 {seen.p99_ms:.0f} ms"


def all_answer(service: Service, workers: int) -> bool:
    """Whether so many processes listen: a worker that is only starting does not yet."""
    listening = Path("/proc/net/tcp").read_text().count(f"0100007F:{service.port:04X} 00000000:0000 0A")
    return listening == workers == len(service.workers())
