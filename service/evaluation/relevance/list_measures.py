"""Owns the measures of lists as the service serves them, whatever anybody linked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import UNDATED
from index.publishing.measures import rank_biased_overlap
from index.snapshot.reader import Snapshot
from service.archive.view import Archive
from service.evaluation.relevance.corpus import FloatArray
from service.recommend.pipeline import related
from service.recommend.policy import shipped_policies
from service.recommend.query import Query

POLICY = "related"
LIMIT = 6
MOST_LISTS = 2_000
DAY = 86_400
AGES = ((7, "under a week"), (30, "1–4 weeks"), (91, "1–3 months"), (365, "3–12 months"),
        (3 * 365, "1–3 years"), (10 * 365, "3–10 years"), (np.inf, "older"))  # fmt: skip


class ServedList(NamedTuple):
    """A list under an article: its row, the rows in order of position, how many are no similar articles."""

    source: int
    rows: tuple[int, ...]
    fallback: int


class Churn(msgspec.Struct, frozen=True):
    """How alike the lists of two snapshots are: mean rank-biased overlap (1: the same) over common articles."""

    against: str
    articles: int
    overlap: float | None


class ListMeasures(msgspec.Struct, frozen=True):
    """Measures of served lists; shares are 0-1, None where there was nothing to measure.

    `duplicate_rate`, `same_event_rate`: share of pairs among source and stories that are copies, or of one
    event (copies among them). `diversity`: mean of 1 - dense cosine over a list's pairs. `coverage`: share of
    the catalogue that appears in any list; `gini`: inequality of appearances over the catalogue, 0 (all
    alike) to 1. `age_days`: quantiles of the stories' ages by the clock of the evaluation.
    """

    policy: str
    lists: int
    catalogue: int
    stories: int
    duplicate_rate: float | None
    same_event_rate: float | None
    diversity: float | None
    coverage: float
    gini: float
    fallback_share: float | None
    short_share: float | None
    age_days: dict[str, float]
    ages: tuple[tuple[str, float], ...]
    churn: Churn | None = None


def sampled_rows(snapshot: Snapshot, now: int, seed: int, most: int = MOST_LISTS) -> npt.NDArray[np.int64]:
    """Rows that readers may see as of `now`, ascending; a random `most` of them when there are more."""
    rows = snapshot.visible_rows(now)
    return rows if len(rows) <= most else np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def served(snapshot: Snapshot, row: int, now: int) -> ServedList:
    """The list that a reader would see under an article as of `now`."""
    answer = related(Archive(snapshot), row, Query(limit=LIMIT), shipped_policies()[POLICY], now)
    items = msgspec.json.decode(answer.body)["items"]
    rows = [snapshot.row_of_id(item["teaser"]["id"]) for item in items]
    return ServedList(
        row, tuple(row for row in rows if row is not None), sum(item["source"] != "similar" for item in items)
    )


def list_measures(snapshot: Snapshot, dense: FloatArray, lists: Sequence[ServedList], now: int) -> ListMeasures:
    """All measures of these lists of one snapshot; `dense` (rows, d) unit rows."""
    facts = snapshot.attributes
    catalogue = snapshot.visible_rows(now)
    shown = np.array([row for list_ in lists for row in list_.rows], np.int64)
    exposure = np.bincount(shown, minlength=snapshot.rows)[catalogue]
    ages = _ages(facts["published_at"][shown], now)
    return ListMeasures(
        policy=POLICY,
        lists=len(lists),
        catalogue=len(catalogue),
        stories=len(shown),
        duplicate_rate=_pair_rate(lists, facts["canonical"]),
        same_event_rate=_pair_rate(lists, facts["event"]),
        diversity=_mean([_diversity(dense[list(list_.rows)]) for list_ in lists if len(list_.rows) > 1]),
        coverage=float(np.mean(exposure > 0)) if len(catalogue) else 0.0,
        gini=gini(exposure),
        fallback_share=sum(list_.fallback for list_ in lists) / len(shown) if len(shown) else None,
        short_share=_mean([float(len(list_.rows) < LIMIT) for list_ in lists]),
        age_days={str(q): round(float(np.quantile(ages, q / 100)), 1) for q in (10, 50, 90)} if len(ages) else {},
        ages=_histogram(ages),
    )


def churn(snapshot: Snapshot, rows: Sequence[int], other: Snapshot, now: int) -> Churn:
    """Mean overlap of the lists of both snapshots, as of `now`, over those of `rows` that both hold and show."""
    ids = [_id(snapshot, row) for row in rows]
    shown = set(other.visible_rows(now).tolist())
    pairs = [
        (row, there)
        for row, list_ids in zip(rows, ids, strict=True)
        if (there := other.row_of_id(list_ids)) is not None and there in shown
    ]
    overlaps = [rank_biased_overlap(_ids(snapshot, row, now), _ids(other, there, now)) for row, there in pairs]
    return Churn(other.id, len(pairs), _mean(overlaps))


def gini(counts: npt.NDArray[np.integer]) -> float:
    """Gini coefficient of (n,) counts: 0 when all are equal (or all 0), (n - 1) / n when one has all.

    G = 2 sum(i x_i) / (n sum(x)) - (n + 1) / n with x ascending, i from 1.
    """
    n, total = len(counts), int(counts.sum())
    if not total:
        return 0.0
    return float(2 * (np.arange(1, n + 1) * np.sort(counts)).sum() / (n * total) - (n + 1) / n)


def _pair_rate(lists: Sequence[ServedList], groups: npt.NDArray[np.integer]) -> float | None:
    """Share of pairs among a list's source and stories, of all lists, that are of one group."""
    same = [
        float(groups[one] == groups[other])
        for list_ in lists
        for one, other in combinations((list_.source, *list_.rows), 2)
    ]
    return _mean(same)


def _diversity(dense: FloatArray) -> float:
    """Mean of 1 - cosine over the pairs of (k, d) unit rows, k > 1."""
    return float(1 - (dense @ dense.T)[np.triu_indices(len(dense), 1)].mean())


def _ages(published_at: npt.NDArray[np.int64], now: int) -> npt.NDArray[np.float64]:
    return np.asarray((now - published_at[published_at != UNDATED]) / DAY)


def _histogram(ages: npt.NDArray[np.float64]) -> tuple[tuple[str, float], ...]:
    """Label and share of the dated stories, youngest first."""
    places = np.searchsorted([days for days, _ in AGES], ages, side="right")
    shares = np.bincount(places, minlength=len(AGES)) / max(len(ages), 1)
    return tuple((label, float(share)) for (_, label), share in zip(AGES, shares, strict=True))


def _ids(snapshot: Snapshot, row: int, now: int) -> list[str]:
    return [_id(snapshot, other) for other in served(snapshot, row, now).rows]


def _id(snapshot: Snapshot, row: int) -> str:
    return str(msgspec.json.decode(snapshot.teaser(row))["id"])


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
