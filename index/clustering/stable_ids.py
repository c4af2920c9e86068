"""Keeps the IDs of events and storylines from snapshot to snapshot, though row numbers change."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt


def stable_ids(
    labels: npt.NDArray[np.integer], article_ids: Sequence[str], previous: Mapping[str, int]
) -> npt.NDArray[np.uint64]:
    """(n,) uint64: the ID of each row's cluster. `labels` (n,) say which rows belong together; rows by age.

    `previous`: article ID -> cluster ID in the last snapshot. A cluster inherits the ID that most of its
    articles had; where two clusters claim one (a split) the one with more such articles gets it, where one
    has several (a merger) the most frequent wins; ties go to the oldest article. A cluster that inherits
    nothing gets an ID made of its oldest article's, which no cluster has or had.
    """
    _, oldest, cluster_of = np.unique(labels, return_index=True, return_inverse=True)
    inherited = _inherited(cluster_of.tolist(), article_ids, previous)
    taken = set(previous.values())
    ids = np.zeros(len(oldest), np.uint64)
    for cluster in np.argsort(oldest).tolist():
        ids[cluster] = inherited[cluster] if cluster in inherited else _new_id(article_ids[oldest[cluster]], taken)
        taken.add(int(ids[cluster]))
    return ids[cluster_of]


def _inherited(clusters: Sequence[int], article_ids: Sequence[str], previous: Mapping[str, int]) -> dict[int, int]:
    """Cluster -> ID, one to one. `Counter` keeps the order of first sight, so of equal claims the oldest is first."""
    claims: Counter[tuple[int, int]] = Counter()
    for cluster, article_id in zip(clusters, article_ids, strict=True):
        if (known := previous.get(article_id)) is not None:
            claims[cluster, known] += 1
    inherited: dict[int, int] = {}
    given: set[int] = set()
    for (cluster, known), _ in claims.most_common():
        if cluster not in inherited and known not in given:
            inherited[cluster] = known
            given.add(known)
    return inherited


def _new_id(article_id: str, taken: set[int]) -> int:
    """A digest of the article ID; of a longer text where an older cluster, from which the article split, has it."""
    text = article_id
    while (new_id := _digest(text)) in taken:
        text += "\0"
    return new_id


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
