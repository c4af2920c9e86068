"""Time duplicates, events and storylines of a synthetic archive.

    python scripts/benchmarks/bench_stories.py --articles 100000

Storylines of 100 articles over two years, each with two copies of one article; 200 candidates a row: its
storyline and random others, with cosines drawn as such pairs have them in real archives.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from index.article import Article
from index.clustering.stories import default_stories, find_stories

DAY = 86_400
STORYLINE, DEPTH, WORDS = 100, 200, 400


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=100_000)
    n = parser.parse_args(arguments).articles // STORYLINE * STORYLINE
    rng = np.random.default_rng(0)
    thread = np.arange(n) % (n // STORYLINE)  # rows by date: the articles of a storyline lie far apart
    copied = np.flatnonzero(np.arange(n) // (n // STORYLINE) >= STORYLINE - 3)  # the last three of each
    articles = _articles(n, thread, copied, rng)
    rows, dense, lexical = _candidates(thread, copied, rng)
    started = time.perf_counter()
    stories = find_stories(articles, rows, dense, lexical, default_stories())
    seconds = time.perf_counter() - started
    columns = zip(stories._fields, stories, strict=True)
    counts = "  ".join(f"{name} {len(np.unique(column)):,}" for name, column in columns)
    print(f"{n:,} articles, {DEPTH} candidates each: {seconds:.1f} s  {counts}")
    return 0


def _articles(n: int, thread: np.ndarray, copied: np.ndarray, rng: np.random.Generator) -> list[Article]:
    vocabulary = [f"word{at}" for at in range(20_000)]
    shared = {int(of): " ".join(vocabulary[at] for at in rng.integers(0, 20_000, WORDS)) for of in np.unique(thread)}
    copies = set(copied.tolist())
    dates = np.sort(rng.integers(0, 730 * DAY, n))
    articles = []
    for row in range(n):
        own = [vocabulary[at] for at in rng.integers(0, 20_000, 40 if row in copies else WORDS)]
        body = f"{shared[int(thread[row])]} {' '.join(own)}" if row in copies else " ".join(own)
        articles.append(Article(id=str(row), headline=f"Headline {row}", body=body, published_at=int(dates[row])))
    return articles


def _candidates(
    thread: np.ndarray, copied: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n, threads = len(thread), len(thread) // STORYLINE
    inside = (np.arange(STORYLINE) * threads)[None, :] + thread[:, None]
    inside = np.where(inside == np.arange(n)[:, None], -1, inside)
    rows = np.hstack([inside, rng.integers(0, n, (n, DEPTH - STORYLINE))])
    rows[rows == np.arange(n)[:, None]] = -1
    near = thread[np.maximum(rows, 0)] == thread[:, None]
    is_copy = np.isin(np.arange(n), copied)
    both = near & is_copy[:, None] & is_copy[np.maximum(rows, 0)]
    low, high = np.minimum(rows, np.arange(n)[:, None]), np.maximum(rows, np.arange(n)[:, None])
    noise = (((low * 2_654_435_761 + high * 40_503) % 997) / 997).astype(np.float32)
    del low, high
    lexical = np.where(both, 0.85, np.where(near, 0.02 + 0.2 * noise**2, 0.08 * noise)).astype(np.float32)
    dense = np.where(both, 0.95, np.where(near, 0.4 + 0.3 * noise, 0.3 * noise)).astype(np.float32)
    return rows, dense, lexical


if __name__ == "__main__":
    sys.exit(main())
