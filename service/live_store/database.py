"""Owns connections and transactions, on SQLite and PostgreSQL, and gives their faults one name.

`Database.write` holds the store's one lock until it commits, so changes commit in the order of their sequence and a
follower that has seen sequence n has seen all before it. `Database.read` sees one moment in all tables.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

from sqlalchemy import URL, Connection, Engine, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from service.live_store.errors import LiveStoreUnavailable, OutdatedLiveStore
from service.live_store.schema import REVISION, alembic_version, installation
from service.live_store.sqlite import sqlite_engines

log = logging.getLogger(__name__)

Purpose = Literal["poll", "read", "write"]
Engines = Mapping[Purpose, Engine]

LOCK_SECONDS = 5  # a write takes milliseconds: who waits this long for another one reports it


class Connections(Protocol):
    """What gives connections for the three purposes: a database, or a transaction on it that has begun."""

    def poll(self) -> AbstractContextManager[Connection]:
        """A connection for one statement."""

    def read(self) -> AbstractContextManager[Connection]:
        """A connection that sees one moment."""

    def write(self) -> AbstractContextManager[Connection]:
        """A connection that is the only one to write."""

    def forget(self) -> None:
        """Leave nothing of deleted rows behind."""

    def close(self) -> None:
        """End the connections."""


class OpenTransaction:
    """A write transaction that has begun: every connection is its own, and whoever began it ends it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def poll(self) -> AbstractContextManager[Connection]:
        """The transaction's connection."""
        return nullcontext(self._connection)

    read = write = poll

    def forget(self) -> None:
        """Nothing: deleted rows are still there until the transaction ends."""

    close = forget


class Database:
    """The database at a URL: `sqlite:///FILE` or `postgresql://...`. Connects when first used.

    Safe between threads, not over a fork. Raises `ValueError` for another kind of URL.
    """

    def __init__(self, url: str) -> None:
        self.url = live_url(url)
        self._lock = threading.Lock()
        self._engines: Engines = {}
        self._checked = False
        self._file: tuple[int, int] | None = None

    @contextmanager
    def poll(self) -> Iterator[Connection]:
        """A connection for one statement, without a transaction."""
        with self._faults(), self._engine("poll").connect() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment."""
        with self._faults(), self._engine("read").begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is the only one to write."""
        with self._faults(), self._engine("write").begin() as connection:
            if connection.dialect.name != "sqlite":  # BEGIN IMMEDIATE is that lock
                connection.execute(select(installation.c.id).with_for_update())
            yield connection

    def forget(self) -> None:
        """Leave nothing of deleted rows in SQLite's write-ahead log; elsewhere that is the server's to do."""
        with self.poll() as connection:
            if connection.dialect.name == "sqlite":
                busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
                if busy:
                    log.warning("a reader kept the live store's log from being emptied; the next checkpoint does it")

    def close(self) -> None:
        """End the connections; the next use makes new ones."""
        with self._lock:
            self._forget_engines()

    def _forget_engines(self) -> None:
        if self._engines:
            self._engines["poll"].dispose()  # one pool behind all three
        self._engines, self._checked = {}, False

    def _engine(self, purpose: Purpose) -> Engine:
        with self._lock:
            file = _file_identity(self.url)
            if file != self._file:  # SQLite itself goes on with a file that was moved away or replaced
                self._forget_engines()
                self._file = file
            if not self._engines:
                self._engines = _engines(self.url)
            engines = self._engines
        if not self._checked:
            _check_schema(engines["poll"], self.url)
            self._checked = True
        return engines[purpose]

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            raise LiveStoreUnavailable(reason_of(error, self.url)) from error


def live_url(url: str) -> URL:
    """The URL as SQLAlchemy wants it. Raises `ValueError`, without the password, for what cannot be a live store."""
    wanted = "the URL of a live store is sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(wanted) from None
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg") or parsed.database in (None, "", ":memory:"):
        raise ValueError(wanted)
    if parsed.drivername != "sqlite" and find_spec("psycopg") is None:
        raise ValueError("a live store on PostgreSQL needs psycopg: pip install 'related-stories[postgres]'")
    return parsed


def shown(url: URL) -> str:
    """The URL as people write it, without its password."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def reason_of(error: Exception, url: URL) -> str:
    """What the database said, in one line, without the password."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    reason = f"the live store cannot be used: {lines[0]}"
    return reason.replace(str(url.password), "***") if url.password else reason


def _file_identity(url: URL) -> tuple[int, int] | None:
    """Device and inode of a SQLite file; None where there is none, and for a server."""
    if url.get_backend_name() != "sqlite":
        return None
    try:
        status = Path(str(url.database)).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _engines(url: URL) -> Engines:
    if url.get_backend_name() == "sqlite":
        if not Path(str(url.database)).exists():
            raise OutdatedLiveStore(shown(url), None, REVISION)
        poll, read, write = sqlite_engines(url, "rw", LOCK_SECONDS)
    else:
        from service.live_store.postgres import postgres_engines  # psycopg is an extra

        poll, read, write = postgres_engines(url)
    return {"poll": poll, "read": read, "write": write}


def _check_schema(engine: Engine, url: URL) -> None:
    with engine.connect() as connection:
        there = inspect(connection).has_table("alembic_version")
        revision = connection.execute(select(alembic_version.c.version_num)).scalar() if there else None
    if revision != REVISION:
        raise OutdatedLiveStore(shown(url), revision, REVISION)
