"""What live articles over a snapshot cost a lookup, in process: time, memory, and taking changes in.

    python scripts/benchmarks/bench_live_lookup.py [--rows 20000] [--live 10000] [--rounds 3]

The snapshot is synthetic (scripts/benchmarks/bench_lookup.py). Over it lie live articles with made-up comparisons:
100 candidates of their own, and 30 to 100 rows whose lists each enters, drawn by Zipf's law (exponent 1: a row of a
running story is entered by thousands, the median one by a few). The same rows are looked up without live articles and
with them, in turns; medians over rounds. Changes are taken in as a worker does it, by `Overlay.changed`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from index.article import Article
from index.live.comparison import Comparison
from index.snapshot.attributes import FIRST_LIVE_ROW
from index.snapshot.reader import Snapshot
from scripts.benchmarks.bench_lookup import NOW, write_synthetic
from service.archive.overlay import Overlay
from service.archive.view import Archive
from service.live_store.changes import Changes, Compared, LiveArticle, summary_of
from service.recommend.pipeline import related
from service.recommend.policy import Policy, shipped_policies
from service.recommend.query import Query

INSTALLATION = "bench"
LOOKUPS = 2_000
HOTTEST = 100
BATCHES = (1, 10, 100)
PAGE = 5_000  # changes that a worker reads at a time


def main() -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--live", type=int, default=10_000, help="live articles (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / f"synthetic-{options.rows}"
        write_synthetic(directory, options.rows)
        snapshot = Snapshot.open(directory)
        newsroom = Newsroom(snapshot, options.live)
        overlay, figures = loaded(snapshot, newsroom, options.live)
        figures["changed_ms"] = {batch: taken_in(newsroom, overlay, batch) for batch in BATCHES}
        figures["lookups_us"] = compared(snapshot, overlay, options.rounds)
    show(figures)
    print(json.dumps(figures | {"rows": options.rows, "live": options.live, "machine": machine()}))
    return 0


def loaded(snapshot: Snapshot, newsroom: Newsroom, live: int) -> tuple[Overlay, dict[str, Any]]:
    """An overlay with so many live articles; what loading them took, and the memory that it holds."""
    pages = list(newsroom.pages(live))
    before, overlay, seconds = memory_mb(), Overlay(snapshot), 0.0
    for page in pages:
        begin = time.perf_counter()
        overlay = overlay.changed(page)
        seconds += time.perf_counter() - begin
    del pages
    pairs = len(overlay.entering.source)
    return overlay, {"full_load_seconds": seconds, "overlay_mb": memory_mb() - before, "pairs": pairs}


class Newsroom:
    """Makes up live articles over a snapshot, and what comparing them has found."""

    def __init__(self, snapshot: Snapshot, live: int) -> None:
        self._snapshot = snapshot
        self._draw = np.random.default_rng(live)
        self._hot_first = self._draw.permutation(snapshot.rows).astype(np.uint32)
        weights = np.cumsum(1 / np.arange(1, snapshot.rows + 1))
        self._share = weights / weights[-1]
        self._sequence = 0
        self._numbers = 0

    def pages(self, articles: int) -> Iterator[Changes]:
        """Articles and their comparisons, as the live store gives them: some thousand changes at a time."""
        for start in range(0, articles, PAGE // 2):
            yield self.batch(min(PAGE // 2, articles - start))

    def batch(self, articles: int) -> Changes:
        """So many new articles, each compared with the snapshot and those before it."""
        made = [self._article() for _ in range(articles)]
        found = [self._compared(each) for each in made]
        return Changes(INSTALLATION, self._sequence, tuple(made), (), tuple(found))

    def _article(self) -> LiveArticle:
        number = self._next()
        self._numbers = number
        article = Article(
            id=f"live/article-{number}",
            url=f"https://paper.example/live/article-{number}",
            headline=f"Ferry number {number} stays in port as the crew waits for a spare part",
            kicker="Transport",
            standfirst="The operator says that passengers may use the bridge free of charge until Thursday evening.",
            section=f"section{number % 20}",
            authors=("A. Reporter",),
            language="en",
            published_at=NOW - 60 * (number % 1_440),
        )
        return LiveArticle(article.id, number, number, "published", NOW, summary_of(article))

    def _compared(self, article: LiveArticle) -> Compared:
        into = self._rows(int(self._draw.integers(30, 101)))
        own = self._draw.choice(self._snapshot.rows, 100, replace=False).astype(np.uint32)
        row = FIRST_LIVE_ROW + article.number
        pairs = own, self._features(100), into, self._features(len(into))
        found = Comparison(*pairs, self._draw.bytes(32), ("ferry",), row, row, row)
        return Compared(
            article.id, article.number, self._next(), article.sequence, self._snapshot.id, found.to_bytes()
        )

    def _rows(self, count: int) -> Any:
        """Distinct rows of the snapshot, hot ones most often."""
        ranks = np.unique(self._share.searchsorted(self._draw.random(4 * count)))
        return self._hot_first[self._draw.permutation(ranks)[:count]]

    def _features(self, count: int) -> Any:
        """Relevance as in the synthetic snapshot, from 0.36 falling as a power of the place, with some noise."""
        relevance = 0.36 * np.arange(1, count + 1) ** -0.95 * self._draw.uniform(0.9, 1.1, count)
        return np.sort(relevance)[::-1, None].repeat(3, axis=1).astype(np.float16)

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence


def taken_in(newsroom: Newsroom, overlay: Overlay, batch: int) -> float:
    """Median milliseconds for an overlay to take in a batch of new articles with their comparisons."""
    times = []
    for _ in range(7):
        changes = newsroom.batch(batch)
        begin = time.perf_counter()
        overlay.changed(changes)
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1_000


def compared(snapshot: Snapshot, overlay: Overlay, rounds: int) -> dict[str, dict[str, float]]:
    """Lookups by group of rows, without and with the live articles, in microseconds; medians over rounds."""
    policy = shipped_policies()[shipped_policies().default]
    without, with_live = Archive(snapshot), Archive(snapshot, overlay)
    found = {}
    for name, rows in groups(snapshot, overlay).items():
        figures: dict[str, list[float]] = {}
        for _ in range(rounds):
            if rows[0] < FIRST_LIVE_ROW:
                note(figures, "without", lookups(without, rows, policy))
            note(figures, "with", lookups(with_live, rows, policy))
        found[name] = {each: statistics.median(values) for each, values in figures.items()}
        if rows[0] < FIRST_LIVE_ROW:
            found[name]["p50_more"] = found[name]["with_p50"] - found[name]["without_p50"]
    return found


def groups(snapshot: Snapshot, overlay: Overlay) -> dict[str, list[int]]:
    """Rows to look up, drawn at random: that live articles enter, the most of them, that none enters, live ones."""
    draw = np.random.default_rng(1)
    entered, counts = np.unique(overlay.entering.source, return_counts=True)
    untouched = np.setdiff1d(np.arange(snapshot.rows), entered)
    live = np.array([held.row for held in overlay.held.values()])
    median, hottest = int(np.median(counts)), int(counts.max())
    named = {
        f"entered (median {median})": entered,
        f"the {HOTTEST} hottest (most {hottest})": entered[np.argsort(-counts)[:HOTTEST]],
        "entered by none": untouched,
        "live articles": live,
    }
    return {name: draw.choice(rows, LOOKUPS).tolist() for name, rows in named.items() if len(rows)}


def lookups(archive: Archive, rows: Sequence[int], policy: Policy) -> tuple[float, float]:
    """p50 and p99 of a lookup, in microseconds."""
    times = []
    query = Query()
    for row in rows:
        begin = time.perf_counter()
        related(archive, row, query, policy, NOW)
        times.append(time.perf_counter() - begin)
    p50, p99 = np.percentile(times, [50, 99]) * 1e6
    return float(p50), float(p99)


def note(figures: dict[str, list[float]], name: str, measured: tuple[float, float]) -> None:
    """Keep a round's p50 and p99."""
    for part, value in zip(("p50", "p99"), measured, strict=True):
        figures.setdefault(f"{name}_{part}", []).append(value)


def memory_mb() -> float:
    """Anonymous private memory of this process: what it holds itself, without pages of the snapshot."""
    gc.collect()
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def machine() -> str:
    """What this runs on, and how busy that is."""
    kernels = {f"{each['internal_api']} {each.get('architecture', '?')}" for each in threadpool_info()}
    load = " ".join(f"{each:.2f}" for each in os.getloadavg())
    return (
        f"Python {sys.version.split()[0]}, numpy {np.__version__}, BLAS {', '.join(sorted(kernels))}; "
        f"{os.cpu_count()} cores, load average {load}"
    )


def show(figures: dict[str, Any]) -> None:
    """Print the tables."""
    print(
        f"{figures['pairs']:,} pairs; first load {figures['full_load_seconds']:.2f} s, {figures['overlay_mb']:.1f} MB"
    )
    print("changes: " + ", ".join(f"{batch}: {ms:.1f} ms" for batch, ms in figures["changed_ms"].items()))
    for name, group in figures["lookups_us"].items():
        print(f"{name:>30}: " + ", ".join(f"{each} {value:.0f} us" for each, value in group.items()))


if __name__ == "__main__":
    sys.exit(main())
