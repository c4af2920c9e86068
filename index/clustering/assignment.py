"""Finds the duplicates, event and storyline that a new article joins, by the models and cuts of
`index.clustering.stories`.

The rule is that of the rebuild's average linkage with the clusters that are there being settled: the article joins
the cluster of the highest mean probability, if that reaches the cut. The mean is over all published members that
stand for their cluster of the level below, the newest of each; a member that the article was not compared with counts
as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.article import UNDATED, Article
from index.clustering.events import EVENT_DAYS, NEGLIGIBLE, near_in_time
from index.clustering.near_duplicates import copy_probabilities
from index.clustering.stories import COPY_CUT, LATER_DAYS, LATER_LEAST, StoryModel

MOST_SUSPECTS = 16  # each is read and cut to shingles, 1 ms; of a series of weekly reports hundreds are suspect

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]

Clusters = tuple[int, int, int]  # the rows that stand for an article's duplicates, event and storyline


class Others(NamedTuple):
    """The articles that a new one may belong to, (k,) each, `clusters` (k, 3).

    `dense`, `lexical`: cosines with the new one, the dense ones above their background.
    """

    rows: Rows
    published_at: Rows
    clusters: Rows
    dense: Floats
    lexical: Floats


class Members(NamedTuple):
    """Every published article of the storylines that `Others` belong to: rows (m,), clusters (m, 3)."""

    rows: Rows
    clusters: Rows

    def standing(self, level: int) -> Members:
        """Those that stand for their cluster of a level: the newest, which has the highest row."""
        order = np.argsort(-self.rows, kind="stable")
        _, first = np.unique(self.clusters[order, level], return_index=True)
        return Members(self.rows[order[first]], self.clusters[order[first]])


def joined(
    row: int,
    article: Article,
    others: Others,
    members: Members,
    article_at: Callable[[int], Article],
    model: StoryModel,
) -> Clusters:
    """The clusters of the article of a new `row`: its own row where it joins none.

    `members`: include `others`. `article_at`: the article at a place of `others`; asked for the few whose words are
    alike.
    """
    published_at = np.array(UNDATED if article.published_at is None else article.published_at, np.int64)
    copies = _copies(article, published_at, others, article_at, model)
    canonical = _nearest_cluster(others, copies, members, 0, COPY_CUT)
    if canonical is not None:
        return _clusters_of(others, 0, canonical)
    probable = model.events.probability(others.dense, others.lexical)
    probable = np.where(probable >= NEGLIGIBLE, probable, 0)
    soon = near_in_time(published_at, others.published_at, EVENT_DAYS)
    members = members.standing(0)  # each happening's copies count once
    event = _nearest_cluster(others, probable * soon, members, 1, model.events.event_cut)
    if event is not None:
        return row, *_clusters_of(others, 1, event)[1:]
    storyline = _nearest_cluster(others, probable, members.standing(1), 2, model.events.storyline_cut)
    return row, row, row if storyline is None else storyline


def _copies(
    article: Article, published_at: Rows, others: Others, article_at: Callable[[int], Article], model: StoryModel
) -> Floats:
    """(k,) the probability that the article is a copy of each other one.

    Of the suspects only those whose words are most alike are read; the rest have the mean of their duplicates that
    were read.
    """
    probable = np.zeros(len(others.rows))
    suspects = np.flatnonzero(others.lexical >= model.copies.suspect)
    suspects = suspects[np.argsort(-others.lexical[suspects], kind="stable")]
    read = suspects[:MOST_SUSPECTS]
    texts = [article, *(article_at(place) for place in read.tolist())]
    pairs = [(0, at) for at in range(1, len(texts))]
    probable[read] = copy_probabilities(texts, pairs, others.lexical[read], model.copies)
    labels = others.clusters[:, 0]
    for place in suspects[MOST_SUSPECTS:].tolist():
        alike = read[labels[read] == labels[place]]
        probable[place] = probable[alike].mean() if len(alike) else 0
    soon = near_in_time(published_at, others.published_at, LATER_DAYS)
    return np.where(~soon & (probable < LATER_LEAST), 0, probable)


def _nearest_cluster(others: Others, probable: Floats, members: Members, level: int, cut: float) -> int | None:
    """The cluster of a level with the highest mean over its `members`, of equals the higher; None under the cut."""
    compared = np.isin(others.rows, members.rows)
    labels, places = np.unique(others.clusters[compared, level], return_inverse=True)
    if not len(labels):
        return None
    known, sizes = np.unique(members.clusters[:, level], return_counts=True)
    means = np.bincount(places, probable[compared]) / sizes[known.searchsorted(labels)]
    best = len(means) - 1 - int(np.argmax(means[::-1]))
    return int(labels[best]) if means[best] >= cut else None


def _clusters_of(others: Others, level: int, label: int) -> Clusters:
    canonical, event, storyline = others.clusters[others.clusters[:, level] == label][0].tolist()
    return canonical, event, storyline
