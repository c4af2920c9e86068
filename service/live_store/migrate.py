"""Owns bringing a live store's tables to this code's schema. Imports Alembic; web workers have no need of it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from service.live_store.database import live_url, reason_of
from service.live_store.errors import LiveStoreUnavailable
from service.live_store.sqlite import sqlite_engines

_ADVISORY_LOCK = 4_118_727_315  # any number that other programs on the database do not take


def migrate(url: str) -> None:
    """Make the tables, or bring them up to date; a SQLite file that is not there is made.

    Harmless when nothing is to be done, and when several processes do it at once: one does, the others wait. Raises
    `LiveStoreUnavailable`, and then nothing has changed.
    """
    parsed = live_url(url)
    locked = _sqlite if parsed.get_backend_name() == "sqlite" else _postgres
    try:
        with locked(parsed) as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise LiveStoreUnavailable(f"the live store has a schema that this code does not know: {error}") from error
    except (SQLAlchemyError, OSError) as error:
        raise LiveStoreUnavailable(reason_of(error, parsed)) from error


@contextmanager
def _postgres(url: URL) -> Iterator[Connection]:
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 5}, hide_parameters=True)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        yield connection


@contextmanager
def _sqlite(url: URL) -> Iterator[Connection]:
    """Under a lock on the folder: while a file turns to WAL, its own locks do not queue."""
    path = Path(str(url.database)).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    poll, _, write = sqlite_engines(url, "rwc", lock_seconds=60)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with poll.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        with write.begin() as connection:
            yield connection
    finally:
        poll.dispose()
        os.close(folder)
