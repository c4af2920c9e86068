"""Measures a candidate table; the gate compares the figures with the live snapshot's.

Uses the table alone, without a policy or a clock, so that any change of a build shows here first.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from index.publishing.measures import ndcg, rank_biased_overlap
from index.relevance.links_file import Truth
from index.snapshot.attributes import NO_ROW
from index.snapshot.reader import Snapshot

LIST = 6  # stories of a usual list
CUT = 10
LEAST_RELEVANCE = 0.03  # the threshold of the policies that ship
SAMPLE = 2_000  # articles whose lists are compared with those of another table

Array = npt.NDArray[Any]


class Table(msgspec.Struct, frozen=True):
    """A candidate table and what is needed to read it.

    `ids` (n,) article IDs; `rows` (n, k) uint32 by falling relevance, padded with `NO_ROW`; `relevance` (n, k);
    `canonical` (n,) duplicate clusters; `published` (n,) bool: not withdrawn.
    """

    ids: list[str]
    rows: Array
    relevance: Array
    canonical: Array
    published: Array


class Quality(msgspec.Struct, frozen=True):
    """Shares, 0-1. `coverage`: published articles with a full list of related stories; `repeats`: pairs among an
    article and its ten best candidates that are copies; `ndcg`: nDCG@10 on editors' links, None without links.
    """

    coverage: float
    repeats: float
    ndcg: float | None = None


def table_of(snapshot: Snapshot, ids: list[str]) -> Table:
    """The table of a published snapshot; `ids` of its articles in row order."""
    rows, relevance = snapshot.candidate_table()
    facts = snapshot.attributes
    return Table(ids, rows, relevance, facts["canonical"], facts["visible_from"] < 2**62)


def quality(table: Table, truth: Truth | None = None) -> Quality:
    """What the table is worth; `truth`: source row -> linked row -> gain. An empty table is perfect."""
    if not table.published.any():
        return Quality(1.0, 0.0)
    related = (table.relevance >= LEAST_RELEVANCE) & (table.rows != NO_ROW)
    full = related.sum(axis=1) >= LIST
    gains = [ndcg(_gains(table, row, wanted), list(wanted.values())) for row, wanted in (truth or {}).items()]
    return Quality(
        coverage=float(full[table.published].mean()),
        repeats=_repeats(table),
        ndcg=float(np.mean(gains)) if gains else None,
    )


def overlap(table: Table, other: Table) -> float | None:
    """Mean rank-biased overlap of the ten best candidates of articles in both, evenly sampled; None without any."""
    places = {article_id: row for row, article_id in enumerate(other.ids)}
    common = [row for row, article_id in enumerate(table.ids) if article_id in places]
    if not common:
        return None
    sample = [common[at] for at in np.unique(np.linspace(0, len(common) - 1, SAMPLE).astype(int)).tolist()]
    pairs = ((_top(table, row), _top(other, places[table.ids[row]])) for row in sample)
    return float(np.mean([rank_biased_overlap(one, two) for one, two in pairs]))


def _top(table: Table, row: int) -> list[str]:
    return [table.ids[other] for other in table.rows[row, :CUT].tolist() if other != NO_ROW]


def _gains(table: Table, row: int, wanted: dict[int, float]) -> list[float]:
    return [wanted.get(other, 0.0) for other in table.rows[row, :CUT].tolist()]


def _repeats(table: Table) -> float:
    """Share of pairs of one duplicate cluster among each row and its ten best candidates."""
    known = table.rows[:, :CUT] != NO_ROW
    own = np.arange(len(table.rows), dtype=np.int64)[:, None]
    listed = np.hstack([own, np.where(known, table.rows[:, :CUT], 0).astype(np.int64)])
    valid = np.hstack([np.ones_like(own, bool), known])
    clusters = table.canonical[listed].astype(np.int64)
    pairs = repeated = 0
    for left in range(listed.shape[1]):
        for right in range(left + 1, listed.shape[1]):
            both = valid[:, left] & valid[:, right]
            pairs += int(both.sum())
            repeated += int((both & (clusters[:, left] == clusters[:, right])).sum())
    return repeated / pairs if pairs else 0.0
