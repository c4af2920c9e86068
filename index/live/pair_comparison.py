"""Scores one article against others in both directions, and selects the pairs to keep."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from index.live.query_features import Prepared
from index.relevance.model import Baseline, baseline_of
from index.relevance.pair_features import DEPTH, LEAST_WAY, OVERALL, RECENT, PairScorer, Rows

MOST_INTO = 2_000

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class Near(NamedTuple):
    """Places (k,) int64 in a part, with their hybrid cosines (k,)."""

    places: Rows
    cosines: FloatArray


class Part(Protocol):
    """Articles to compare with, the snapshot's or those that came since; every array has one row a place.

    `rows`, `published_at` (n,) int64; `clusters` (n, 3) int64: the rows that stand for the duplicates, the event and
    the storyline; `baselines` (n, 3): see `index.relevance.model.Baseline`.
    """

    @property
    def rows(self) -> Rows: ...
    @property
    def published_at(self) -> Rows: ...
    @property
    def clusters(self) -> Rows: ...
    @property
    def baselines(self) -> FloatArray: ...
    @property
    def scorer(self) -> PairScorer: ...
    def vector(self, place: int) -> FloatArray:
        """The hybrid unit row (d + c,) at a place."""

    def nearest(self, vector: FloatArray, allowed: Mask, k: int) -> Near:
        """At most k places among `allowed` (n,), nearest to a hybrid unit row first."""


class Met(NamedTuple):
    """The articles that a new one was compared with, (k,) each: of the part at hand, or of both.

    `features`, `back` (k, 5 or 6): pair features of the new one with each, and of each with the new one.
    """

    rows: Rows
    live: Mask
    published_at: Rows
    clusters: Rows
    baselines: FloatArray
    brief: Mask
    cosines: FloatArray
    features: FloatArray
    back: FloatArray

    @classmethod
    def of(cls, part: Part, near: Near, new: Prepared, row_in_links: int, live: bool) -> Met:
        """Those at some places of a part. `row_in_links`: the new article's row in the link graph, -1 for none."""
        places, scorer = near.places, part.scorer
        features, back = scorer.both_ways(new.probe, new.headline.toarray()[0], places, row_in_links)
        return cls(
            part.rows[places],
            np.full(len(places), live),
            part.published_at[places],
            part.clusters[places],
            part.baselines[places],
            scorer.brief_pairs(new.probe, places),
            near.cosines,
            features,
            back,
        )

    def and_those_of(self, other: Met) -> Met:
        """Both together."""
        both: list[tuple[Any, Any]] = list(zip(self, other, strict=True))
        return Met(*(np.concatenate(pair) for pair in both))

    def baseline(self) -> Baseline:
        """The new article's, from the nearest of them, as a rebuild takes it."""
        return baseline_of(self.features[np.argsort(-self.cosines, kind="stable")[:DEPTH]])

    def own(self, scored: FloatArray, canonical: int, recent_from: int) -> Rows:
        """Places of the new article's own candidates, best first; `scored` (k, 3) the pairs of it with each.

        Of the snapshot 50, and 50 more published since `recent_from`; of live articles 100. No duplicates.
        """
        order = np.lexsort((-self.rows, -scored[:, 0]))
        order = order[self.clusters[order, 0] != canonical]
        live = order[self.live[order]][: OVERALL + RECENT]
        built = order[~self.live[order]]
        recent = built[OVERALL:][self.published_at[built[OVERALL:]] >= recent_from][:RECENT]
        kept: Rows = order[np.isin(order, np.concatenate([built[:OVERALL], recent, live]))]
        return kept

    def into(self, scored: FloatArray, canonical: int) -> Rows:
        """Places of those whose lists the new article enters; `scored` (k, 3) the pairs of each with it."""
        enough = np.flatnonzero((scored[:, 0] >= LEAST_WAY) & (self.clusters[:, 0] != canonical))
        return enough[np.argsort(-scored[enough, 0], kind="stable")[:MOST_INTO]]
