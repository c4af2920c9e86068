"""Owns how the blocks of a build are worked off: here in this process, or in several on this machine.

A task reads what lies in a folder and leaves its result there, whole or not at all, so that where it runs does not
matter, and a block that is there already is not worked on again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

from threadpoolctl import threadpool_limits

Block = tuple[int, int]  # rows [start, stop)
Task = Callable[[Path, int, int], None]
Heard = Callable[[int], None]

FEW = 8  # blocks that this process works off sooner than others start


class Engine(Protocol):
    """Runs a task, a function of a module, on each block."""

    def run(self, task: Task, folder: Path, blocks: Sequence[Block], heard: Heard) -> None:
        """Work off all blocks; `heard` is told the rows of each that is done. Raises what a task raises."""


class Local:
    """Processes on this machine, each on one thread; the default: as many as there are cores.

    Started, not forked: a fork of a process whose libraries run threads can hang. As with every pool of started
    processes, a script that builds needs an `if __name__ == "__main__"`.
    """

    def __init__(self, processes: int | None = None) -> None:
        self.processes = processes or len(os.sched_getaffinity(0))

    def run(self, task: Task, folder: Path, blocks: Sequence[Block], heard: Heard) -> None:
        """See `Engine`."""
        if self.processes == 1 or len(blocks) <= FEW:
            for start, stop in blocks:
                task(folder, start, stop)
                heard(stop - start)
            return
        with ProcessPoolExecutor(self.processes, get_context("spawn"), _on_one_thread) as pool:
            running = {pool.submit(task, folder, start, stop): stop - start for start, stop in blocks}
            try:
                while running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for each in done:
                        each.result()
                        heard(running.pop(each))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _on_one_thread() -> None:
    threadpool_limits(1)
