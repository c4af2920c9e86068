"""How often the search process tries again what fails, without one."""

from __future__ import annotations

import threading
import time

from service.search.live_indexer import RETRY_SECONDS, keep_comparing


class Stop(threading.Event):
    """Stops after so many pauses, and does not wait them out."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._after = after

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        if len(self.pauses) == self._after:
            self.set()
        return self.is_set()


def fails_at_once() -> None:
    raise OSError("not there")


def fails_after_work() -> None:
    until = time.thread_time() + 0.05
    while time.thread_time() < until:
        pass
    raise OSError("damaged")


def test_what_fails_at_once_is_tried_again_after_a_second() -> None:
    stop = Stop(after=3)
    keep_comparing(None, fails_at_once, list, 0.1, stop)
    assert stop.pauses == [RETRY_SECONDS] * 3


def test_what_fails_after_much_work_is_tried_so_seldom_that_it_takes_a_fiftieth_of_a_processor() -> None:
    stop = Stop(after=2)
    keep_comparing(None, fails_after_work, list, 0.1, stop)
    assert all(50 * 0.05 <= pause < 50 for pause in stop.pauses)


def test_what_succeeds_is_looked_at_again_as_soon_as_was_asked() -> None:
    stop = Stop(after=2)
    keep_comparing(None, lambda: None, list, 0.1, stop)
    assert stop.pauses == [0.1, 0.1]
