"""Read an archive of any known format; show what was understood of it, or write it as JSON Lines.

    python scripts/import_articles.py --source export.xml --source pages/ --dry-run
    python scripts/import_articles.py --source archive.csv --mapping ours.toml --out archive.jsonl
    python scripts/import_articles.py --fetch --source https://courier.example/sitemap.xml --state fetched.db --out -
    zcat feed.xml.gz | python scripts/import_articles.py --source - --format xml --out -

Formats: JSON Lines, JSON documents (ninjs, WordPress's REST API), HTML and plain-text pages, RSS, Atom, news
sitemaps, WordPress exports, CSV, Parquet; plain, gzip, in folders or zip files. What was understood goes to the
terminal: counts, missing fields, dates, languages, ten examples, rejections by reason. An article without a language
gets one where its text makes it certain. Memory does not grow with the archive.

With --fetch, and only then, a source may be the address of a feed, a sitemap or a page: its pages are fetched one at
a time, as robots.txt allows, from public addresses alone. With --state FILE an import that ended early resumes, and a
later one asks only for what changed.

Exit codes: 0 read (rejections are told, not fatal), 1 nothing was understood, 2 usage or unreadable source, 74 I/O
failure.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO

import msgspec
from fetch_options import Fetch, UnusableFetching, add_fetch_options, fetching, is_address
from source_options import Source, add_sources_option, parse_sources
from tqdm import tqdm

from index.article import Article, iso_time
from index.fetching.target import NotFetched
from index.ingest.id_prefix import with_prefix
from index.sources import (
    Rejection,
    Tally,
    Unpublished,
    UnreadableSource,
    Withdrawal,
    read_files,
    read_input,
    read_source,
    source_files,
)
from index.sources.languages import with_languages
from index.sources.mapping import Mapping, UnusableMapping, read_mapping
from index.sources.opening import stream

EXAMPLES = 10
REASONS = 12  # different ones that are shown
RENAMED_EXAMPLES = 5
IDS_COMPARED = 200_000  # of which headlines are kept for comparison
TOLD_FIELDS = (
    "url",
    "standfirst",
    "body",
    "section",
    "tags",
    "authors",
    "language",
    "image",
    "published_at",
    "kicker",
    "links",
)
PAGES_AT_ONCE = 32  # files that a process gets; several such lots wait at a time
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\(byte \d+\)|\d+(?:,\d+)+")

Record = Article | Rejection


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parse_sources(_parser(), arguments)
    if not (options.dry_run or options.out):
        print("error: give --out FILE, or --dry-run to write nothing", file=sys.stderr)
        return 2
    seen = Understood()
    try:
        mapping = read_mapping(options.mapping) if options.mapping else None
        with ExitStack() as opened:
            out = None if options.dry_run else _out(options.out, opened)
            fetch = fetching(options, opened)
            records = _all(options.source, options.format, mapping, options.jobs, seen.tally, fetch)
            _take_in(tqdm(records, "read", disable=options.quiet, unit=" records"), seen, out)
    except (UnreadableSource, UnusableMapping, NotFetched, UnusableFetching) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: this needs the package {error.name}: pip install '.[sources]'", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return os.EX_IOERR
    print(seen.report(), file=sys.stderr if options.out == "-" else sys.stdout)
    return 0 if seen.articles else 1


class Understood:
    """Counts of what was read, of a bounded size however much that is."""

    def __init__(self) -> None:
        self.articles = 0
        self.withdrawals = 0
        self.tally = Tally()
        self.missing: Counter[str] = Counter()
        self.years: Counter[str] = Counter()
        self.languages: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.first_rejected: dict[str, Rejection] = {}
        self.examples: list[Article] = []
        self.headlines: dict[str, str] = {}
        self.renamed = 0
        self.renamed_examples: list[str] = []

    def add(self, record: Record) -> None:
        """Count an article or a rejection; what only withdraws or hides an article is counted elsewhere."""
        if isinstance(record, Withdrawal):
            self.withdrawals += not isinstance(record, Unpublished)
            return
        if isinstance(record, Rejection):
            kind = _kind(record.reason)
            if kind in self.reasons or len(self.reasons) < 1_000:
                self.reasons[kind] += 1
                self.first_rejected.setdefault(kind, record)
            return
        self.articles += 1
        self._compare_headlines(record)
        self.missing.update(name for name in TOLD_FIELDS if not getattr(record, name))
        self.years[(iso_time(record.published_at) or "none")[:4]] += 1
        self.languages[record.language or "unknown"] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(record)

    def _compare_headlines(self, article: Article) -> None:
        """Count an article whose ID an earlier one has with another headline; of the first `IDS_COMPARED` IDs."""
        earlier = self.headlines.get(article.id)
        if earlier is None:
            if len(self.headlines) < IDS_COMPARED:
                self.headlines[article.id] = article.headline[:80]
        elif earlier != article.headline[:80]:
            self.renamed += 1
            if len(self.renamed_examples) < RENAMED_EXAMPLES:
                self.renamed_examples.append(f"id {article.id[:200]!r}: {earlier!r} and {article.headline[:80]!r}")

    def report(self) -> str:
        """For people: what was understood and what was not."""
        lines = self._totals()
        lines += ["", "missing     " + self._shares(self.missing, TOLD_FIELDS)]
        lines += ["years       " + _counts(sorted(self.years.items()))]
        lines += ["languages   " + _counts(self.languages.most_common(20))]
        lines += ["", "examples", *(_example(example) for example in self.examples)]
        if self.reasons:
            most_common = self.reasons.most_common(REASONS)
            lines += ["", "rejected", *(self._reason(kind, count) for kind, count in most_common)]
        return "\n".join(lines)

    def _totals(self) -> list[str]:
        """How many records became articles, and what became of the others."""
        left_out = f"{self.tally.unpublished:,} unpublished and {self.tally.other:,} others (pictures, pages, menus)"
        lines = [f"{self.articles:,} articles, {self.reasons.total():,} records rejected, {left_out} left out"]
        lines += [f"{count:,} {what}" for count, what in self.tally.files()]
        if self.withdrawals:
            lines += [f"{self.withdrawals:,} withdrawals without a text"]
        if self.renamed:
            lines += [
                f"{self.renamed:,} records have the ID of an earlier one with another headline: where that is no "
                f"correction, give each source a prefix (--id-prefix); the first: {'; '.join(self.renamed_examples)}"
            ]
        if types := self.tally.left_out():
            lines += [f"left out by type: {types}; a type that is articles: types = [...] in a --mapping file"]
        return lines

    def _shares(self, counts: Counter[str], names: Sequence[str]) -> str:
        whole = max(1, self.articles)
        return (
            ", ".join(f"{name} {counts[name]:,} ({counts[name] / whole:.0%})" for name in names if counts[name])
            or "nothing"
        )

    def _reason(self, kind: str, count: int) -> str:
        first = self.first_rejected[kind]
        return f"  {count:,} x {kind}; the first: {first.place}: {first.reason[:200]}"


def _take_in(records: Iterable[Record], seen: Understood, out: IO[bytes] | None) -> None:
    for article in with_languages(records, lambda line: tqdm.write(line, file=sys.stderr)):
        seen.add(article)
        if out is not None and isinstance(article, Article | Withdrawal):
            out.write(msgspec.json.encode(_line(article)) + b"\n")


def _line(record: Article | Withdrawal) -> Article | dict[str, object]:
    """What a later reading takes for the same: of what withdraws or hides an article its ID, state and time."""
    if isinstance(record, Article):
        return record
    if isinstance(record, Unpublished):
        return {"id": record.id, "status": record.status, "updated_at": record.updated_at}
    return {"id": record.id, "status": "withdrawn"}


def _all(
    sources: Sequence[Source], kind: str, mapping: Mapping | None, jobs: int, tally: Tally, fetch: Fetch
) -> Iterator[Record]:
    for source, prefix in sources:
        yield from with_prefix(_of(source, kind, mapping, jobs, tally, fetch), prefix)


def _of(source: str, kind: str, mapping: Mapping | None, jobs: int, tally: Tally, fetch: Fetch) -> Iterator[Record]:
    if is_address(source):
        return fetch(source, tally)
    if source == "-":
        return read_input(stream(sys.stdin.buffer, f"stdin.{kind}"), tally, mapping)
    if jobs > 1 and Path(source).is_dir():
        return _in_processes(source_files(Path(source), tally), mapping, jobs, tally)
    return read_source(Path(source), tally, mapping)


def _in_processes(files: Sequence[Path], mapping: Mapping | None, jobs: int, tally: Tally) -> Iterator[Record]:
    """The records of files in their order, read in several processes, a few lots ahead."""
    lots = iter([files[start : start + PAGES_AT_ONCE] for start in range(0, len(files), PAGES_AT_ONCE)])
    with ProcessPoolExecutor(jobs) as pool:
        waiting = [pool.submit(_read_lot, lot, mapping) for lot in islice(lots, 2 * jobs)]
        while waiting:
            records, counted = waiting.pop(0).result()
            waiting += [pool.submit(_read_lot, lot, mapping) for lot in islice(lots, 1)]
            tally.add(counted)
            yield from records


def _read_lot(files: Sequence[Path], mapping: Mapping | None) -> tuple[list[Record], Tally]:
    tally = Tally()
    return list(read_files(files, tally, mapping)), tally


def _out(name: str, opened: ExitStack) -> IO[bytes]:
    return sys.stdout.buffer if name == "-" else opened.enter_context(Path(name).open("wb"))


def _kind(reason: str) -> str:
    """The reason without what differs from record to record."""
    return _PARTICULAR.sub("...", reason)[:120]


def _counts(pairs: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in pairs) or "none"


def _example(article: Article) -> str:
    told = [
        iso_time(article.published_at) or "undated",
        article.language or "?",
        ", ".join(article.authors) or "no author",
    ]
    size = f"{len(article.body):,} characters, {len(article.links)} links"
    standfirst = article.standfirst[:100] or "(no standfirst)"
    return f"  {article.headline[:100]}\n      {' | '.join([*told, size])}\n      {standfirst}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add_sources_option(parser, "a file, folder or zip file, - for stdin, an address with --fetch", required=True)
    add(
        "--format",
        default="jsonl",
        metavar="ENDING",
        help="of stdin: jsonl, json, xml, html, csv, ... (default: %(default)s)",
    )
    add("--mapping", type=Path, metavar="TOML", help="which of their columns or fields is which of ours")
    add("--out", metavar="FILE", help="JSON Lines of articles, and of what withdraws one; - for stdout")
    add("--dry-run", action="store_true", help="write nothing, only tell")
    add(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes for folders (default: %(default)s)",
    )
    add("--quiet", action="store_true", help="no progress bar")
    add_fetch_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
