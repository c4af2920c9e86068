"""Owns copying a whole live store into another database: for backups, and from SQLite to PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select, text

from service.live_store.database import Database
from service.live_store.migrate import migrate
from service.live_store.reads import mark
from service.live_store.schema import audit, metadata

ROWS_AT_ONCE = 1_000


class NotEmpty(Exception):
    """The live store that was to be filled is in use."""

    def __init__(self) -> None:
        super().__init__("the live store to copy into holds changes already; name one that is new")


def copy_live_store(source: str, target: str) -> None:
    """Fill the live store at `target`, made if need be, with all that one at `source` holds as of one moment.

    It goes on as the same installation. Writers to the source are not held up. Raises `NotEmpty`,
    `LiveStoreUnavailable`, `OutdatedLiveStore`; then nothing was copied.
    """
    migrate(target)
    there, here = Database(source), Database(target)
    try:
        with there.read() as reading, here.write() as writing:
            if mark(writing)[1]:
                raise NotEmpty
            for table in metadata.sorted_tables:
                writing.execute(delete(table))
                for rows in reading.execute(select(table)).mappings().partitions(ROWS_AT_ONCE):
                    writing.execute(insert(table), [dict(row) for row in rows])
            _go_on_counting(writing)
    finally:
        there.close()
        here.close()


def _go_on_counting(connection: Connection) -> None:
    """PostgreSQL numbers the audit by a sequence, which takes no notice of rows that bring their number."""
    last = connection.execute(select(func.max(audit.c.number))).scalar()
    if last is not None and connection.dialect.name == "postgresql":
        connection.execute(text("SELECT setval(pg_get_serial_sequence('audit', 'number'), :last)"), {"last": last})
