"""Ranks an article's candidates by a policy. Pure: no I/O, no clock of its own.

On the path of every lookup, so it walks down the candidates, best relevance first, in plain Python and stops
where no story can matter any more: a dozen stories on most articles, fewer steps than numpy needs to begin.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, Protocol

import msgspec

from index.article import UNDATED
from index.snapshot.attributes import FLAG_EVERGREEN, Facts
from index.snapshot.simhash import COSINES
from service.archive.candidates import Candidates
from service.recommend.policy import Policy

DAY = 86_400
POOL = 2  # stories weighed against each other for diversity, as a multiple of the list's length


class Archive(Protocol):
    """Where ranking looks rows up: a snapshot, or a test's few stories."""

    def fact(self, row: int) -> Facts:
        """What the archive knows of a row."""

    def sketch(self, row: int) -> int:
        """The 256 bits of a row that tell how alike two are: see `index.snapshot.simhash`."""


class Filters(msgspec.Struct, frozen=True):
    """What a caller asks for, in codes of the snapshot; -1 is a name that no article has."""

    section: int | None = None
    language: int | None = None
    type: int | None = None
    published_after: int | None = None
    published_before: int | None = None
    excluded_canonical: frozenset[int] = frozenset()  # a reader who has read a story has read its copies

    def narrow(self) -> bool:
        """Whether they could leave the candidate table short."""
        return any(
            value is not None
            for value in (self.section, self.language, self.type, self.published_after, self.published_before)
        )

    def admit(self, story: Facts) -> bool:
        """Whether a story is what the caller asks for."""
        published_at = story.published_at
        return (
            (self.section is None or story.section == self.section)
            and (self.language is None or story.language == self.language)
            and (self.type is None or story.type == self.type)
            and (self.published_after is None or published_at >= self.published_after)
            and (self.published_before is None or UNDATED != published_at < self.published_before)
            and story.canonical not in self.excluded_canonical
        )


NO_FILTERS = Filters()


class Codes(NamedTuple):
    """The names of a policy as codes of an archive. `weights`: by type; `max_weight`: the highest, at least 1.

    `brands`: those whose stories the source's brand shows; None for all.
    """

    weights: Mapping[int, float]
    max_weight: float
    sensitive_targets: frozenset[int]
    sensitive_sources: frozenset[int]
    brands: frozenset[int] | None = None


NO_CODES = Codes({}, 1.0, frozenset(), frozenset())
NO_MULTIPLIERS: Mapping[int, float] = {}


class RankingContext(msgspec.Struct, frozen=True, kw_only=True):
    """What one list is ranked for: the article it stands under, the policy, the caller's filters and the time.

    `codes`, `filters`: names of the policy and of the caller as codes of the archive. `now`: epoch seconds.
    `multipliers`: editors' boosts (over 1) and buries (under 1), by row.
    """

    source: Facts
    policy: Policy
    codes: Codes
    filters: Filters
    now: int
    limit: int
    multipliers: Mapping[int, float] = NO_MULTIPLIERS

    def section_cap(self) -> int:
        """The most stories of one section in the list; 0 for any number, as where the caller names the section."""
        return self.policy.section_cap if self.filters.section is None else 0

    def earliest(self) -> int:
        """The first second from which stories count as later than the source, or as recent."""
        recent_from = self.now - int(self.policy.recent_days * DAY)
        published_at = self.source.published_at
        return 1 + (recent_from if published_at == UNDATED else min(published_at, recent_from))

    def admits(self, story: Facts) -> bool:
        """Whether a story may appear in the list at all."""
        source, policy, codes, filters = self.source, self.policy, self.codes, self.filters
        return (
            story.visible_from <= self.now  # published, not embargoed; of a withdrawn article: never
            and story.canonical != source.canonical  # the source itself included: it shares its own
            and (filters is NO_FILTERS or filters.admit(story))
            and (
                story.language == source.language
                or not (policy.same_language and story.language and source.language)
                or filters.language is not None  # the caller names the language
            )
            and (policy.same_event == "label" or story.event != source.event)
            and (policy.undated or story.published_at != UNDATED)
            and (policy.only is None or self._within(story))
            and (codes is NO_CODES or story.section == source.section or not self._sensitive(story))
            and (codes.brands is None or story.brand in codes.brands)
        )

    def recency(self, story: Facts) -> float:
        """Between the policy's floor and 1; undated stories get the floor, evergreen ones 1."""
        policy, source = self.policy, self.source
        if policy.evergreen_exempt and story.flags & FLAG_EVERGREEN:
            return 1.0
        if story.published_at == UNDATED:
            return policy.recency_floor
        age = self.now - story.published_at
        if policy.age_from == "source" and source.published_at != UNDATED:
            age = abs(source.published_at - story.published_at)
        late = age - policy.recency_offset_days * DAY
        if late <= 0:
            return 1.0
        faded: float = 0.5 ** (late / (policy.half_life_days * DAY))
        return policy.recency_floor + (1 - policy.recency_floor) * faded

    def _within(self, story: Facts) -> bool:
        """Whether a story is of the part of the archive that the policy draws from."""
        if self.policy.only == "later":
            return story.published_at >= self.earliest()
        if self.policy.only == "older":
            return self.source.published_at == UNDATED or story.published_at < self.source.published_at
        return story.storyline == self.source.storyline

    def _sensitive(self, story: Facts) -> bool:
        return story.section in self.codes.sensitive_targets or self.source.section in self.codes.sensitive_sources


class Story(NamedTuple):
    """A story that may appear: score = relevance x recency x weight x signal; `candidate_index` among the candidates.

    Sorts by falling score, ties as the candidates came (newest first, then ID): `negative_score` comes first.
    """

    negative_score: float
    candidate_index: int
    row: int
    relevance: float
    recency: float
    weight: float
    signal: float
    facts: Facts

    @property
    def score(self) -> float:
        """The score."""
        return -self.negative_score


def rank(context: RankingContext, candidates: Candidates, archive: Archive) -> list[Story]:
    """At most `limit` stories in order of position: never the source, a duplicate of it, or two of one event."""
    policy, limit, cap = context.policy, context.limit, context.section_cap()
    pool = _pool(_best_of_each_event(context, candidates, archive, cap), limit, cap)
    if policy.diversity or cap:
        pool = _diverse(pool, archive, policy.diversity, cap, limit)
    chosen = pool[:limit]
    if policy.order != "score":
        chosen.sort(key=lambda story: story.facts.published_at, reverse=policy.order == "newest_first")
    return chosen


def within_cap(section: int, used: dict[int, int], cap: int) -> bool:
    """Count a story of a section in `used`; whether the cap admits it, as it always does without a section."""
    used[section] = used.get(section, 0) + 1
    return not section or used[section] <= cap


def _best_of_each_event(context: RankingContext, candidates: Candidates, archive: Archive, cap: int) -> list[Story]:
    """Admissible stories, the best of each event, in order, down to where no story can be chosen any more.

    Diversity takes at most its share of a score: below (1 - diversity) x the score of place `limit` no story
    can be chosen, and as a score is at most the relevance times the highest weight, the walk ends there. A
    section cap can pass over stories before it, so with one the walk goes on to the threshold.
    """
    best: dict[int, Story] = {}
    scores: list[float] = []  # of the stories in `best`, rising; of a story that is replaced, still the first
    weights, multipliers, limit = context.codes.weights, context.multipliers, context.limit
    min_relevance, diversity = context.policy.min_relevance, context.policy.diversity
    fact, admits, recency = archive.fact, context.admits, context.recency
    score_cutoff, max_weight = 0.0, context.codes.max_weight
    rows, relevances = candidates.rows.tolist(), candidates.features[:, 0].tolist()
    if multipliers:
        max_weight *= max([1.0, *(multipliers.get(row, 1.0) for row in rows)])
    for index, (row, relevance) in enumerate(zip(rows, relevances, strict=True)):
        if relevance < min_relevance or relevance * max_weight < score_cutoff:
            break
        facts = fact(row)
        if not admits(facts):
            continue
        factor = recency(facts)
        weight = weights.get(facts.type, 1.0) if weights else 1.0
        signal = multipliers.get(row, 1.0) if multipliers else 1.0
        score = relevance * factor * weight * signal
        if score < score_cutoff:
            continue
        known = best.get(facts.event)
        if known is None:
            insort(scores, score)
            if len(scores) >= limit and not cap:
                score_cutoff = scores[-limit] * (1 - diversity)
        elif score <= -known.negative_score:
            continue
        best[facts.event] = Story(-score, index, row, relevance, factor, weight, signal, facts)
    return sorted([story for story in best.values() if story.negative_score <= -score_cutoff])


def _pool(stories: list[Story], limit: int, cap: int) -> list[Story]:
    """The stories weighed against each other: the first `limit` x `POOL`, of a section at most `cap` x `POOL`.

    Of so many, the cap admits `limit` if it admits so many of all.
    """
    if not cap:
        return stories[: limit * POOL]
    pool: list[Story] = []
    used: dict[int, int] = {}
    for story in stories:
        if within_cap(story.facts.section, used, cap * POOL):
            pool.append(story)
            if len(pool) == limit * POOL:
                break
    return pool


def _diverse(pool: list[Story], archive: Archive, diversity: float, cap: int, limit: int) -> list[Story]:
    """Greedy: each next story has the highest score x (1 - diversity x likeness to the likest one chosen)."""
    weights = _diversity_weights(diversity)
    left = [(-story.negative_score, archive.sketch(story.row), story) for story in pool]
    weighed = [score for score, _, _ in left]  # falling as stories are chosen
    used: dict[int, int] = {}
    chosen: list[Story] = []
    while left:
        best = weighed.index(max(weighed))
        _, sketch, story = left.pop(best)
        del weighed[best]
        if cap and not within_cap(story.facts.section, used, cap):
            continue
        chosen.append(story)
        if len(chosen) == limit:
            break
        for index, (score, other, _) in enumerate(left):
            lower = score * weights[(sketch ^ other).bit_count()]
            if lower < weighed[index]:
                weighed[index] = lower
    return chosen


@lru_cache(maxsize=64)
def _diversity_weights(diversity: float) -> tuple[float, ...]:
    """What a score is multiplied by, by the number of bits in which two sketches differ."""
    return tuple(1 - diversity * cosine for cosine in COSINES)
