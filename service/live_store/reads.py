"""Owns the questions to the live store, each on a connection that sees one moment in all tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, Table, and_, bindparam, exists, func, select, text

from index.article import Article
from index.ingest.live_changes import LiveRows
from index.snapshot.key_table import id_digest
from service.live_store.changes import (
    AuditEntry,
    Changes,
    Compared,
    LiveArticle,
    Signal,
    SignalChange,
    SignalSet,
    Summary,
    signals_version,
)
from service.live_store.schema import articles, audit, comparisons, erased, installation, signals

_summary = msgspec.json.Decoder(Summary)
_record = msgspec.json.Decoder(Article)
_change = msgspec.json.Decoder(SignalChange)
_signals = msgspec.json.Decoder(tuple[Signal, ...])

_MARK = select(installation.c.id, installation.c.sequence)

_SIZES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT pg_database_size(current_database())",
}

# Followers read these, and never a body.
ARTICLE_COLUMNS = [articles.c[name] for name in ("id", "number", "sequence", "state", "changed_at", "summary")]


def mark(connection: Connection) -> tuple[str, int]:
    """The installation, and the sequence of the last change."""
    row = connection.execute(_MARK).one()
    return row.id, row.sequence


def changes(connection: Connection, after: int, snapshot_id: str | None, most: int) -> Changes:
    """The first `most` rows, of all tables together, by sequence; every row has a sequence of its own."""
    name, sequence = mark(connection)
    asked = {"after": after, "most": most + 1}
    rows: list[LiveArticle | SignalSet | Compared] = [
        *map(_live_article, connection.execute(_ARTICLES_AFTER, asked)),
        *map(_erased_article, connection.execute(_ERASED_AFTER, asked)),
        *map(_signal_set, connection.execute(_SIGNALS_AFTER, asked)),
    ]
    if snapshot_id is not None:
        compared = connection.execute(_COMPARISONS_AFTER, asked | {"snapshot_id": snapshot_id})
        rows += [Compared(**row._mapping) for row in compared]
    rows.sort(key=lambda row: row.sequence)
    if len(rows) > most:
        rows = rows[:most]
        sequence = rows[-1].sequence
    return Changes(
        installation=name,
        sequence=sequence,
        articles=tuple(row for row in rows if isinstance(row, LiveArticle)),
        signals=tuple(row for row in rows if isinstance(row, SignalSet)),
        comparisons=tuple(row for row in rows if isinstance(row, Compared)),
    )


def article(connection: Connection, article_id: str) -> Article | None:
    """The stored article; None when unknown, erased, or withdrawn without ever having been sent."""
    record = connection.execute(select(articles.c.record).where(articles.c.id == article_id)).scalar()
    return None if record is None else _record.decode(record)


def state_of(connection: Connection, article_id: str) -> LiveArticle | None:
    """The last state of an article; None when the live store knows nothing of it."""
    row = connection.execute(select(*ARTICLE_COLUMNS).where(articles.c.id == article_id)).one_or_none()
    return _live_article(row) if row is not None else erasure_of(connection, article_id)


def erasure_of(connection: Connection, article_id: str) -> LiveArticle | None:
    """That an article was erased; None when it was not."""
    digest = id_digest(article_id).hex()
    row = connection.execute(select(erased).where(erased.c.digest == digest)).one_or_none()
    return None if row is None else _erased_article(row)


def signals_of(connection: Connection, article_id: str, former: Sequence[str] = ()) -> SignalSet | None:
    """The signals of an article, with those under its `former` names; None when it never had any."""
    names = (article_id, *former)
    rows = connection.execute(select(signals).where(signals.c.article_id.in_(names))).all()
    sets = sorted(map(_signal_set, rows), key=lambda given: names.index(given.article_id))
    if not sets:
        return None
    together = tuple(signal for given in sets for signal in given.signals)
    version = signals_version(msgspec.json.encode(together))
    return SignalSet(article_id, max(given.sequence for given in sets), together, version)


def audit_of(connection: Connection, article_id: str, most: int, former: Sequence[str] = ()) -> list[AuditEntry]:
    """What was done to an article, also under `former` names, newest first; of an erased one who did what, when."""
    names = (article_id, id_digest(article_id).hex(), *former)
    query = select(audit).where(audit.c.article_id.in_(names)).order_by(audit.c.number.desc()).limit(most)
    return [_audit_entry(row) for row in connection.execute(query)]


def records(connection: Connection, after: int) -> list[tuple[LiveArticle, Article]]:
    """Published articles that changed after a sequence number, by rising sequence."""
    query = (
        select(*ARTICLE_COLUMNS, articles.c.record)
        .where(articles.c.sequence > after, articles.c.state == "published")
        .order_by(articles.c.sequence)
    )
    return [(_live_article(row), _record.decode(row.record)) for row in connection.execute(query)]


def all_rows(connection: Connection) -> LiveRows:
    """Everything that a rebuild takes in."""
    name, sequence = mark(connection)
    withdrawn = select(articles.c.id).where(articles.c.state == "withdrawn").order_by(articles.c.sequence)
    return LiveRows(
        installation=name,
        sequence=sequence,
        published=[(state.sequence, article) for state, article in records(connection, 0)],
        withdrawn=list(connection.execute(withdrawn).scalars()),
        erased=frozenset(connection.execute(select(erased.c.digest)).scalars()),
    )


def counts(connection: Connection) -> dict[str, int]:
    """How much of everything there is, and the sequence of the last change.

    `waiting`: published articles that no comparison has as they now are. `bytes`: of a PostgreSQL database, whole.
    """
    compared = exists().where(
        comparisons.c.article_id == articles.c.id, comparisons.c.article_sequence == articles.c.sequence
    )
    conditions = {
        "published": articles.c.state == "published",
        "withdrawn": articles.c.state == "withdrawn",
        "waiting": and_(articles.c.state == "published", ~compared),
    }
    queries = {name: select(func.count()).select_from(articles).where(where) for name, where in conditions.items()}
    queries |= {
        table.name: select(func.count()).select_from(table) for table in (erased, signals, comparisons, audit)
    }
    counted = {name: int(connection.execute(query).scalar_one()) for name, query in queries.items()}
    size = int(connection.execute(text(_SIZES[connection.dialect.name])).scalar_one())
    return {"sequence": mark(connection)[1], **counted, "bytes": size}


def _after(columns: Select[Any], table: Table) -> Select[Any]:
    sequence = table.c.sequence
    return columns.where(sequence > bindparam("after")).order_by(sequence).limit(bindparam("most"))


# Made once: each worker asks them with every change, and making them costs more than asking.
_ARTICLES_AFTER = _after(select(*ARTICLE_COLUMNS), articles)
_ERASED_AFTER = _after(select(erased), erased)
_SIGNALS_AFTER = _after(select(signals), signals)
_COMPARISONS_AFTER = _after(
    select(comparisons).where(comparisons.c.snapshot_id == bindparam("snapshot_id")), comparisons
)


def _live_article(row: Row[*tuple[Any, ...]]) -> LiveArticle:
    return LiveArticle(
        id=row.id,
        number=row.number,
        sequence=row.sequence,
        state=row.state,
        changed_at=row.changed_at,
        summary=None if row.summary is None else _summary.decode(row.summary),
    )


def _erased_article(row: Row[*tuple[Any, ...]]) -> LiveArticle:
    return LiveArticle("", 0, row.sequence, "erased", row.changed_at, None, id_digest=row.digest)


def _audit_entry(row: Row[*tuple[Any, ...]]) -> AuditEntry:
    entry = AuditEntry(row.at, row.by, row.action, row.article_id, row.note)
    if row.action != "signals":
        return msgspec.structs.replace(entry, version=row.detail)
    return msgspec.structs.replace(entry, change=_change.decode(row.detail) if row.detail else None)


def _signal_set(row: Row[*tuple[Any, ...]]) -> SignalSet:
    return SignalSet(row.article_id, row.sequence, _signals.decode(row.signals), row.version)
