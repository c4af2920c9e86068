"""Owns connections to PostgreSQL that answer or fail within seconds, also when the server hangs. Imports psycopg."""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import URL, Engine, create_engine

T = TypeVar("T")

CONNECT_SECONDS = 2
POOL_SECONDS = 5
ANSWER_SECONDS = 7.0  # longer than the server lets a statement run: it does not answer at all
SESSION = (
    "-c statement_timeout=5000 -c lock_timeout=5000"
    " -c idle_in_transaction_session_timeout=10000"  # a frozen writer does not stop all others
)


class ImpatientConnection(psycopg.Connection[Any]):
    """One that is given up when the server is frozen, or behind a network that loses packets."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As psycopg's, with an end to it."""
        try:
            return super().wait(gen, interval, ANSWER_SECONDS if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()  # what may still come answers a question that nobody asks any more
            raise


def postgres_engines(url: URL) -> tuple[Engine, Engine, Engine]:
    """Engines on one pool for polling, reading and writing."""
    where = url.set(drivername="postgresql").render_as_string(hide_password=False)
    poll = create_engine(
        url,
        creator=lambda: ImpatientConnection.connect(where, connect_timeout=CONNECT_SECONDS, options=SESSION),
        isolation_level="AUTOCOMMIT",
        pool_pre_ping=True,
        pool_timeout=POOL_SECONDS,
        hide_parameters=True,
    )
    read = poll.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    write = poll.execution_options(isolation_level="READ COMMITTED")
    return poll, read, write
