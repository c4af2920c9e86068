"""Owns `LiveStore`: everything that may be asked of the live store, each question or change one transaction."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from index.article import Article
from index.ingest.live_changes import LiveRows
from service.live_store import reads, writes
from service.live_store.changes import AuditEntry, Changes, LiveArticle, Signal, SignalSet, Written
from service.live_store.database import Connections, Database, OpenTransaction
from service.live_store.errors import ArticleErased, LiveStoreUnavailable, OutdatedLiveStore, VersionConflict

__all__ = ["ArticleErased", "LiveStore", "LiveStoreUnavailable", "OutdatedLiveStore", "VersionConflict"]


class LiveStore:
    """The live store at a URL, `sqlite:///FILE` or `postgresql://...`. Making one touches nothing.

    Safe between threads; after a fork a process makes its own. Every method raises `LiveStoreUnavailable` when the
    database does not do as it is asked, and `OutdatedLiveStore` when its tables are not this code's; afterwards the
    same object works again as soon as the database does. Raises `ValueError` for another kind of URL.
    """

    def __init__(self, url: str) -> None:
        self._database: Connections = Database(url)

    @contextmanager
    def transaction(self) -> Iterator[LiveStore]:
        """This store within one transaction that is the only one to write: all that is done in it counts, or nothing.

        What it reads is as of its last change. Other writers wait, so it should take milliseconds.
        """
        with self._database.write() as connection:
            bound = copy.copy(self)
            bound._database = OpenTransaction(connection)
            yield bound

    def changes(self, after: int, snapshot_id: str | None, most: int = 5_000) -> Changes:
        """What changed after a sequence number: at most `most` rows, without gaps; comparisons of one snapshot.

        `Changes.sequence` is where to go on: less than the store's when more is to come. It is less than `after`
        only when an older copy of the database was put back. When nothing has changed, one tiny statement.
        """
        with self._database.poll() as connection:
            installation, sequence = reads.mark(connection)
        if sequence == after:
            return Changes(installation, sequence)
        with self._database.read() as connection:
            return reads.changes(connection, after, snapshot_id, most)

    def put(
        self, article: Article, *, by: str, at: int, expected: str | None, snapshot_version: str | None
    ) -> Written:
        """Publish an article, or withdraw it with its text when its status says so.

        `expected`: a version or "*", to be that of the live article, or else `snapshot_version`; `ABSENT`: that there
        is no such article; None: no condition.
        What is already stored so changes nothing, whatever is expected. Raises `VersionConflict`, `ArticleErased`.
        """
        with self._database.write() as connection:
            return writes.put(connection, article, by=by, at=at, expected=expected, snapshot_version=snapshot_version)

    def withdraw(
        self,
        article_id: str,
        *,
        by: str,
        at: int,
        note: str,
        expected: str | None,
        snapshot_version: str | None,
        known: bool,
    ) -> Written:
        """Withdraw an article; `known`: the snapshot has it. One that nobody knows is withdrawn in advance.

        `expected` as for `put`. Withdrawn or erased already: changes nothing. Raises `VersionConflict`.
        """
        with self._database.write() as connection:
            written = writes.withdraw(
                connection, article_id, by=by, at=at, note=note, expected=expected, snapshot_version=snapshot_version
            )
        return msgspec.structs.replace(written, known=known or written.known)

    def set_signals(
        self,
        article_id: str,
        signals: Sequence[Signal],
        *,
        by: str,
        at: int,
        expected: str | None,
        former: Sequence[str] = (),
    ) -> Written:
        """Replace the signals of an article. Raises `VersionConflict`, and `ArticleErased` also for their targets.

        `expected` as for `put`; the version of an article without signals is `NO_SIGNALS_VERSION`. What was given
        under `former` names of the article counts as part of its set, and moves to its ID.
        """
        with self._database.write() as connection:
            return writes.set_signals(connection, article_id, signals, by=by, at=at, expected=expected, former=former)

    def erase(self, article_id: str, *, by: str, at: int) -> Written:
        """Remove an article for good: text, ID, signals on it, comparisons of it, and what the audit says of it."""
        with self._database.write() as connection:
            written = writes.erase(connection, article_id, by=by, at=at)
        self._database.forget()
        return written

    def article(self, article_id: str) -> Article | None:
        """The stored article; None when unknown, erased, or withdrawn without ever having been sent."""
        with self._database.read() as connection:
            return reads.article(connection, article_id)

    def state_of(self, article_id: str) -> LiveArticle | None:
        """The last state of an article; None when the live store knows nothing of it."""
        with self._database.read() as connection:
            return reads.state_of(connection, article_id)

    def signals_of(self, article_id: str, former: Sequence[str] = ()) -> SignalSet | None:
        """The signals of an article, with those under its `former` names; None when it never had any."""
        with self._database.read() as connection:
            return reads.signals_of(connection, article_id, former)

    def audit_of(self, article_id: str, most: int = 50, former: Sequence[str] = ()) -> list[AuditEntry]:
        """What was done to an article, also under its `former` names, newest first."""
        with self._database.read() as connection:
            return reads.audit_of(connection, article_id, most, former)

    def records(self, after: int) -> tuple[int, list[tuple[LiveArticle, Article]]]:
        """The store's sequence, and the published articles that changed after one, by rising sequence."""
        with self._database.read() as connection:
            return reads.mark(connection)[1], reads.records(connection, after)

    def save_comparison(self, article_id: str, article_sequence: int, snapshot_id: str, content: bytes) -> bool:
        """Keep a comparison; False, and nothing kept, when the article has changed since or is not published."""
        with self._database.write() as connection:
            return writes.save_comparison(connection, article_id, article_sequence, snapshot_id, content)

    def drop_comparisons(self, keep: Collection[str]) -> int:
        """Remove the comparisons against all snapshots but these; returns how many."""
        with self._database.write() as connection:
            return writes.drop_comparisons(connection, keep)

    def all_rows(self) -> LiveRows:
        """Everything that a rebuild takes in, as of one moment."""
        with self._database.read() as connection:
            return reads.all_rows(connection)

    def truncate(self, up_to: int) -> int:
        """Remove published articles last changed at `up_to` or before, with their comparisons; returns how many."""
        with self._database.write() as connection:
            return writes.truncate(connection, up_to)

    def remember(self, signature: str, now: int, keep_seconds: int) -> bool:
        """Remember a signature for so long; False when it is remembered already at `now` (epoch seconds)."""
        with self._database.write() as connection:
            return writes.remember(connection, signature, now, keep_seconds)

    def counts(self) -> dict[str, int]:
        """How many articles are published, withdrawn, erased, waiting to be compared; rows of other tables; bytes."""
        with self._database.read() as connection:
            return reads.counts(connection)

    def close(self) -> None:
        """End the connections."""
        self._database.close()
