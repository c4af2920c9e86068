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
from index.snapshot import FLAG_EVERGREEN
from service.policy import Policy

DAY = 86_400
POOL = 2  # stories weighed against each other for diversity, as a multiple of the list's length

Array = npt.NDArray[Any]
Relation = Literal["same_event", "other_event"]


class Candidates(NamedTuple):
    """Rows (k,) uint32, features (k, 3) float32 (relevance, dense, lexical), their attribute records (k,).

    By falling relevance, of equals the newer first.
    """

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
    excluded: frozenset[int] = frozenset()  # rows
    excluded_canonical: frozenset[int] = frozenset()  # a reader who has read a story has read its copies

    def narrow(self) -> bool:
        """Whether they could leave the candidate table short."""
        return any(
            value is not None
            for value in (self.section, self.language, self.type, self.published_after, self.published_before)
        )


NO_FILTERS = Filters()


class Ranked(NamedTuple):
    """One story of a list: its row, score = relevance x recency, and how it relates to the source."""

    row: int
    published_at: int
    score: float
    recency: float
    relevance: float
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
    facts, features = candidates.attributes, candidates.features
    recencies = recency(facts, source, policy, now)
    scores = features[:, 0] * recencies
    scores[~admissible(source, candidates, policy, filters, now)] = -1.0
    # Candidates come by relevance, of equals the newer first: a stable sort keeps that among equal scores.
    order = (-scores).argsort(kind="stable").tolist()
    events, scored = facts["event"].tolist(), scores.tolist()
    pool = _best_of_each_event(order, scored, events, limit, policy)
    picked = _diverse(pool, scored, candidates, policy, limit, vectors_of)
    rows, published, factors = candidates.rows.tolist(), facts["published_at"].tolist(), recencies.tolist()
    numbers = (features[place].tolist() for place in picked)
    own = source.event
    return [
        Ranked(
            rows[place],
            published[place],
            scored[place],
            factors[place],
            relevance,
            dense,
            lexical,
            "same_event" if events[place] == own else "other_event",
        )
        for place, (relevance, dense, lexical) in zip(picked, numbers, strict=True)
    ]


def admissible(source: Source, candidates: Candidates, policy: Policy, filters: Filters, now: int) -> Array:
    """(k,) bool: which candidates may appear at all."""
    facts = candidates.attributes
    mask = visible(facts, now)
    mask &= facts["canonical"] != source.canonical  # the source itself included: it shares its own
    mask &= candidates.features[:, 0] >= policy.min_relevance
    if filters != NO_FILTERS:
        mask &= wanted(facts, filters)
    mask &= in_language(facts, source, policy, filters)
    if policy.same_event == "exclude":
        mask &= facts["event"] != source.event
    if policy.only_later:
        recent_from = now - int(policy.recent_days * DAY)
        later = recent_from if source.published_at == UNDATED else min(source.published_at, recent_from)
        mask &= facts["published_at"] > later
    if not policy.undated:
        mask &= facts["published_at"] != UNDATED
    return mask


def in_language(facts: Array, source: Source, policy: Policy, filters: Filters) -> Array | np.bool_:
    """(k,) bool (or one True): in the source's language or an unknown one, where the policy wants that."""
    if not policy.same_language or filters.language is not None or not source.language:
        return np.True_
    return np.asarray((facts["language"] == source.language) | (facts["language"] == 0))


def visible(facts: Array, now: int) -> Array:
    """(k,) bool: published, not embargoed, not withdrawn as of `now`."""
    return np.asarray(facts["visible_from"] <= now)  # of a withdrawn article: never


def wanted(facts: Array, filters: Filters) -> Array | np.bool_:
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
    if filters.excluded_canonical:
        mask = mask & ~np.isin(facts["canonical"], list(filters.excluded_canonical))
    return mask


def recency(facts: Array, source: Source, policy: Policy, now: int) -> Array:
    """(k,) factor between the policy's floor and 1; undated stories get the floor, evergreen ones 1."""
    published = facts["published_at"]
    moment = now if policy.age_from == "now" or source.published_at == UNDATED else source.published_at
    seconds = moment - published
    if policy.age_from == "source":
        seconds = np.abs(seconds)
    late = np.maximum(seconds - policy.recency_offset_days * DAY, 0.0)
    factor = np.exp2(late * (-1 / (policy.half_life_days * DAY)))
    factor *= 1 - policy.recency_floor
    factor += policy.recency_floor
    flags = facts["flags"]
    if policy.evergreen_exempt and flags.any():
        factor[(flags & FLAG_EVERGREEN) != 0] = 1.0
    return np.asarray(factor)


def _best_of_each_event(
    order: list[int], scores: list[float], events: list[int], limit: int, policy: Policy
) -> list[int]:
    """Places in order of score, the first of each event, as many as the next step weighs."""
    most = limit * POOL if policy.diversity or policy.section_cap else limit
    seen: set[int] = set()
    pool: list[int] = []
    for place in order:
        if scores[place] < 0 or len(pool) == most:
            break
        event = events[place]
        if event not in seen:
            seen.add(event)
            pool.append(place)
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
    pool = _within_reach(pool, scores, policy, limit)
    likeness = _cosines(candidates.rows.take(pool), policy, vectors_of)
    sections = candidates.attributes["section"].tolist()
    weighed = [scores[place] for place in pool]  # score x (1 - diversity x likest), falling as stories are chosen
    left = list(range(len(pool)))
    used: dict[int, int] = {}
    chosen: list[int] = []
    while left and len(chosen) < limit:
        best = max(left, key=weighed.__getitem__)
        left.remove(best)
        section = sections[pool[best]]
        if policy.section_cap and section and used.get(section, 0) >= policy.section_cap:
            continue
        used[section] = used.get(section, 0) + 1
        chosen.append(pool[best])
        row = likeness[best]
        for at in left:
            weight = scores[pool[at]] * (1 - policy.diversity * row[at])
            if weight < weighed[at]:
                weighed[at] = weight
    return chosen


def _within_reach(pool: list[int], scores: list[float], policy: Policy, limit: int) -> list[int]:
    """The pool without stories that cannot be chosen whatever their likeness; its order is falling score.

    A cosine takes at most the share `diversity` from a score: a story below (1 - diversity) x the score of
    place `limit` stays behind all before that place. A cap can pass over those, so it keeps the pool whole.
    """
    if policy.section_cap or len(pool) <= limit:
        return pool
    least = scores[pool[limit - 1]] * (1 - policy.diversity) - 1e-6  # float32 cosines may exceed 1 by a hair
    return [place for place in pool if scores[place] >= least]


def _cosines(rows: Array, policy: Policy, vectors_of: Callable[[Array], Array]) -> list[list[float]]:
    if not policy.diversity:
        return [[0.0] * len(rows)] * len(rows)
    vectors = vectors_of(rows)
    cosines: list[list[float]] = (vectors @ vectors.T).tolist()
    return cosines
