"""Owns reading the sources into one archive: one article an ID, in row order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from index.article import Article
from index.live_rows import LiveRows, with_live
from index.snapshot import LiveMark
from index.sources import Rejection

Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """A progress listener that says nothing."""


class Gathered(msgspec.Struct):
    """What the sources gave."""

    articles: list[Article]
    rejections: list[Rejection]
    superseded: int
    read: int


def gather(
    base: Sequence[Article],
    records: Iterable[Article | Rejection],
    progress: Progress = silent,
    live: LiveRows | None = None,
    mark: LiveMark | None = None,
) -> Gathered:
    """One article an ID, sorted by date (undated first) and ID; rejections and replaced articles counted.

    Of two articles with one ID the one updated (else published) later wins, of equals the one read later. An article
    whose ID another one declares as an alias has moved there. `live`, and `mark` of what of it the base holds: see
    `with_live`.
    """
    newest: dict[str, Article] = {article.id: article for article in base}
    found = Gathered([], [], 0, 0)
    from_records: set[str] = set()
    for record in records:
        found.read += 1
        if found.read % 100 == 0:
            progress("read", found.read, 0)
        if isinstance(record, Rejection):
            found.rejections.append(record)
            continue
        known = newest.get(record.id)
        found.superseded += record.id in from_records
        from_records.add(record.id)
        if known is None or _age_key(record) >= _age_key(known):
            newest[record.id] = record
    progress("read", found.read, found.read)
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


def _moved(articles: Mapping[str, Article]) -> set[str]:
    """IDs that are aliases of another article; of two that claim each other's, the older one's."""
    moved = set()
    for article in articles.values():
        for alias in article.aliases:
            other = articles.get(alias)
            if other is None or other is article or article.status == "withdrawn":
                continue
            mutual = article.id in other.aliases
            if not mutual or (_age_key(article), article.id) > (_age_key(other), other.id):
                moved.add(alias)
    return moved


def _age_key(article: Article) -> tuple[bool, int]:
    moment = article.updated_at if article.updated_at is not None else article.published_at
    return (moment is not None, moment or 0)
