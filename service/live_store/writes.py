"""Owns the changes of the live store, each within a transaction that is the only one to write.

What is already as it should be is left alone and takes no sequence number: writes can be sent twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, and_, delete, insert, select, update

from index.article import Article, article_version
from index.snapshot.key_table import id_digest
from service.live_store.changes import (
    ABSENT,
    NO_SIGNALS_VERSION,
    Signal,
    SignalChange,
    Written,
    signals_version,
    summary_of,
)
from service.live_store.errors import ArticleErased, VersionConflict
from service.live_store.reads import erasure_of, signals_of
from service.live_store.schema import articles, audit, comparisons, erased, installation, replays, signals

_Row = Row[*tuple[Any, ...]]


def put(
    connection: Connection, article: Article, *, by: str, at: int, expected: str | None, snapshot_version: str | None
) -> Written:
    """Publish an article, or withdraw it with its text: as its status says."""
    _refuse_erased(connection, article.id)
    row, version = _row_of(connection, article.id), article_version(article)
    known = snapshot_version is not None or _version_of(row) is not None
    if row is not None and row.version == version:
        return Written(row.sequence, version, created=False, changed=False, known=True)
    _check_version(article.id, expected, _version_of(row) or snapshot_version)
    sequence = _next_sequence(connection)
    content = {"summary": msgspec.json.encode(summary_of(article)), "record": msgspec.json.encode(article)}
    _save_state(connection, row, article.id, sequence, article.status, at, {"version": version, **content})
    action = "publish" if article.status == "published" else "withdraw"
    _audit(connection, at, by, action, article.id, detail=version)
    return Written(sequence, version, created=not known, changed=True, known=known)


def withdraw(
    connection: Connection,
    article_id: str,
    *,
    by: str,
    at: int,
    note: str,
    expected: str | None,
    snapshot_version: str | None,
) -> Written:
    """Withdraw an article, also one that the store knows nothing of: it may be on its way."""
    gone = erasure_of(connection, article_id)
    if gone is not None:
        return Written(gone.sequence, None, created=False, changed=False, known=True)
    row = _row_of(connection, article_id)
    known = _version_of(row) is not None
    if row is not None and row.state == "withdrawn":
        return Written(row.sequence, row.version, created=False, changed=False, known=known)
    _check_version(article_id, expected, _version_of(row) or snapshot_version)
    sequence = _next_sequence(connection)
    content = _withdrawn_content(connection, article_id)
    _save_state(connection, row, article_id, sequence, "withdrawn", at, content)
    _audit(connection, at, by, "withdraw", article_id, note)
    return Written(sequence, content["version"], created=False, changed=True, known=known)


def set_signals(
    connection: Connection,
    article_id: str,
    given: Sequence[Signal],
    *,
    by: str,
    at: int,
    expected: str | None,
    former: Sequence[str],
) -> Written:
    """Replace the signals of an article, and those under its `former` names."""
    for identifier in (article_id, *(signal.target for signal in given if signal.target is not None)):
        _refuse_erased(connection, identifier)
    held = signals_of(connection, article_id, former)
    before = held.signals if held else ()
    content = msgspec.json.encode(tuple(given))
    version = signals_version(content)
    if held is not None and held.version == version:
        return Written(held.sequence, version, created=False, changed=False, known=True)
    if before or expected not in (ABSENT, NO_SIGNALS_VERSION):
        _check_version(article_id, expected, None if held is None else held.version)
    for name in former:
        if (moved := signals_of(connection, name)) is not None and moved.signals:
            _save_signals(connection, name, _next_sequence(connection), b"[]")
    sequence = _next_sequence(connection)
    _save_signals(connection, article_id, sequence, content)
    added, removed = (_less(a, b) for a, b in ((given, before), (before, given)))
    change = msgspec.json.encode(SignalChange(added, removed)).decode()
    _audit(connection, at, by, "signals", article_id, detail=change)
    return Written(sequence, version, created=held is None, changed=True, known=held is not None)


def erase(connection: Connection, article_id: str, *, by: str, at: int) -> Written:
    """Remove an article's text, its ID, signals on it and comparisons of it; the digest of the ID stays."""
    gone = erasure_of(connection, article_id)
    if gone is not None:
        return Written(gone.sequence, None, created=False, changed=False, known=True)
    digest = id_digest(article_id).hex()
    known = connection.execute(delete(articles).where(articles.c.id == article_id)).rowcount > 0
    connection.execute(delete(comparisons).where(comparisons.c.article_id == article_id))
    connection.execute(delete(signals).where(signals.c.article_id == article_id))
    _drop_signals_about(connection, article_id)
    _clear_audit(connection, article_id, digest)
    sequence = _next_sequence(connection)
    connection.execute(insert(erased).values(digest=digest, sequence=sequence, changed_at=at))
    _audit(connection, at, by, "erase", digest)
    return Written(sequence, None, created=False, changed=True, known=known)


def save_comparison(
    connection: Connection, article_id: str, article_sequence: int, snapshot_id: str, content: bytes
) -> bool:
    """Keep a comparison, unless the article has changed since, is no longer published, or has one by now.

    Several search processes compare in the same order: the first one's pairs are those that belong together.
    """
    row = _row_of(connection, article_id)
    if row is None or row.state != "published" or row.sequence != article_sequence:
        return False
    key = {"article_id": article_id, "snapshot_id": snapshot_id}
    same = and_(
        *(comparisons.c[name] == value for name, value in {**key, "article_sequence": article_sequence}.items())
    )
    if connection.execute(select(comparisons.c.sequence).where(same)).first() is not None:
        return False
    values = {"number": row.number, "article_sequence": article_sequence, "content": content}
    _save(connection, comparisons, key, {**values, "sequence": _next_sequence(connection)})
    return True


def drop_comparisons(connection: Connection, keep: Collection[str]) -> int:
    """Remove the comparisons against all snapshots but these; returns how many."""
    return connection.execute(delete(comparisons).where(comparisons.c.snapshot_id.not_in(keep))).rowcount


def truncate(connection: Connection, up_to: int) -> int:
    """Remove published articles last changed at `up_to` or before, with their comparisons; returns how many."""
    old = (articles.c.state == "published") & (articles.c.sequence <= up_to)
    connection.execute(delete(comparisons).where(comparisons.c.article_id.in_(select(articles.c.id).where(old))))
    return connection.execute(delete(articles).where(old)).rowcount


def remember(connection: Connection, signature: str, now: int, keep_seconds: int) -> bool:
    """Keep a signature for `keep_seconds`, and those that were kept long enough no more; False when it is kept."""
    connection.execute(delete(replays).where(replays.c.expires_at <= now))
    if connection.execute(select(replays.c.signature).where(replays.c.signature == signature)).first() is not None:
        return False
    connection.execute(insert(replays).values(signature=signature, expires_at=now + keep_seconds))
    return True


def _next_sequence(connection: Connection) -> int:
    drawn = update(installation).values(sequence=installation.c.sequence + 1).returning(installation.c.sequence)
    return int(connection.execute(drawn).scalar_one())


def _row_of(connection: Connection, article_id: str) -> _Row | None:
    columns = (articles.c.number, articles.c.sequence, articles.c.state, articles.c.version)
    return connection.execute(select(*columns).where(articles.c.id == article_id)).one_or_none()


def _version_of(row: _Row | None) -> str | None:
    return None if row is None else row.version


def _save(connection: Connection, table: Table, key: Mapping[str, str], values: Mapping[str, Any]) -> None:
    where = [table.c[name] == value for name, value in key.items()]
    if connection.execute(update(table).where(*where).values(**values)).rowcount == 0:
        connection.execute(insert(table).values(**key, **values))


def _save_state(
    connection: Connection,
    row: _Row | None,
    article_id: str,
    sequence: int,
    state: str,
    at: int,
    content: Mapping[str, Any],
) -> None:
    """`row`: what there was; the number of an article is given once."""
    number = sequence if row is None else row.number
    values = {"number": number, "sequence": sequence, "state": state, "changed_at": at, **content}
    _save(connection, articles, {"id": article_id}, values)


def _withdrawn_content(connection: Connection, article_id: str) -> dict[str, Any]:
    """The text of an article as it is when withdrawn: sent again as published, it is another version."""
    record = connection.execute(select(articles.c.record).where(articles.c.id == article_id)).scalar()
    if record is None:
        return {"version": None, "summary": None, "record": None}
    article = msgspec.structs.replace(msgspec.json.decode(record, type=Article), status="withdrawn")
    summary, content = summary_of(article), msgspec.json.encode(article)
    return {"version": summary.version, "summary": msgspec.json.encode(summary), "record": content}


def _save_signals(connection: Connection, article_id: str, sequence: int, content: bytes) -> None:
    values = {"sequence": sequence, "version": signals_version(content), "signals": content}
    _save(connection, signals, {"article_id": article_id}, values)


def _drop_signals_about(connection: Connection, article_id: str) -> None:
    """Take the entries that name an article out of the sets of others."""
    for row in connection.execute(select(signals.c.article_id, signals.c.signals)).all():
        content = _without_target(row.signals, article_id)
        if content != row.signals:
            _save_signals(connection, row.article_id, _next_sequence(connection), content)


def _clear_audit(connection: Connection, article_id: str, digest: str) -> None:
    """Leave of an article's audit who did what, when; and of that of others nothing that names it."""
    own = update(audit).where(audit.c.article_id == article_id)
    connection.execute(own.values(article_id=digest, note="", detail=""))
    for row in connection.execute(select(audit.c.number, audit.c.detail).where(audit.c.action == "signals")).all():
        if row.detail:
            change = msgspec.json.decode(row.detail, type=SignalChange)
            kept = SignalChange(_but(change.added, article_id), _but(change.removed, article_id))
            detail = msgspec.json.encode(kept).decode()
            connection.execute(update(audit).where(audit.c.number == row.number).values(detail=detail))


def _without_target(content: bytes, article_id: str) -> bytes:
    return msgspec.json.encode(_but(msgspec.json.decode(content, type=tuple[Signal, ...]), article_id))


def _but(given: Sequence[Signal], article_id: str) -> tuple[Signal, ...]:
    """The signals that name another target, or none."""
    return tuple(signal for signal in given if signal.target != article_id)


def _less(given: Sequence[Signal], others: Sequence[Signal]) -> tuple[Signal, ...]:
    """The signals without one for each equal one of the others."""
    return tuple((Counter(given) - Counter(others)).elements())


def _check_version(article_id: str, expected: str | None, current: str | None) -> None:
    """`expected`: a version, "*" for any, `ABSENT`, None for no condition. Raises `VersionConflict`."""
    if expected is None or (expected == ABSENT and current is None):
        return
    if current is None or expected not in ("*", current):
        raise VersionConflict(article_id, current)


def _refuse_erased(connection: Connection, article_id: str) -> None:
    if erasure_of(connection, article_id) is not None:
        raise ArticleErased(article_id)


def _audit(
    connection: Connection, at: int, by: str, action: str, article_id: str, note: str = "", detail: str = ""
) -> None:
    note = note.replace("\0", " ")  # PostgreSQL takes no such character
    connection.execute(
        insert(audit).values(at=at, by=by, action=action, article_id=article_id, note=note, detail=detail)
    )
