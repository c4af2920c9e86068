"""Merges the sources into one archive: one article an ID, in row order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import Article
from index.ingest.article_log import NO_AGE, Spool, age
from index.ingest.id_clashes import alias_clash_reason, clash
from index.ingest.live_changes import LiveRows, bring_live
from index.snapshot.article_store import Records, write_records
from index.snapshot.manifest import LiveMark
from index.sources import Rejection, Unpublished, Withdrawal

ALWAYS_NEWER = 2**63  # than any date
Progress = Callable[[str, int, int], None]
RENAMED_EXAMPLES = 5


def silent(stage: str, done: int, total: int) -> None:
    """A progress listener that says nothing."""


class Gathered(msgspec.Struct, frozen=True):
    """What the sources gave, in row order: the articles on disk; of each its ID, when it was published (epoch
    seconds or `UNDATED`), and whether it is withdrawn.

    `superseded`: records that a later one replaced; `outdated`: records that lost to what was known; `not_found`:
    IDs that are withdrawn and that nobody knows; `no_longer_public`: articles withdrawn because a record says that
    readers are not to see them. `renamed`: records whose ID an earlier record of the run has with another headline,
    as where two sources number alike; `renamed_examples` names the first of them. `whole`: records read, and the
    articles that the archive began with.
    """

    articles: Records
    ids: list[str]
    published_at: npt.NDArray[np.int64]
    withdrawn: npt.NDArray[np.bool_]
    rejections: list[Rejection]
    superseded: int
    outdated: int
    not_found: int
    no_longer_public: int
    renamed: int
    renamed_examples: tuple[str, ...]
    whole: int


class _Tally(msgspec.Struct):
    rejections: list[Rejection] = []
    superseded: int = 0
    outdated: int = 0
    not_found: int = 0
    no_longer_public: int = 0
    renamed: int = 0
    renamed_examples: list[str] = []

    def note_renamed(self, known: Article, record: Article | Rejection) -> None:
        """Count a record with another headline than the article that an earlier record gave its ID."""
        if not isinstance(record, Article) or record.headline == known.headline:
            return
        self.renamed += 1
        if len(self.renamed_examples) < RENAMED_EXAMPLES:
            headlines = f"{known.headline[:80]!r} and {record.headline[:80]!r}"
            self.renamed_examples.append(f"id {record.id[:200]!r}: {headlines}")


def gather(
    folder: Path,
    base: Sequence[Article],
    records: Iterable[Article | Rejection],
    progress: Progress = silent,
    live: LiveRows | None = None,
    mark: LiveMark | None = None,
) -> Gathered:
    """One article an ID, sorted by date (undated first) and ID; rejections and replaced articles counted.

    `folder`: where to leave the articles, as a snapshot has them (`index.snapshot.article_store`).
    Of two articles with one ID the one updated (else published) later wins, of equals the one read later; with `live`
    that of the base, which may be a correction that was published live. A withdrawal wins over whatever was known
    before, and keeps its text; only a newer version, of a date after that of the withdrawal if it has one, publishes
    the article again. Where no article was known, a bare withdrawal holds for all that are read after it. A draft, or
    another record that is not public, withdraws the article of its ID unless that is newer; an article read later and
    no older is published.
    An article whose ID another one declares as an alias has moved there. The addresses that an article had in other
    versions stay among its aliases, unless another article has them by now. A record whose ID is that of another
    site's article is rejected, and such an alias is left out (`index.ingest.id_clashes`). `live`, and `mark` of what
    of it the base holds: see `bring_live`.
    """
    spool, tally = Spool(folder / "spool"), _Tally()
    try:
        for article in base:
            spool.add(article)
        hidden: dict[str, int] = {}
        read = _read(records, spool, tally, live is not None, hidden, progress)
        if live is not None:
            tally.rejections += bring_live(spool, live, mark)
            tally.no_longer_public += sum(_hides(spool, article_id, hidden[article_id]) for article_id in hidden)
        tally.rejections += _refuse_taken_aliases(spool)
        tally.superseded += _drop_moved(spool)
        spool.release_addresses()
        ids = spool.in_order()
        columns = (write_records(folder, spool.lines(ids)), ids, spool.published_at(ids), spool.withdrawn(ids))
    finally:
        spool.close()
    counted = (tally.superseded, tally.outdated, tally.not_found, tally.no_longer_public)
    renamed = (tally.renamed, tuple(tally.renamed_examples))
    return Gathered(*columns, tally.rejections, *counted, *renamed, whole=len(base) + read)


def _read(
    records: Iterable[Article | Rejection],
    spool: Spool,
    tally: _Tally,
    base_wins_ties: bool,
    hidden: dict[str, int],
    progress: Progress,
) -> int:
    """Bring the spool up to date with the records, and count; returns how many there were.

    `hidden`: filled with the IDs of records that are not public, and when those were updated, else `NO_AGE`.
    """
    first, withdrawn, read = spool.count, set[str](), 0
    withdrawn_until: dict[str, int] = {}  # versions up to that age stay withdrawn

    def from_records(article_id: str) -> bool:
        return article_id in withdrawn or spool.places.get(article_id, -1) >= first

    for read, record in enumerate(records, 1):
        if read % 100 == 0:
            progress("read", read, 0)
        if rejection := _clash(record, spool, from_records):
            tally.rejections.append(rejection)
        elif isinstance(record, Unpublished):
            tally.no_longer_public += _hide(record, spool, hidden)
        elif isinstance(record, Withdrawal) and record.id not in spool.places:
            withdrawn.add(record.id)
            withdrawn_until[record.id] = ALWAYS_NEWER
            hidden.pop(record.id, None)
        elif isinstance(record, Rejection) and not isinstance(record, Withdrawal):
            tally.rejections.append(record)
        else:
            again = from_records(record.id)
            if spool.places.get(record.id, -1) >= first:
                tally.note_renamed(spool.article(record.id), record)
            taken = _taken(record, spool, base_wins_ties and not again, hidden)
            tally.superseded += taken and again
            tally.outdated += not taken
            if taken and isinstance(record, Article):
                _withdraw_again(record, spool, withdrawn_until)
            if taken and spool.is_withdrawn(record.id):
                withdrawn.add(record.id)
    tally.not_found += sum(article_id not in spool.places for article_id in withdrawn_until)
    progress("read", read, read)
    return read


def _withdraw_again(record: Article, spool: Spool, withdrawn_until: dict[str, int]) -> None:
    """Withdraw a version that an earlier withdrawal of the sources covers; note the age of a withdrawal."""
    until = withdrawn_until.get(record.id)
    if record.status == "withdrawn":
        withdrawn_until[record.id] = age(record) if until is None else max(until, age(record))
    elif until is not None and age(record) <= until:
        spool.withdraw(record.id)


def _hide(record: Unpublished, spool: Spool, hidden: dict[str, int]) -> bool:
    """Note that a record is not public, unless its article is newer; whether that withdrew the article."""
    updated_at = NO_AGE if record.updated_at is None else record.updated_at
    if record.id not in spool.places:
        hidden[record.id] = max(hidden.get(record.id, NO_AGE), updated_at)
        return False
    if not _hides(spool, record.id, updated_at):
        return False
    hidden[record.id] = updated_at
    return True


def _hides(spool: Spool, article_id: str, updated_at: int) -> bool:
    """Withdraw an article that is there, published, and not newer than that; whether it was."""
    if article_id not in spool.places or spool.is_withdrawn(article_id):
        return False
    if updated_at != NO_AGE and spool.age_of(article_id) > updated_at:
        return False
    spool.withdraw(article_id)
    return True


def _taken(record: Article | Withdrawal, spool: Spool, known_wins_ties: bool, hidden: dict[str, int]) -> bool:
    """Whether the record changes what is known, and if so make it known. A bare withdrawal needs a known article."""
    if isinstance(record, Withdrawal) or record.status == "withdrawn":
        hidden.pop(record.id, None)  # from now on only a newer version publishes it
        if record.id in spool.places:
            spool.withdraw(record.id)
            return True
    elif NO_AGE < age(record) < hidden.get(record.id, NO_AGE):
        return False
    elif record.id in spool.places:
        known = spool.age_of(record.id)
        open_to_ties = record.id in hidden or not spool.is_withdrawn(record.id)
        tied = age(record) == known and open_to_ties
        if not (age(record) > known or (tied and not known_wins_ties)):
            spool.keep_addresses(record.id, record)
            return False
    assert isinstance(record, Article)  # noqa: S101 - for mypy; who calls has counted other withdrawals
    hidden.pop(record.id, None)
    spool.add(record)
    return True


def _clash(record: Article | Rejection, spool: Spool, from_records: Callable[[str], bool]) -> Rejection | None:
    """The rejection of a record whose ID is that of another site's article; an article of the base may have moved."""
    if not isinstance(record, Article | Withdrawal) or record.id not in spool.places:
        return None
    return clash(spool.article(record.id), record, may_have_moved=not from_records(record.id))


def _refuse_taken_aliases(spool: Spool) -> list[Rejection]:
    """Leave out the aliases that are IDs of another site's or brand's articles; returns a rejection of each."""
    rejections = []
    for article_id, aliases in list(spool.aliases()):
        former_ids = [alias for alias in aliases if alias != article_id and alias in spool.places]
        if not former_ids:
            continue
        article = spool.with_former_addresses(article_id)
        reasons = {
            alias: reason
            for alias in former_ids
            if (reason := alias_clash_reason(alias, spool.with_former_addresses(alias), article))
        }
        rejections += [Rejection(article.url or article.headline, 0, reason) for reason in reasons.values()]
        if reasons:
            spool.remove_aliases(article_id, reasons)
    return rejections


def _drop_moved(spool: Spool) -> int:
    """Drop the articles that have moved to another ID, whose addresses lead there; returns how many."""
    moved = _moved(spool)
    for former_id, article_id in moved.items():
        spool.keep_addresses(article_id, spool.article(former_id))
    for former_id in moved:
        spool.drop(former_id)
    return len(moved)


def _moved(spool: Spool) -> dict[str, str]:
    """IDs that are aliases of another article, and its ID; of two that claim each other's, the older one's."""
    moved = {}
    for article_id, aliases in spool.aliases():
        for alias in aliases:
            if alias == article_id or alias not in spool.places:
                continue
            mutual = article_id in spool.aliases_of(alias)
            if not mutual or (spool.age_of(article_id), article_id) > (spool.age_of(alias), alias):
                moved[alias] = article_id
    return moved
