"""Checks a new snapshot before readers see it: the publish gate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from index.publishing.quality import CUT, Quality, Table
from index.snapshot.attributes import NEVER, NO_ROW
from index.snapshot.reader import Snapshot
from index.snapshot.writer import Contents
from index.storage.arrays import parts

MOST_REJECTED = 0.05
FEW_REJECTED = 2  # allowed where it is more than the share above: one bad record of five costs no more than itself
MOST_SHRINKAGE = 0.20
MOST_WITHDRAWN = 10  # at once, where it is more than the share above: a small archive may lose one of its four
LEAST_RECALL = 0.90
MOST_REPEATS = 0.02  # of pairs among an article and its ten best candidates; digital.gov and the sample have none
MOST_COVERAGE_LOST = 0.10
LEAST_OVERLAP = 0.50  # rank-biased; another model keeps about this much, a usual build more than .9
MOST_NDCG_LOST = 0.02

Array = npt.NDArray[Any]


class Refusal(msgspec.Struct, frozen=True):
    """Why a snapshot is refused; `final` ones cannot be overruled with --force."""

    reason: str
    final: bool = False


def reading_refusals(articles: int, whole: int, rejected: int, previous_articles: int | None) -> list[Refusal]:
    """What speaks against publishing as soon as the sources are read, before any text is embedded.

    `whole`: records read from the sources, of which `rejected` were no articles, and articles built onto.
    """
    if articles == 0:
        return [Refusal("there is no article to publish", final=True)]
    reasons: list[Refusal] = []
    few = min(FEW_REJECTED, whole // 2)
    if rejected > max(MOST_REJECTED * whole, few):
        limit = f"{MOST_REJECTED:.0%}" if MOST_REJECTED * whole >= few else few
        reasons.append(Refusal(f"{rejected} of {whole} records were rejected (limit {limit})"))
    if previous_articles and articles < (1 - MOST_SHRINKAGE) * previous_articles:
        reasons.append(
            Refusal(
                f"the archive shrinks from {previous_articles} to {articles} articles (limit {MOST_SHRINKAGE:.0%})"
            )
        )
    return reasons


def refusals(contents: Contents) -> list[Refusal]:
    """What speaks against publishing in what was computed: vectors, candidates, recall."""
    n = len(contents.articles)
    reasons: list[Refusal] = []
    if not all(_are_unit(contents.vectors[part]) for part in parts(n)):
        reasons.append(Refusal("some vectors are not finite unit vectors", final=True))
    if any(_names_wrong_rows(contents.neighbour_rows[part], part.start, n) for part in parts(n)):
        reasons.append(Refusal("the candidate table names an unknown row or the row itself", final=True))
    recall = contents.models.get("recall_at_10", 1.0)
    if recall < LEAST_RECALL:
        reasons.append(Refusal(f"the vector index finds {recall:.3f} of the true neighbours (least {LEAST_RECALL})"))
    recall = contents.models.get("candidate_recall_at_10", 1.0)
    if recall < LEAST_RECALL:
        reasons.append(Refusal(f"the candidates hold {recall:.3f} of the true neighbours (least {LEAST_RECALL})"))
    return reasons


def _are_unit(vectors: Array) -> bool:
    rows = np.asarray(vectors, np.float32)
    return bool(np.isfinite(rows).all() and np.allclose(np.linalg.norm(rows, axis=1), 1, atol=2e-3))


def _names_wrong_rows(table: Array, start: int, n: int) -> bool:
    own = np.arange(start, start + len(table))[:, None]
    return bool((((table >= n) & (table != NO_ROW)) | (table == own)).any())


def still_shown(live: Table, new: Table) -> Table:
    """The live table, as far as the gate reads it, without what readers no longer see in the new one, which no build
    is to blame for.
    """
    shown = {article_id for article_id, seen in zip(new.ids, new.published, strict=True) if seen}
    kept = np.array([article_id in shown for article_id in live.ids], bool)
    if (kept | ~live.published).all():
        return live
    blocks = [_without(live.rows[part], live.relevance[part], kept) for part in parts(len(live.ids))]
    rows, relevance = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return Table(live.ids, rows, relevance, live.canonical, live.published & kept)


def _without(rows: Array, relevance: Array, kept: Array) -> tuple[Array, Array]:
    """The best `CUT` of each row that are `kept`, padded."""
    gone = (rows == NO_ROW) | ~kept[np.where(rows == NO_ROW, 0, rows)]
    order = np.argsort(gone, axis=1, kind="stable")[:, :CUT]
    left = np.take_along_axis(np.where(gone, NO_ROW, rows), order, axis=1)
    return left, np.take_along_axis(relevance, order, axis=1)


def mass_withdrawal(live: Snapshot, withdrawn: Iterable[str]) -> list[Refusal]:
    """Whether so many articles of the live snapshot are withdrawn at once that it looks like a mistake.

    `withdrawn`: the IDs of the articles that the new one holds as withdrawn.
    """
    shown = live.attributes["visible_from"] < NEVER
    published = int(shown.sum())
    gone = sum(bool(shown[row]) for row in map(live.own_row, withdrawn) if row is not None)
    if gone <= max(MOST_WITHDRAWN, MOST_SHRINKAGE * published):
        return []
    return [Refusal(f"{gone} of {published} published articles are withdrawn at once (limit {MOST_SHRINKAGE:.0%})")]


def regressions(new: Quality, live: Quality, overlap: float | None) -> list[Refusal]:
    """What got worse than a build may make it, against the live snapshot. `overlap`: of their lists, if any."""
    reasons = []
    if new.repeats > max(MOST_REPEATS, live.repeats):
        reasons.append(f"{new.repeats:.1%} of the pairs in lists are copies (limit {MOST_REPEATS:.0%})")
    if new.coverage < live.coverage - MOST_COVERAGE_LOST:
        reasons.append(
            f"only {new.coverage:.0%} of the articles have a full list, {live.coverage:.0%} have one in the live "
            f"snapshot (limit: {MOST_COVERAGE_LOST:.0%} fewer)"
        )
    if overlap is not None and overlap < LEAST_OVERLAP:
        reasons.append(f"lists change too much: overlap with the live ones is {overlap:.2f} (least {LEAST_OVERLAP})")
    if new.ndcg is not None and live.ndcg is not None and new.ndcg < live.ndcg - MOST_NDCG_LOST:
        reasons.append(
            f"nDCG@10 on editors' links falls from {live.ndcg:.3f} to {new.ndcg:.3f} (limit: {MOST_NDCG_LOST} less)"
        )
    return [Refusal(reason) for reason in reasons]
