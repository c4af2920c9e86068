"""Pure: candidates + policy + filters + clock -> ranked stories. No I/O, no clock of its own.

On the path of every lookup: few numpy calls over some hundred candidates, then plain Python over the few
that are picked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import UNDATED
from index.snapshot import FLAG_EVERGREEN, FLAG_WITHDRAWN
from service.policy import Policy

DAY = 86_400
POOL = 3  # stories weighed against each other for diversity, as a multiple of the list's length

Array = npt.NDArray[Any]
Relation = Literal["same_event", "other_event"]


class Candidates(NamedTuple):
    """Rows (k,) uint32, features (k, 3) float32 (relevance, dense, lexical), their attribute records (k,)."""

    rows: Array
    features: Array
    attributes: Array


class Source(NamedTuple):
    """The article whose list it is. `published_at` may be `UNDATED`; codes as in the snapshot."""

    row: int
    canonical: int
    event: int
    language: int
    published_at: int


class Filters(msgspec.Struct, frozen=True):
    """What a caller asks for, in codes of the snapshot; -1 is a name that no article has."""

    section: int | None = None
    language: int | None = None
    type: int | None = None
    published_after: int | None = None
    published_before: int | None = None
    excluded: frozenset[int] = frozenset()

    def narrow(self) -> bool:
        """Whether they could leave the candidate table short."""
        return any(
            value is not None
            for value in (self.section, self.language, self.type, self.published_after, self.published_before)
        )


class Ranked(NamedTuple):
    """One story of a list: its row, score = relevance x recency, and how it relates to the source."""

    row: int
    score: float
    relevance: float
    recency: float
    dense: float
    lexical: float
    relation: Relation


def rank(
    source: Source,
    candidates: Candidates,
    policy: Policy,
    filters: Filters,
    now: int,
    limit: int,
    vectors_of: Callable[[Array], Array],
) -> list[Ranked]:
    """At most `limit` stories in order of position. `vectors_of`: rows (k,) -> unit vectors (k, d).

    Never the source, a duplicate of it, or two stories of one event; ties by date, newest first, then ID.
    """
    if not len(candidates.rows):
        return []
    admitted = admissible(source, candidates, policy, filters, now)
    recencies = recency(candidates.attributes, source, policy, now)
    scores = candidates.features[:, 0] * recencies
    kept = admitted.nonzero()[0]
    # Rows are in order of date, then ID: the higher row is the newer story.
    order = kept[np.lexsort((-candidates.rows[kept].astype(np.int64), -scores[kept]))]
    pool = _best_of_each_event(order.tolist(), candidates.attributes["event"], limit, policy)
    scored = scores.tolist()
    picked = _diverse(pool, scored, candidates, policy, limit, vectors_of)
    events = candidates.attributes["event"]
    return [
        Ranked(
            int(candidates.rows[place]),
            scored[place],
            float(candidates.features[place, 0]),
            float(recencies[place]),
            float(candidates.features[place, 1]),
            float(candidates.features[place, 2]),
            "same_event" if int(events[place]) == source.event else "other_event",
        )
        for place in picked
    ]


def admissible(source: Source, candidates: Candidates, policy: Policy, filters: Filters, now: int) -> Array:
    """(k,) bool: which candidates may appear at all."""
    facts = candidates.attributes
    mask: Array = visible(facts, now) & (facts["canonical"] != source.canonical) & (candidates.rows != source.row)
    mask &= candidates.features[:, 0] >= policy.min_relevance
    mask &= wanted(facts, candidates.rows, filters)
    if policy.same_language and filters.language is None and source.language:
        mask &= (facts["language"] == source.language) | (facts["language"] == 0)
    if policy.same_event == "exclude":
        mask &= facts["event"] != source.event
    if policy.only_later:
        mask &= facts["published_at"] > min(source.published_at, now - int(policy.recent_days * DAY))
    if not policy.undated:
        mask &= facts["published_at"] != UNDATED
    return mask


def visible(facts: Array, now: int) -> Array:
    """(k,) bool: published, not embargoed, not withdrawn as of `now`."""
    return np.asarray((facts["visible_from"] <= now) & ((facts["flags"] & FLAG_WITHDRAWN) == 0))


def wanted(facts: Array, rows: Array, filters: Filters) -> Array | np.bool_:
    """(k,) bool (or one True): what the caller's filters admit."""
    mask: Array | np.bool_ = np.True_
    for name in ("section", "language", "type"):
        code = getattr(filters, name)
        if code is not None:
            mask = mask & (facts[name] == code)
    if filters.published_after is not None:
        mask = mask & (facts["published_at"] >= filters.published_after)
    if filters.published_before is not None:
        mask = mask & (facts["published_at"] < filters.published_before) & (facts["published_at"] != UNDATED)
    if filters.excluded:
        mask = mask & np.fromiter((row not in filters.excluded for row in rows.tolist()), bool, len(rows))
    return mask


def recency(facts: Array, source: Source, policy: Policy, now: int) -> Array:
    """(k,) factor between the policy's floor and 1; undated stories get the floor, evergreen ones 1."""
    published = facts["published_at"]
    moment = now if policy.age_from == "now" or source.published_at == UNDATED else source.published_at
    days = np.abs(moment - published) / DAY if policy.age_from == "source" else (moment - published) / DAY
    late = np.maximum(days - policy.recency_offset_days, 0.0)
    factor = policy.recency_floor + (1 - policy.recency_floor) * np.exp2(-late / policy.half_life_days)
    if policy.evergreen_exempt:
        factor[(facts["flags"] & FLAG_EVERGREEN) != 0] = 1.0
    return np.asarray(factor)


def _best_of_each_event(order: list[int], events: Array, limit: int, policy: Policy) -> list[int]:
    """Places in order of score, the first of each event, as many as the next step weighs."""
    most = limit * POOL if policy.diversity or policy.section_cap else limit
    seen: set[int] = set()
    pool = []
    for place in order:
        event = int(events[place])
        if event not in seen:
            seen.add(event)
            pool.append(place)
            if len(pool) == most:
                break
    return pool


def _diverse(
    pool: list[int],
    scores: list[float],
    candidates: Candidates,
    policy: Policy,
    limit: int,
    vectors_of: Callable[[Array], Array],
) -> list[int]:
    """Greedy: each next story has the highest score x (1 - diversity x cosine with the likest one chosen)."""
    if not (policy.diversity or policy.section_cap) or len(pool) < 2:
        return pool[:limit]
    likeness = _cosines(candidates.rows[pool], policy, vectors_of)
    sections = candidates.attributes["section"][pool].tolist()
    left = list(range(len(pool)))
    likest = [0.0] * len(pool)
    used: dict[int, int] = {}
    chosen: list[int] = []
    while left and len(chosen) < limit:
        best = max(left, key=lambda at: scores[pool[at]] * (1 - policy.diversity * likest[at]))
        left.remove(best)
        section = sections[best]
        if policy.section_cap and section and used.get(section, 0) >= policy.section_cap:
            continue
        used[section] = used.get(section, 0) + 1
        chosen.append(pool[best])
        for at in left:
            if likeness[best][at] > likest[at]:
                likest[at] = likeness[best][at]
    return chosen


def _cosines(rows: Array, policy: Policy, vectors_of: Callable[[Array], Array]) -> list[list[float]]:
    if not policy.diversity:
        return [[0.0] * len(rows)] * len(rows)
    vectors = vectors_of(rows)
    cosines: list[list[float]] = (vectors @ vectors.T).tolist()
    return cosines
