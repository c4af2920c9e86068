"""Time in-process lookups with ranking at two sizes, and the memory of the process that makes them.

    python scripts/benchmarks/bench_lookup.py [--rows 20000 --rows 1000000] [--json OUT]

The snapshots are synthetic: random unit vectors of 640 dimensions, random candidates with relevance falling
from 0.9, 20 sections, teasers of real length. A lookup is `related()`: candidates, ranking, JSON bytes.
Rows are drawn at random, so that pages are as cold as memory allows. Each size is timed in a process of its
own; memory is private (Pss anonymous) after 10,000 lookups, beside a bare process with Flask and numpy.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from index.article import Article, Image

if TYPE_CHECKING:  # a bare process, whose memory is measured, loads neither
    from service.archive.view import Archive
    from service.recommend.policy import Policy

NOW = 1_795_510_800
LOOKUPS = 10_000
DIMENSION = 640


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append", metavar="N")
    parser.add_argument("--store", type=Path, help="keep the synthetic snapshots here (default: a temporary folder)")
    parser.add_argument(
        "--dimension", type=int, default=DIMENSION, help="of vectors, which no lookup reads (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        return _report(_bare())
    if options.measure:
        return _report(_measured(options.measure))
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.store or Path(scratch)
        found = {"bare": _child("--bare")}
        for rows in options.rows or [20_000, 1_000_000]:
            directory = folder / f"synthetic-{rows}"
            if not (directory / "manifest.json").exists():
                print(f"writing {rows:,} synthetic rows ...", flush=True)
                write_synthetic(directory, rows, dimension=options.dimension)
            found[str(rows)] = _child("--measure", str(directory))
    _print(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    return 0


def write_synthetic(directory: Path, rows: int, flat: bool = False, dimension: int = DIMENSION) -> None:
    """A snapshot of `rows` made-up articles, which are made as they are written."""
    from index.snapshot.writer import Contents, write_snapshot

    directory.mkdir(parents=True)
    published = np.sort(NOW - np.random.default_rng(rows).integers(0, 20 * 365 * 86_400, rows))
    relevance = np.linspace(0.9, 0.02, 100) if flat else 0.36 * np.arange(1, 101) ** -0.95
    features = np.repeat(relevance[:, None], 3, axis=1).astype(np.float16)
    own = np.arange(rows, dtype=np.uint32)
    contents = Contents(
        articles=_Articles(published),
        vectors=_Drawn((rows, dimension), np.float16, lambda n, _: _unit_rows(n, dimension)),
        neighbour_rows=_Drawn((rows, 100), np.uint32, _others),
        neighbour_features=_Drawn((rows, 100, 3), np.float16, lambda n, _: np.tile(features, (n, 1, 1))),
        terms=_Drawn((rows, 24), np.uint32, lambda n, _: np.zeros((n, 24), np.uint32)),
        term_texts=["bus"],
        canonical=own,
        event=own,
        storyline=own,
        models={},
        counts={"rejected": 0},
    )
    write_snapshot(directory, contents, directory.name, NOW, "bench")


class _Articles(Sequence):  # type: ignore[type-arg]
    """Articles made when they are asked for."""

    def __init__(self, published: np.ndarray) -> None:
        self._published = published

    def __len__(self) -> int:
        return len(self._published)

    def __getitem__(self, at: int) -> Article:  # type: ignore[override]
        if at >= len(self):
            raise IndexError(at)
        return Article(
            id=f"section{at % 20}/article-number-{at}",
            url=f"https://paper.example/section{at % 20}/article-number-{at}",
            headline=f"Council votes to keep the number {at} bus after a long evening of argument",
            kicker="Transport",
            standfirst="The decision, carried by two votes, ends a year of petitions and three public meetings.",
            section=f"section{at % 20}",
            authors=("A. Reporter",),
            language="en",
            image=Image(f"https://paper.example/images/{at}.jpg", "A bus at a stop"),
            published_at=int(self._published[at]),
        )


class _Drawn:
    """As much of an array as `write_snapshot` asks of one: rows that are drawn when they are read."""

    def __init__(self, shape: tuple[int, ...], dtype: type, draw: Callable[[int, int], np.ndarray]) -> None:
        self.shape, self.dtype, self._draw = shape, np.dtype(dtype), draw

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(self.shape[0])
        return self._draw(stop - start, self.shape[0]) if stop > start else np.empty((0, *self.shape[1:]), self.dtype)


_random = np.random.default_rng(0)


def _unit_rows(n: int, dimension: int) -> np.ndarray:
    drawn = _random.standard_normal((n, dimension), np.float32)
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float16)


def _others(n: int, rows: int) -> np.ndarray:
    return _random.integers(0, rows, (n, 100), dtype=np.uint32)


def _measured(directory: Path) -> dict[str, float]:
    from flask import Flask  # what a web process holds anyway

    from index.snapshot.reader import Snapshot
    from service.archive.view import Archive
    from service.recommend.pipeline import related
    from service.recommend.policy import shipped_policies
    from service.recommend.query import Query

    Flask("bench")
    opened = time.perf_counter()
    snapshot = Snapshot.open(directory)
    opened = time.perf_counter() - opened
    archive = Archive(snapshot)
    rows = np.random.default_rng(1).integers(0, snapshot.rows, LOOKUPS).tolist()
    first = time.perf_counter()
    policies = shipped_policies().by_name
    related(Archive(snapshot), rows[0], Query(), policies["related"], NOW)
    found = {"open_seconds": opened, "first_answer_seconds": opened + time.perf_counter() - first}
    for name, policy in policies.items():
        first_times = _lookup_seconds(archive, rows, policy)
        times = _lookup_seconds(archive, rows, policy)  # now their blocks are verified and their pages in memory
        found[f"{name}_p50_us"], found[f"{name}_p99_us"] = (np.percentile(times, [50, 99]) * 1e6).tolist()
        found[f"{name}_first_p50_us"] = float(np.median(first_times) * 1e6)
    found["private_mb"] = _private_mb()
    return found


def _lookup_seconds(archive: Archive, rows: Sequence[int], policy: Policy) -> list[float]:
    """Seconds of each row's lookup."""
    from service.recommend.pipeline import related
    from service.recommend.query import Query

    times = []
    for row in rows:
        start = time.perf_counter()
        related(archive, row, Query(), policy, NOW)
        times.append(time.perf_counter() - start)
    return times


def _bare() -> dict[str, float]:
    from flask import Flask

    Flask("bare")
    return {"private_mb": _private_mb()}


def _private_mb() -> float:
    """Anonymous private memory of this process; shared, file-backed pages do not count."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def _child(*arguments: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _report(found: dict[str, float]) -> int:
    print(json.dumps(found))
    return 0


def _print(found: dict[str, dict[str, float]]) -> None:
    print(f"python {sys.version.split()[0]}, numpy {np.__version__}, BLAS {kernel()}; {LOOKUPS:,} lookups each")
    for name, figures in found.items():
        print(f"{name:>10}: " + ", ".join(f"{key} {value:.1f}" for key, value in figures.items()))
    sizes = [name for name in found if name != "bare"]
    for policy in ("related", "latest", "background", "timeline"):
        first, last = found[sizes[0]][f"{policy}_p50_us"], found[sizes[-1]][f"{policy}_p50_us"]
        print(f"{policy}: p50 at {sizes[-1]} rows is {last / first:.2f} x that at {sizes[0]}")
    for size in sizes:
        ratio = found[size]["private_mb"] / found["bare"]["private_mb"]
        print(f"private memory at {size} rows is {ratio:.2f} x a bare Flask process with numpy")


def kernel() -> str:
    from threadpoolctl import threadpool_info

    return ", ".join(f"{each['internal_api']} {each.get('architecture', '?')}" for each in threadpool_info())


if __name__ == "__main__":
    sys.exit(main())
