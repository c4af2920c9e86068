"""Follow a folder, a file or a feed, and publish what is new or changed to the live service.

    python scripts/follow.py --source exports/ --service http://127.0.0.1:8000 --key-file KEYFILE --state follow.db
    python scripts/follow.py --source https://courier.example/feed.xml --fetch --service ... --state follow.db --once

Sources are those of import_articles.py. What a record marks as withdrawn is withdrawn, and so is an article whose
record has become a draft, private or the like; what merely vanished from the source stays. The state file holds the
version of each article that the service has acknowledged, written after that: killed at any moment, nothing is lost,
and at most one article is sent twice, which changes nothing. When another live store answers, all is sent anew. Of
several records of one article the newest counts. An article that was withdrawn, here or in the service, stays so
unless the record is dated after that: it is named on stderr as kept withdrawn. Waits while the service is busy or
away.

Exit codes with --once: 0 all is there, 1 some were refused (named on stderr), 2 usage, unreadable source, or a
service that takes nothing from this key, 69 the service cannot be reached, 74 I/O failure. Without it, it looks again
each --every seconds, and ends by a signal or with 2 or 74.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from functools import cache, partial
from pathlib import Path

from fetch_options import Fetch, UnusableFetching, add_fetch_options, fetching, is_address
from publish_articles import KEY, Order, Service, Sleep, TurnedAway, Unreachable, Unusable, key_from, sent
from source_options import add_prefix_option

from index.article import Article, article_version
from index.fetching.target import NotFetched
from index.ingest.id_clashes import clash
from index.ingest.id_prefix import with_prefix
from index.sources import Rejection, Tally, Unpublished, UnreadableSource, Withdrawal, read_source
from index.sources.languages import with_languages
from index.sources.mapping import Mapping as OurNames
from index.sources.mapping import UnusableMapping, read_mapping

WITHDRAWN = "withdrawn"  # in place of a version
HIDDEN = "hidden"  # withdrawn by us, because its record was not public
FRESH_SECONDS = 900  # a fetched page that the feed still lists is asked for again after this

Record = Article | Rejection


class Acknowledged:
    """The version of each article that the service took, in a SQLite file; durable when `note` returns."""

    def __init__(self, path: Path) -> None:
        """Raises `Unusable` for a file that is none."""
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS acknowledged (id TEXT PRIMARY KEY, version TEXT NOT NULL)"
            )
            self._connection.execute("CREATE TABLE IF NOT EXISTS live_store (name TEXT NOT NULL)")
        except sqlite3.Error as error:
            raise Unusable(f"--state {path}: {error}") from error

    def version(self, article_id: str) -> str | None:
        """The one that the service has, as far as we know."""
        row = self._connection.execute("SELECT version FROM acknowledged WHERE id = ?", (article_id,)).fetchone()
        return None if row is None else str(row[0])

    def note(self, article_id: str, version: str) -> None:
        """The service has taken it."""
        self._connection.execute("INSERT OR REPLACE INTO acknowledged VALUES (?, ?)", (article_id, version))

    def begin_anew(self, live_store: str) -> bool:
        """Forget everything if it was acknowledged by another live store; whether it was."""
        row = self._connection.execute("SELECT name FROM live_store").fetchone()
        if row is not None and row[0] == live_store:
            return False
        self._connection.execute("BEGIN IMMEDIATE")
        if row is not None:
            self._connection.execute("DELETE FROM acknowledged")
        self._connection.execute("DELETE FROM live_store")
        self._connection.execute("INSERT INTO live_store VALUES (?)", (live_store,))
        self._connection.execute("COMMIT")
        return row is not None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def main(
    arguments: list[str] | None = None, environment: Mapping[str, str] = os.environ, sleep: Sleep = time.sleep
) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        with ExitStack() as opened:
            fetch = fetching(options, opened, FRESH_SECONDS)
            state = opened.enter_context(closing(Acknowledged(options.state)))
            service = Service(options.service, key_from(options.key_file, environment), sleep, _tell)
            opened.callback(service.close)
            mapping = read_mapping(options.mapping) if options.mapping else None
            records = partial(_records, options.source, fetch, mapping, options.id_prefix, cache(_tell))
            while True:
                code = _round(records, state, service, patient=not options.once)
                if options.once:
                    return code
                sleep(options.every)
    except (Unusable, UnusableFetching, UnusableMapping, UnreadableSource, TurnedAway) as error:
        _tell(f"error: {error}")
        return 2
    except (OSError, sqlite3.Error) as error:
        _tell(f"error: {error}")
        return os.EX_IOERR


def _round(records: Callable[[], Iterator[Record]], state: Acknowledged, service: Service, *, patient: bool) -> int:
    """Publish what changed once; the exit code. `patient`: a service or feed that is away will be back."""
    before = service.no_longer_public
    try:
        live_store = service.live_store()
        if live_store and state.begin_anew(live_store):
            _tell("another live store answers than the one that the state file is of: sending everything again")
        done, refused = publish_changes(records(), state, service)
    except (Unreachable, NotFetched) as error:
        _tell(f"{'waiting' if patient else 'error'}: {error}")
        return os.EX_UNAVAILABLE if isinstance(error, Unreachable) else 2
    if done or refused:
        print(f"published {done:,} changes, {refused:,} refused", flush=True)
    if withdrawn := service.no_longer_public - before:
        print(f"  {withdrawn:,} articles withdrawn: their records are not public now", flush=True)
    return 1 if refused else 0


def publish_changes(records: Iterator[Record], state: Acknowledged, service: Service) -> tuple[int, int]:
    """How many changes the service took, and how many it refused; each of those is named on stderr."""
    done = refused = 0
    for record in _latest(records):
        if isinstance(record, Rejection) and not isinstance(record, Withdrawal):
            _tell(f"refused: {record.place}: {record.reason}")
            refused += 1
            continue
        version, noted = _version(record), state.version(record.id)
        if noted == version or (isinstance(record, Unpublished) and noted == HIDDEN):
            continue
        hidden, kept = service.no_longer_public, service.kept_withdrawn
        if isinstance(record, Article):
            withdraw = _is_withdrawn(record)
            reason = service.withdraw(record.id) if withdraw else service.publish(record, noted == HIDDEN)
        else:
            reason = sent(record, service)
        if reason:
            _tell(f"refused: {record.id}: {reason}")
            refused += 1
            continue
        now_hidden = service.no_longer_public > hidden
        state.note(record.id, HIDDEN if now_hidden else version)
        done += now_hidden or not (isinstance(record, Unpublished) or service.kept_withdrawn > kept)
    return done, refused


def _latest(records: Iterator[Record]) -> Iterator[Record]:
    """Each article as its newest record says; before them rejections as they come, also of what has another's ID."""
    latest: dict[str, Article | Withdrawal] = {}
    order = Order()
    for record in records:
        if not isinstance(record, Article | Withdrawal):
            yield record
            continue
        known = latest.get(record.id)
        rejection = clash(known, record, may_have_moved=False) if isinstance(known, Article) else None
        if rejection:
            yield rejection
        elif not order.is_outdated(record):
            latest[record.id] = record
    yield from latest.values()


def _version(record: Article | Withdrawal) -> str:
    return article_version(record) if isinstance(record, Article) and not _is_withdrawn(record) else WITHDRAWN


def _is_withdrawn(record: Article | Withdrawal) -> bool:
    return isinstance(record, Article) and record.status == WITHDRAWN


def _records(
    source: str, fetch: Fetch, mapping: OurNames | None, prefix: str, tell: Callable[[str], None]
) -> Iterator[Record]:
    records = fetch(source, Tally()) if is_address(source) else read_source(Path(source), mapping=mapping)
    return with_languages(with_prefix(records, prefix), tell)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--source", required=True, metavar="PATH_OR_URL", help="a file or folder, or an address with --fetch")
    add_prefix_option(parser)
    add("--mapping", type=Path, metavar="TOML", help="which of their columns or fields is which of ours")
    add("--service", required=True, metavar="URL", help="where the service is")
    add("--key-file", type=Path, metavar="KEYFILE", help=f"a file with the key (default: {KEY} of the environment)")
    add("--state", type=Path, required=True, metavar="FILE", help="keeps what the service has acknowledged")
    add("--once", action="store_true", help="look once, and end")
    add("--every", type=float, default=60, metavar="SECONDS", help="how often to look (default: %(default)s)")
    add_fetch_options(parser, "--fetched")
    return parser


if __name__ == "__main__":
    sys.exit(main())
