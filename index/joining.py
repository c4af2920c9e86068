"""Owns which duplicates, event and storyline a new article joins, by the models and cuts of `index.stories`.

As average linkage would have it, the clusters that are there being settled: the one to whose articles the mean
probability is highest, if that is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.article import UNDATED, Article
from index.duplicates import copy_probabilities
from index.events import EVENT_DAYS, near_in_time
from index.stories import COPY_CUT, LATER_DAYS, LATER_LEAST, StoryModel

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


def joined(
    row: int, article: Article, others: Others, article_at: Callable[[int], Article], model: StoryModel
) -> Clusters:
    """The clusters of the article of a new `row`: its own row where it joins none.

    `article_at`: the article at a place of `others`; asked for the few whose words are alike.
    """
    published_at = np.array(UNDATED if article.published_at is None else article.published_at, np.int64)
    suspects, copies = _copies(article, published_at, others, article_at, model)
    canonical = _nearest_cluster(others.clusters[suspects, 0], copies, COPY_CUT)
    if canonical is not None:
        return _clusters_of(others, 0, canonical)
    probable = model.events.probability(others.dense, others.lexical)
    soon = near_in_time(published_at, others.published_at, EVENT_DAYS)
    alone = others.clusters[:, 0] == others.rows  # each happening's copies count once
    event = _nearest_cluster(others.clusters[alone, 1], (probable * soon)[alone], model.events.event_cut)
    if event is not None:
        return row, *_clusters_of(others, 1, event)[1:]
    alone &= others.clusters[:, 1] == others.rows
    storyline = _nearest_cluster(others.clusters[alone, 2], probable[alone], model.events.storyline_cut)
    return row, row, row if storyline is None else storyline


def _copies(
    article: Article, published_at: Rows, others: Others, article_at: Callable[[int], Article], model: StoryModel
) -> tuple[Rows, Floats]:
    """Places of those whose words are most alike, and the probability that each is a copy of the article."""
    order = np.argsort(-others.lexical, kind="stable")[:MOST_SUSPECTS]
    suspects = order[others.lexical[order] >= model.copies.suspect]
    texts = [article, *(article_at(place) for place in suspects.tolist())]
    pairs = [(0, at) for at in range(1, len(texts))]
    probable = copy_probabilities(texts, pairs, others.lexical[suspects], model.copies)
    soon = near_in_time(published_at, others.published_at[suspects], LATER_DAYS)
    return suspects, np.where(~soon & (probable < LATER_LEAST), 0, probable)


def _nearest_cluster(labels: Rows, probable: Floats, cut: float) -> int | None:
    """The label of the highest mean probability, of equals the higher; None where that is under the cut."""
    names, places = np.unique(labels, return_inverse=True)
    if not len(names):
        return None
    means = np.bincount(places, probable) / np.bincount(places)
    best = len(means) - 1 - int(np.argmax(means[::-1]))
    return int(names[best]) if means[best] >= cut else None


def _clusters_of(others: Others, level: int, label: int) -> Clusters:
    canonical, event, storyline = others.clusters[others.clusters[:, level] == label][0].tolist()
    return canonical, event, storyline
