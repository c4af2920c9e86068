"""Owns connections to a SQLite file: write-ahead log, durable commits, one writer at a time and none that starves."""

from __future__ import annotations

import random
import sqlite3
import time
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError


def sqlite_engines(url: URL, mode: str, lock_seconds: float) -> tuple[Engine, Engine, Engine]:
    """Engines on one pool for polling, reading and writing; with mode "rw" they do not make the file, "rwc" they do.

    One SELECT sees one moment without a transaction; the engine for polling has no event hooks: they double its cost.
    """
    target = url.set(database=f"file:{quote(str(url.database))}", query={"mode": mode, "uri": "true"})
    waiting = {"timeout": lock_seconds}
    poll = create_engine(target, connect_args=waiting, pool_timeout=lock_seconds, hide_parameters=True)
    event.listen(poll, "connect", _prepare)
    read, write = poll.execution_options(), poll.execution_options()
    event.listen(read, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    event.listen(write, "begin", lambda connection: _begin_writing(connection, lock_seconds))
    return poll, read, write


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy begins transactions, as its documentation on SQLite advises
    connection.execute("PRAGMA synchronous = FULL")  # a change that was reported survives a power cut
    connection.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten in the file


def _begin_writing(connection: Connection, lock_seconds: float) -> None:
    """Take the write lock, asking every millisecond.

    SQLite itself asks at intervals of up to 100 ms: among four busy writers the last one waited for 3.6 s, so 0.2 s.
    """
    give_up = time.monotonic() + lock_seconds
    connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    try:
        while not _is_taken(connection, give_up):
            time.sleep(random.uniform(0.0005, 0.0015))  # noqa: S311  no secret: two that wait must not keep step
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(lock_seconds * 1000)}")


def _is_taken(connection: Connection, give_up: float) -> bool:
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except OperationalError as error:
        busy = isinstance(error.orig, sqlite3.Error) and error.orig.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
        if not busy or time.monotonic() > give_up:
            raise
        return False
    return True
