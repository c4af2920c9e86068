"""Measure embedding: speed against `SentenceTransformer.encode` with defaults, and quality on digitalgov.

python scripts/benchmarks/bench_embedding.py [--openvino DIR ...] [--json]
python scripts/benchmarks/bench_embedding.py --quality --cache DIR [--openvino DIR ...] [--json]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_info
from tqdm import tqdm

from index.article import Article, epoch_seconds
from index.embedding.fusion import dense_rows
from index.embedding.openvino import OpenVinoEmbedder
from index.embedding.sentence_transformer import DenseEmbedder
from index.embedding.vector_cache import VectorCache, cached_embed
from index.text.passages import head_text, passages
from index.types import Embedder

FloatArray = npt.NDArray[np.float32]
TEST_DATA_DIR = Path(os.environ.get("TEST_DATA_DIR", Path(__file__).parents[3] / "shared" / "data"))
SEED = 20_240_601


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--openvino", type=Path, action="append", default=[], help="folder of quantise_model.py")
    parser.add_argument("--passages", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quality", action="store_true", help="nDCG@10 instead of speed")
    parser.add_argument("--cache", type=Path, help="folder for vectors, so that --quality resumes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quality and options.cache is None:
        parser.error("--quality needs --cache DIR")
    articles = digitalgov()
    embedders: list[Any] = [DenseEmbedder(), *(OpenVinoEmbedder(folder) for folder in options.openvino)]
    if options.quality:
        figures = quality(articles, embedders, options.cache)
    else:
        figures = speed(sampled_passages(articles, options.passages), embedders, options.rounds)
    print(json.dumps(figures, indent=2) if options.json else _table(figures))


def digitalgov() -> list[Article]:
    """The 2,079 articles, oldest first."""
    path = TEST_DATA_DIR / "articles" / "digitalgov" / "articles.jsonl.gz"
    if not path.is_file():
        sys.exit(f"{path} is missing: set TEST_DATA_DIR")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    articles = [
        Article(
            id=str(record["id"]),
            headline=record["title"],
            standfirst=record.get("standfirst") or "",
            body=record.get("body") or "",
            published_at=epoch_seconds(record.get("published"), "published"),
        )
        for record in records
    ]
    return sorted(articles, key=lambda article: (article.published_at or 0, article.id))


def sampled_passages(articles: Sequence[Article], n: int) -> list[str]:
    """`n` passages drawn without replacement, the same ones every time."""
    texts = [text for article in articles for text in passages(article).texts]
    chosen = np.random.default_rng(SEED).choice(len(texts), min(n, len(texts)), replace=False)
    return [texts[place] for place in chosen]


def speed(texts: Sequence[str], embedders: Sequence[Any], rounds: int) -> dict[str, Any]:
    """Wall and processor seconds of every way in turn, `rounds` times; ratios are to encode's defaults.

    Taking turns lets other work on the machine hurt all ways alike; processor time includes what
    OpenMP threads burn while they wait for each other.
    """
    reference = embedders[0].load()

    def encode() -> FloatArray:
        return np.asarray(reference.encode(list(texts), show_progress_bar=False))

    ways: dict[str, Callable[[], FloatArray]] = {"SentenceTransformer.encode": encode}
    for embedder in embedders:
        ways[embedder.fingerprint] = partial(embedder.embed, texts)
    expected = encode()
    lowest = {name: float(np.min(np.sum(way() * expected, axis=1))) for name, way in ways.items()}  # warms up
    medians = _median_seconds(ways, rounds)
    base = medians["SentenceTransformer.encode"]
    return {
        "machine": machine(),
        "texts": len(texts),
        "ways": {
            name: {
                "wall_seconds": round(wall, 2),
                "wall_ratio": round(base[0] / wall, 2),
                "processor_seconds": round(processor, 2),
                "processor_ratio": round(base[1] / processor, 2),
                "lowest_cosine": round(lowest[name], 5),
            }
            for name, (wall, processor) in medians.items()
        },
    }


def _median_seconds(ways: dict[str, Callable[[], FloatArray]], rounds: int) -> dict[str, tuple[float, float]]:
    """Median wall and processor seconds of each way over `rounds`, in which the ways take turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for name in tqdm([name for _ in range(rounds) for name in ways], "speed", disable=None):
        wall, processor = time.perf_counter(), time.process_time()
        ways[name]()
        times[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return {
        name: (statistics.median(wall for wall, _ in rows), statistics.median(processor for _, processor in rows))
        for name, rows in times.items()
    }


def quality(articles: Sequence[Article], embedders: Sequence[Embedder], cache: Path) -> dict[str, Any]:
    """nDCG@10 of each embedder's dense rows for sources with a link to an older article."""
    targets = _linked_older(articles)
    published = np.array([article.published_at or 0 for article in articles])
    figures: dict[str, Any] = {"machine": machine(), "sources": len(targets), "ways": {}}
    first: npt.NDArray[np.float64] | None = None
    for embedder in embedders:
        gains = ndcg(_vectors(articles, embedder, cache), published, targets)
        first = gains if first is None else first
        low, high = _interval(gains - first)
        figures["ways"][embedder.fingerprint] = {
            "ndcg_at_10": round(float(gains.mean()), 4),
            "difference": round(float((gains - first).mean()), 4),
            "difference_95": [round(low, 4), round(high, 4)],
        }
    return figures


def _linked_older(articles: Sequence[Article]) -> dict[int, set[int]]:
    """The rows of the older articles that each article links to."""
    with (TEST_DATA_DIR / "articles" / "digitalgov" / "related.tsv").open(encoding="utf-8") as lines:
        links = [row for row in csv.DictReader(lines, delimiter="\t") if float(row["days_older"] or 0) > 0]
    rows = {article.id: row for row, article in enumerate(articles)}
    targets: dict[int, set[int]] = {}
    for source, target in ((link["article_id"], link["related_id"]) for link in links):
        if source in rows and target in rows:
            targets.setdefault(rows[source], set()).add(rows[target])
    return targets


def ndcg(
    vectors: FloatArray, published: npt.NDArray[Any], targets: dict[int, set[int]], k: int = 10
) -> npt.NDArray[np.float64]:
    """nDCG@k of each source, binary gains, candidates not newer than the source and not the source."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    found = []
    for source, wanted in targets.items():
        scores = np.where(published <= published[source], vectors @ vectors[source], -np.inf)
        scores[source] = -np.inf
        top = np.argsort(-scores, kind="stable")[:k]
        gained = float(np.sum(discounts * np.isin(top, list(wanted))))
        found.append(gained / float(discounts[: len(wanted)].sum()))
    return np.array(found)


def machine() -> dict[str, Any]:
    """What the figures depend on: cores, BLAS kernels, load by others."""
    kernels = [f"{pool['internal_api']} {pool.get('architecture') or ''}".strip() for pool in threadpool_info()]
    return {"cores": os.cpu_count(), "blas": sorted(set(kernels)), "load": round(os.getloadavg()[0], 1)}


def _vectors(articles: Sequence[Article], embedder: Embedder, cache: Path) -> FloatArray:
    heads = [head_text(article) for article in articles]
    bodies = [passages(article).texts for article in articles]
    owners = np.repeat(np.arange(len(articles)), [len(texts) for texts in bodies])
    texts = [*heads, *(text for found in bodies for text in found)]
    with tqdm(desc=embedder.fingerprint, unit=" texts", disable=None) as bar:

        def heard(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        store = VectorCache(cache, embedder.fingerprint, embedder.dimension)
        vectors, _ = cached_embed(store, embedder, texts, heard)
    return dense_rows(vectors[: len(heads)], vectors[len(heads) :], owners)


def _interval(differences: npt.NDArray[np.float64], draws: int = 2_000) -> tuple[float, float]:
    """95% bootstrap interval of the mean over sources."""
    generator = np.random.default_rng(SEED)
    means = [generator.choice(differences, differences.size).mean() for _ in range(draws)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _table(figures: dict[str, Any]) -> str:
    lines = [f"{name}: {value}" for name, value in figures.items() if name != "ways"]
    for name, columns in figures["ways"].items():
        lines.append(f"{name}: " + ", ".join(f"{key} {value}" for key, value in columns.items()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
