"""Runs the blocks of a build in this process or in several processes of this machine.

A task opens a folder once a process and returns a function that computes one block of rows. The function leaves its
result in the folder, whole or not at all, so that any process may run it and a finished block is not repeated.
`index.execution.ray_executor` runs blocks on several machines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as connection_wait
from pathlib import Path
from threading import Thread
from typing import Protocol

from threadpoolctl import threadpool_limits

from index.types import Embedder, FloatArray

Block = tuple[int, int]  # rows [start, stop)
Work = Callable[[int, int], None]
Task = Callable[[Path], Work]
Heard = Callable[[int], None]

FEW = 8  # blocks that this process works off sooner than others start


class Engine(Protocol):
    """Runs a task, a function of a module, on each block."""

    def run(self, task: Task, folder: Path, blocks: Sequence[Block], on_progress: Heard) -> None:
        """Work off all blocks; `heard` is told the rows of each that is done. Raises what a task raises."""

    def embed(self, embedder: Embedder, chunks: Sequence[Sequence[str]], on_progress: Heard) -> Iterator[FloatArray]:
        """The vectors of each chunk of texts, in order; `heard` is told how many texts are done so far.

        Raises what the embedder raises.
        """


class Local:
    """Processes on this machine, each on one thread; the default: as many as there are cores. Few blocks, or one
    process, are worked off in this one, on one thread too.

    Started, not forked: a fork of a process whose libraries run threads can hang. As with every pool of started
    processes, a script that builds needs an `if __name__ == "__main__"`.
    """

    def __init__(self, processes: int | None = None) -> None:
        self.processes = processes or len(os.sched_getaffinity(0))

    def run(self, task: Task, folder: Path, blocks: Sequence[Block], on_progress: Heard) -> None:
        """See `Engine`."""
        if self.processes == 1 or len(blocks) <= FEW:
            work = task(folder)
            for start, stop in blocks:
                on_one_thread(work, start, stop)
                on_progress(stop - start)
            return
        with ProcessPoolExecutor(self.processes, get_context("spawn"), _begin) as pool:
            running = {pool.submit(work_there, task, folder, start, stop): stop - start for start, stop in blocks}
            try:
                while running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                        on_progress(running.pop(future))
            except BrokenProcessPool as error:
                raise OSError("a process was killed, perhaps for memory; run again, or with fewer workers") from error
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def embed(self, embedder: Embedder, chunks: Sequence[Sequence[str]], on_progress: Heard) -> Iterator[FloatArray]:
        """See `Engine`; in this process, as an embedder runs a thread a core by itself."""
        before = 0
        for chunk in chunks:
            yield embedder.embed(chunk, partial(_heard_after, on_progress, before))
            before += len(chunk)


def _heard_after(on_progress: Heard, before: int, done: int) -> None:
    on_progress(before + done)


def on_one_thread(work: Work, start: int, stop: int) -> None:
    """Work on one thread: processes are as many as cores, and a product's last bits tell how many it had."""
    with threadpool_limits(1):
        work(start, stop)


class _Opened:
    """The one task that a process of an engine works on, with what it has opened."""

    def __init__(self) -> None:
        self._task: tuple[Task, Path] | None = None
        self._work: Work | None = None

    def work(self, task: Task, folder: Path) -> Work:
        """The work of a task on a folder, opened where it is not the one before."""
        if self._work is None or self._task != (task, folder):
            self._work = None  # what is open is let go first
            self._work, self._task = task(folder), (task, folder)
        return self._work


_opened = _Opened()


def work_there(task: Task, folder: Path, start: int, stop: int) -> None:
    """Work on a block in a process of an engine."""
    on_one_thread(_opened.work(task, folder), start, stop)


def _begin() -> None:
    """Of a process: end when what started it has been killed, which pools do not see to."""
    if (parent := parent_process()) is not None:
        Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    connection_wait([sentinel])
    os._exit(1)
