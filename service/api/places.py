"""Owns how many of a worker's threads work at once: two, and who waits for something else gives his place to another.

A place is given back while a body is awaited (`service.api.turns`) and while the search process is asked, which takes
tenths of a second for a draft: no lookup waits behind either. So there are more threads than places; those that
nothing needs rest, as they would take requests only to wait for one another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

WORKING = 2
ELSEWHERE = 4  # requests that ask the search process without a place; more than that keep theirs


class Places:
    """`WORKING` places, and the threads that take them in turn. Safe to share between threads.

    A thread rests after its answer while so many other requests are under way: so many threads are awake then. One
    that begins to wait wakes another.
    """

    def __init__(self) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()  # a semaphore that costs a tenth of threading's
        for _ in range(WORKING):
            self._free.put(None)
        self._elsewhere = threading.Semaphore(ELSEWHERE)
        self._lock = threading.Lock()
        self._under_way = self._resting = 0  # requests at work or about to be; threads
        self._wake: SimpleQueue[None] = SimpleQueue()

    def take(self) -> None:
        """Wait for a place."""
        with self._lock:
            self._under_way += 1
        self._free.get()

    def give_back(self) -> bool:
        """Leave it with an answer; whether this thread is not needed now."""
        self._free.put(None)
        with self._lock:
            self._under_way -= 1
            return self._under_way >= WORKING

    def leave(self) -> None:
        """Leave it to wait for something, and take one again then."""
        self._free.put(None)
        with self._lock:
            self._under_way -= 1
            if self._resting:
                self._resting -= 1
                self._wake.put(None)

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Be without the place that this thread has until the block ends, if not too many are."""
        if not self._elsewhere.acquire(blocking=False):
            yield
            return
        self.leave()
        try:
            yield
        finally:
            self._elsewhere.release()
            self.take()

    def rest(self) -> None:
        """Let this thread rest until it is needed, if it still is not."""
        with self._lock:
            if self._under_way < WORKING:
                return
            self._resting += 1
        self._wake.get()
