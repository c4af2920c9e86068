"""Runs the blocks of a build on several machines, as tasks of a Ray cluster.

The only importer of ray (extra `ray`). Every node has this project installed and sees the store under the same path.
A task leaves its block whole or not at all, so a task that is cut short, or runs twice, does no harm.
"""

from __future__ import annotations

import logging
import pickle
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from index.execution.executor import Block, Heard, Task, work_there
from index.types import BadVectors, Embedder, FloatArray

RETRIES = 10  # nodes that may die under one task
WAITING = 1  # tasks that wait for each that runs, so that no node is idle while this process looks


class ClusterFailed(OSError):
    """No cluster answers, or it lost a task more often than it tries again; what is done so far is kept."""


class Ray:
    """A cluster that runs already. `address`: as of `ray.init`; "auto" is the one of RAY_ADDRESS, or this machine's.

    `at_once`: most tasks given to it at a time; by default twice what it can run. Raises OSError where none answers.
    """

    def __init__(self, address: str = "auto", at_once: int | None = None) -> None:
        self._at_once = at_once
        if not ray.is_initialized():
            try:
                ray.init(address, log_to_driver=False, logging_level=logging.WARNING)
            except RuntimeError as error:
                raise ClusterFailed(f"no Ray cluster answers: {error}") from error

    def run(self, task: Task, folder: Path, blocks: Sequence[Block], on_progress: Heard) -> None:
        """See `Engine`. Raises `ClusterFailed`."""
        at_once = self._at_once or (1 + WAITING) * sum(_node_cpus())
        running: dict[Any, int] = {}

        def end_one() -> None:
            (done,), _ = ray.wait(list(running))
            ray.get(done)
            on_progress(running.pop(done))

        with _faults():
            for start, stop in blocks:
                while len(running) >= at_once:
                    end_one()
                running[_work_there.remote(task, folder.absolute(), start, stop)] = stop - start
            while running:
                end_one()

    def embed(self, embedder: Embedder, chunks: Sequence[Sequence[str]], on_progress: Heard) -> Iterator[FloatArray]:
        """See `Engine`. A task takes a chunk, and as many processors as the smallest node has: an embedder uses all.

        The embedder is pickled, and loaded once by each process. Raises `ClusterFailed`.
        """
        cpus = _node_cpus()
        at_once = self._at_once or (1 + WAITING) * (sum(cpus) // min(cpus))
        there = _embed_there.options(num_cpus=min(cpus))
        model = pickle.dumps(embedder)
        running: deque[Any] = deque()
        ended = given = texts = 0
        with _faults():
            while ended < len(chunks):
                while given < len(chunks) and len(running) < at_once:
                    running.append(there.remote(model, embedder.fingerprint, list(chunks[given])))
                    given += 1
                vectors: FloatArray = ray.get(running.popleft())
                ended, texts = ended + 1, texts + len(chunks[ended])
                on_progress(texts)
                yield vectors


@contextmanager
def _faults() -> Iterator[None]:
    """Raises what a task raised, as it did. What is still running ends with this process, if not before.

    It is not called off: `ray.cancel` of a task that ends just then ends this process (Ray 2.60).
    """
    try:
        yield
    except RayTaskError as error:
        raise error.cause from error
    except RayError as error:
        raise ClusterFailed(f"the Ray cluster failed: {error}; run the command again to go on") from error


def _node_cpus() -> list[int]:
    """The processors of each node that works. Raises `ClusterFailed` where there is none."""
    cpu_counts = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    if not any(cpu_counts):
        raise ClusterFailed("the Ray cluster has no processor to work on")
    return [cpus for cpus in cpu_counts if cpus]


def _embed(model: bytes, fingerprint: str, texts: Sequence[str]) -> FloatArray:
    embedder = _loaded(model)
    if embedder.fingerprint != fingerprint:
        raise BadVectors(f"a node of the cluster has the model {embedder.fingerprint}, not {fingerprint}")
    return embedder.embed(texts)


@lru_cache(maxsize=1)
def _loaded(model: bytes) -> Embedder:
    embedder: Embedder = pickle.loads(model)  # noqa: S301 - comes from the process that builds
    return embedder


_work_there: Any = ray.remote(num_cpus=1, max_retries=RETRIES)(work_there)
_embed_there: Any = ray.remote(max_retries=RETRIES)(_embed)
