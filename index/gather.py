"""Owns reading the sources into one archive: one article an ID, in row order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from index.article import Article
from index.live_rows import LiveRows, with_live
from index.snapshot import LiveMark
from index.sources import Rejection, Withdrawal

Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """A progress listener that says nothing."""


class Gathered(msgspec.Struct):
    """What the sources gave.

    `superseded`: records that a later one replaced; `outdated`: records that lost to what was known; `not_found`:
    withdrawals of an ID that nobody knows. `whole`: records read, and the articles that the archive began with.
    """

    articles: list[Article]
    rejections: list[Rejection]
    superseded: int
    outdated: int
    not_found: int
    whole: int


def gather(
    base: Sequence[Article],
    records: Iterable[Article | Rejection],
    progress: Progress = silent,
    live: LiveRows | None = None,
    mark: LiveMark | None = None,
) -> Gathered:
    """One article an ID, sorted by date (undated first) and ID; rejections and replaced articles counted.

    Of two articles with one ID the one updated (else published) later wins, of equals the one read later; with `live`
    that of the base, which may be a correction that was published live. A withdrawal wins over whatever was known
    before, and keeps its text; only a newer version publishes the article again. An article whose ID another one
    declares as an alias has moved there. `live`, and `mark` of what of it the base holds: see `with_live`.
    """
    newest: dict[str, Article] = {article.id: article for article in base}
    found = Gathered([], [], 0, 0, 0, len(newest))
    found.whole += _read(records, newest, found, live is not None, progress)
    if live is not None:
        newest = with_live(newest, live, mark)
    for moved in _moved(newest):
        del newest[moved]
        found.superseded += 1
    far_past = -(2**62)
    found.articles = sorted(
        newest.values(), key=lambda a: (far_past if a.published_at is None else a.published_at, a.id)
    )
    return found


def _read(
    records: Iterable[Article | Rejection],
    newest: dict[str, Article],
    found: Gathered,
    base_wins_ties: bool,
    progress: Progress,
) -> int:
    """Bring `newest` up to date with the records, count in `found`; returns how many there were."""
    from_records: set[str] = set()
    read = 0
    for read, record in enumerate(records, 1):
        if read % 100 == 0:
            progress("read", read, 0)
        if isinstance(record, Withdrawal) and record.id not in newest:
            found.not_found += 1
        elif isinstance(record, Rejection) and not isinstance(record, Withdrawal):
            found.rejections.append(record)
        elif (
            winner := _winner(record, newest.get(record.id), base_wins_ties and record.id not in from_records)
        ) is None:
            found.outdated += 1
        else:
            found.superseded += record.id in from_records
            from_records.add(record.id)
            newest[record.id] = winner
    progress("read", read, read)
    return read


def _winner(record: Article | Withdrawal, known: Article | None, known_wins_ties: bool) -> Article | None:
    """What the archive holds after a record; None when that is what it knew. A bare withdrawal needs a known one."""
    if known is None:
        return record if isinstance(record, Article) else None
    if isinstance(record, Withdrawal) or record.status == "withdrawn":
        return msgspec.structs.replace(known, status="withdrawn")
    newer = _age_key(record) > _age_key(known)
    tied = _age_key(record) == _age_key(known) and known.status == "published"
    return record if newer or (tied and not known_wins_ties) else None


def _moved(articles: Mapping[str, Article]) -> set[str]:
    """IDs that are aliases of another article; of two that claim each other's, the older one's."""
    moved = set()
    for article in articles.values():
        for alias in article.aliases:
            other = articles.get(alias)
            if other is None or other is article:
                continue
            mutual = article.id in other.aliases
            if not mutual or (_age_key(article), article.id) > (_age_key(other), other.id):
                moved.add(alias)
    return moved


def _age_key(article: Article) -> tuple[bool, int]:
    moment = article.updated_at if article.updated_at is not None else article.published_at
    return (moment is not None, moment or 0)
