"""Compare a rebuild on a Ray cluster of this machine alone with the same in processes: what the cluster costs.

    python scripts/benchmarks/bench_ray.py --articles 20000

Ray's head listens on the loopback and has as many processors as this process may use. Words are drawn by chance,
and a projection of words stands in for the dense model, as in bench_rebuild.py.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.build import rebuild
from index.execution.executor import Engine, Local, Work
from index.publishing.store import Store
from index.snapshot.manifest import read_manifest
from scripts.benchmarks.archives import DAY, WordProjection, drawn
from scripts.benchmarks.bench_lookup import kernel
from scripts.benchmarks.bench_rebuild import Stages

TASKS = 2_000
ON_THE_CLUSTER = ("embed", "neighbours", "ways")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=5_000)
    parser.add_argument("--times", type=int, default=1, metavar="N", help="in turn, so often")
    options = parser.parse_args(arguments)
    cores = len(os.sched_getaffinity(0))
    articles = sorted(drawn(options.articles), key=lambda each: each.published_at or 0)
    now = (articles[-1].published_at or 0) + DAY
    print(f"{len(articles):,} articles, drawn; {cores} cores; BLAS {kernel()}")
    with cluster(cores) as ray_engine, tempfile.TemporaryDirectory() as folder:
        engines: dict[str, Engine] = {"local": Local(cores), "ray": ray_engine}
        ray_engine.run(_nothing, Path(folder), [(0, 1)] * 2 * cores, _unheard)  # its processes start
        for name, engine in engines.items():
            print(f"{name}: {_overhead_ms(engine, Path(folder)):.2f} ms a task that does nothing")
        built = set()
        for turn in range(options.times):
            for name, engine in engines.items():
                store, stages = Store(Path(folder) / f"{name}{turn}"), Stages()
                report = rebuild(articles, store, WordProjection(), now, engine=engine, progress=stages)
                took = stages.took()
                clock = {stage: took[stage][0] for stage in ON_THE_CLUSTER}
                files = read_manifest(store.directory(report.snapshot_id)).files
                built.add(tuple(entry.sha256 for entry in files.values()))
                told = "  ".join(f"{stage} {seconds:.1f}" for stage, seconds in clock.items())
                print(f"{name}: {sum(clock.values()):.1f} s   {told}")
        print("the same files" if len(built) == 1 else "DIFFERENT files")
    return 0 if len(built) == 1 else 1


def _overhead_ms(engine: Engine, folder: Path) -> float:
    """Milliseconds a task that does nothing."""
    began = time.perf_counter()
    engine.run(_nothing, folder, [(0, 1)] * TASKS, _unheard)
    return 1_000 * (time.perf_counter() - began) / TASKS


@contextmanager
def cluster(cores: int) -> Iterator[Engine]:
    """A cluster of one node on the loopback, until the block ends."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(Path(__file__).parents[2])}
    import ray
    from ray.cluster_utils import Cluster

    from index.execution.ray_executor import Ray

    running = Cluster()
    running.add_node(
        num_cpus=cores, node_ip_address="127.0.0.2", object_store_memory=100 << 20, include_dashboard=False
    )
    try:
        yield Ray(running.address)
    finally:
        ray.shutdown()
        running.shutdown()


def _nothing(_folder: Path) -> Work:
    """A task without work."""
    return lambda _start, _stop: None


def _unheard(_rows: int) -> None:
    """Progress that nobody follows."""


if __name__ == "__main__":
    sys.exit(main())
