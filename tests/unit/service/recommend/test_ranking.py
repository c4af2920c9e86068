"""Ranking by values: a handful of stories whose right order a reader can work out."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.article import UNDATED
from index.snapshot.attributes import FLAG_EVERGREEN, Facts
from index.snapshot.simhash import COSINES
from service.archive.candidates import Candidates
from service.recommend.policy import Policy, shipped_policies
from service.recommend.ranking import DAY, NO_CODES, Codes, Filters, RankingContext, Story, rank

NOW = 1_800_000_000
POLICIES = shipped_policies()
NOTHING = Facts(*[0] * len(Facts._fields))
SOURCE = NOTHING._replace(language=1, published_at=NOW - 100 * DAY)
PLAIN = Policy(
    name="plain",
    description="Relevance alone.",
    half_life_days=1,
    recency_offset_days=1e6,
    recency_floor=0.0,
    min_relevance=0.0,
)


def story(row: int, relevance: float, **facts: Any) -> tuple[int, float, dict[str, Any]]:
    """A candidate, a day old and of its own event unless said otherwise."""
    return row, relevance, {"published_at": NOW - DAY, "canonical": row, "event": row, "language": 1} | facts


class Few:
    """An archive of the stories of a test, nothing alike unless their sketches say so."""

    def __init__(self, stories: tuple[tuple[int, float, dict[str, Any]], ...], sketches: dict[int, int]) -> None:
        self._facts = {
            row: NOTHING._replace(**({"visible_from": facts["published_at"]} | facts)) for row, _, facts in stories
        }
        self._sketches = sketches

    def fact(self, row: int) -> Facts:
        return self._facts[row]

    def sketch(self, row: int) -> int:
        return self._sketches.get(row, int.from_bytes(np.random.default_rng(row).bytes(32), "little") | 1)


def candidates(*stories: tuple[int, float, dict[str, Any]]) -> Candidates:
    """As the candidate table gives them: by falling relevance, of equals the higher row first."""
    given = sorted(stories, key=lambda each: (-each[1], -each[0]))
    features = np.array([(relevance, 0.5, 0.25) for _, relevance, _ in given], np.float32).reshape(-1, 3)
    return Candidates(np.array([row for row, _, _ in given], np.uint32), features)


def ranked(*stories: tuple[int, float, dict[str, Any]], policy: Policy = PLAIN, **asked: Any) -> list[Story]:
    limit, sketches = asked.pop("limit", 10), asked.pop("sketches", {})
    source, codes = asked.pop("source", SOURCE), asked.pop("codes", NO_CODES)
    context = RankingContext(
        source=source, policy=policy, codes=codes, filters=Filters(**asked), now=NOW, limit=limit
    )
    return rank(context, candidates(*stories), Few(stories, sketches))


def recency(story: Facts, source: Facts, policy: Policy) -> float:
    context = RankingContext(source=source, policy=policy, codes=NO_CODES, filters=Filters(), now=NOW, limit=10)
    return context.recency(story)


def facts_of(told: tuple[int, float, dict[str, Any]]) -> Facts:
    return Few((told,), {}).fact(told[0])


def rows(found: list[Story]) -> list[int]:
    return [each.row for each in found]


def changed(policy: Policy, **numbers: Any) -> Policy:
    return Policy(**{name: getattr(policy, name) for name in policy.__struct_fields__} | numbers)


def test_the_score_is_relevance_times_recency() -> None:
    policy = changed(PLAIN, half_life_days=10, recency_offset_days=0, recency_floor=0.2)
    (found,) = ranked(story(7, 0.5, published_at=NOW - 20 * DAY), policy=policy)
    assert found.recency == pytest.approx(0.2 + 0.8 * 0.25)
    assert found.score == pytest.approx(0.5 * 0.4)
    assert (found.relevance, found.candidate_index) == (0.5, 0)


@pytest.mark.parametrize(
    ("age_days", "expected"), [(0, 1.0), (30, 1.0), (390, 0.75), (750, 0.625), (-5, 1.0), (100_000, 0.5)]
)
def test_the_related_policy_is_gentle_with_age(age_days: int, expected: float) -> None:
    found = facts_of(story(1, 0.5, published_at=NOW - age_days * DAY))
    assert recency(found, SOURCE, POLICIES["related"]) == pytest.approx(expected)


def test_undated_stories_get_the_floor_and_evergreen_ones_do_not_age() -> None:
    undated = facts_of(story(2, 0.9, published_at=UNDATED))
    evergreen = facts_of(story(1, 0.8, published_at=NOW - 9_999 * DAY, flags=FLAG_EVERGREEN))
    found = [recency(each, SOURCE, POLICIES["related"]) for each in (undated, evergreen)]
    assert found == [0.5, 1.0]


def test_age_can_count_from_the_source() -> None:
    policy = changed(PLAIN, age_from="source", half_life_days=10, recency_offset_days=0)
    found = facts_of(story(1, 0.9, published_at=SOURCE.published_at - 10 * DAY))
    assert recency(found, SOURCE, policy) == pytest.approx(0.5)


def test_the_source_and_its_duplicates_are_never_in_the_list() -> None:
    assert rows(ranked(story(0, 1.0), story(5, 0.99, canonical=0), story(6, 0.1))) == [6]


def test_embargoed_stories_wait_for_their_second() -> None:
    waiting = story(1, 0.9, visible_from=NOW + 1)
    assert rows(ranked(waiting, story(2, 0.8, visible_from=NOW))) == [2]


def test_of_two_stories_of_one_event_only_the_better_appears() -> None:
    assert rows(ranked(story(1, 0.9, event=1), story(2, 0.8, event=1), story(3, 0.7))) == [1, 3]


def test_the_sources_own_event_is_labelled_or_left_out_as_the_policy_says() -> None:
    same, other = story(1, 0.9, event=0), story(2, 0.8)
    assert [each.facts.event for each in ranked(same, other)] == [0, 2]
    assert rows(ranked(same, other, policy=changed(PLAIN, same_event="exclude"))) == [2]


def test_stories_below_the_least_relevance_are_dropped_and_those_on_it_stay() -> None:
    policy = changed(PLAIN, min_relevance=0.5)
    assert rows(ranked(story(1, 0.5), story(2, 0.4990234375), policy=policy)) == [1]


def test_equal_scores_are_ordered_by_date_newest_first() -> None:
    older, newer = story(3, 0.5, published_at=NOW - 2 * DAY), story(8, 0.5, published_at=NOW - DAY)
    assert rows(ranked(older, newer)) == [8, 3]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"section": 2}, [2]),
        ({"section": -1}, []),
        ({"type": 3}, [3]),
        ({"language": 4}, [4]),
        ({"published_after": NOW - DAY}, [1, 2, 3]),
        ({"published_before": NOW - DAY}, [5]),
    ],
)
def test_filters_admit_exactly_what_they_name(asked: dict[str, int], expected: list[int]) -> None:
    found = ranked(
        story(1, 0.9),
        story(2, 0.8, section=2),
        story(3, 0.7, type=3),
        story(4, 0.6, language=4, published_at=NOW - DAY - 1) if "language" in asked else story(40, 0.6, event=1),
        story(5, 0.5, published_at=NOW - DAY - 1),
        story(6, 0.4, published_at=UNDATED) if "published_before" in asked else story(60, 0.4, event=1),
        **asked,
    )
    assert rows(found) == expected


def test_a_story_in_another_language_appears_only_when_its_language_is_unknown_or_asked_for() -> None:
    polish, unknown = story(1, 0.9, language=2), story(2, 0.8, language=0)
    assert rows(ranked(polish, unknown)) == [2]
    assert rows(ranked(polish, unknown, language=2)) == [1]


def test_latest_has_newer_or_recent_stories_only_and_never_undated_ones() -> None:
    found = ranked(
        story(1, 0.9, published_at=SOURCE.published_at - 1),
        story(2, 0.8, published_at=SOURCE.published_at + 1),
        story(3, 0.7, published_at=UNDATED),
        policy=POLICIES["latest"],
    )
    assert rows(found) == [2]


def test_latest_of_an_article_of_today_may_show_stories_of_the_last_days() -> None:
    today = SOURCE._replace(published_at=NOW)
    found = ranked(
        story(1, 0.9, published_at=NOW - 2 * DAY),
        story(2, 0.9, published_at=NOW - 9 * DAY),
        policy=POLICIES["latest"],
        source=today,
    )
    assert rows(found) == [1]


def test_diversity_passes_over_a_story_like_one_already_chosen() -> None:
    policy = changed(PLAIN, diversity=0.5)

    alike = {1: 7, 2: 7}  # 2 says what 1 says
    stories = (story(1, 0.9), story(2, 0.8), story(3, 0.5), story(4, 0.3))
    assert rows(ranked(*stories, policy=policy, sketches=alike, limit=3)) == [1, 3, 2]
    assert rows(ranked(*stories, policy=policy, sketches=alike, limit=2)) == [1, 3]
    assert rows(ranked(*stories, limit=3)) == [1, 2, 3]


def test_diversity_chooses_what_weighing_every_story_would_choose() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        relevance = np.sort(rng.random(30).astype(np.float32))[::-1].tolist()
        given = [story(row + 1, relevance[row], published_at=NOW - int(rng.integers(60)) * DAY) for row in range(30)]
        sketches = {row: _some_bits(rng, int(rng.integers(4))) for row in range(1, 31)}
        policy = changed(PLAIN, diversity=0.3, half_life_days=30, recency_offset_days=0, recency_floor=0.2)
        found = ranked(*given, policy=policy, sketches=sketches, limit=5)
        scores = {row: r * recency(facts_of((row, r, f)), SOURCE, policy) for row, r, f in given}
        assert rows(found) == _every_story_weighed(scores, sketches, 0.3, 5)


def _some_bits(rng: np.random.Generator, family: int) -> int:
    """One of four families of sketches, far from one another, with 20 bits of its own."""
    bits = np.unpackbits(np.frombuffer(np.random.default_rng(family).bytes(32), np.uint8))
    bits[rng.choice(256, 20, replace=False)] ^= 1
    return int.from_bytes(np.packbits(bits).tobytes(), "little")


def _every_story_weighed(scores: dict[int, float], sketches: dict[int, int], share: float, limit: int) -> list[int]:
    """Maximal marginal relevance in the plainest words, over the best twice as many as the list holds."""
    left = sorted(scores, key=scores.__getitem__, reverse=True)[: 2 * limit]
    chosen = list[int]()
    while len(chosen) < limit:
        likest = {
            row: max((COSINES[(sketches[row] ^ sketches[one]).bit_count()] for one in chosen), default=0.0)
            for row in left
        }
        best = max(left, key=lambda row: scores[row] * (1 - share * likest[row]))
        left.remove(best)
        chosen.append(best)
    return chosen


def test_the_section_cap_leaves_room_for_other_sections() -> None:
    policy = changed(PLAIN, section_cap=1)
    found = ranked(story(1, 0.9, section=1), story(2, 0.8, section=1), story(3, 0.1, section=2), policy=policy)
    assert rows(found) == [1, 3]


def test_a_section_with_many_stories_before_the_others_does_not_starve_a_capped_list() -> None:
    """Twenty of one section, then three of others: the cap admits five."""
    stories = [story(row, 0.9 - row / 100, section=1) for row in range(1, 21)]
    stories += [story(row, 0.1, section=row) for row in (30, 31, 32)]
    assert rows(ranked(*stories, policy=changed(PLAIN, section_cap=2), limit=6)) == [1, 2, 32, 31, 30]


@given(
    runs=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 20)), max_size=8),  # a section, so often in a row
    cap=st.integers(1, 4),
    limit=st.integers(1, 12),
    diversity=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_a_capped_list_is_as_long_as_the_cap_admits(
    runs: list[tuple[int, int]], cap: int, limit: int, diversity: float
) -> None:
    sections = [section for section, length in runs for _ in range(length)]
    stories = [story(row, 0.9 - row / 200, section=section) for row, section in enumerate(sections, 1)]
    policy = changed(PLAIN, section_cap=cap, diversity=diversity)
    found = Counter(each.facts.section for each in ranked(*stories, policy=policy, limit=limit))
    counts = Counter(sections)
    admitted = sum(count if not section else min(cap, count) for section, count in counts.items())
    assert sum(found.values()) == min(limit, admitted)
    assert all(count <= cap for section, count in found.items() if section)


def test_a_caller_who_names_a_section_is_not_capped() -> None:
    stories = [story(row, 0.5, section=1) for row in range(1, 9)]
    assert len(ranked(*stories, policy=changed(PLAIN, section_cap=2), section=1, limit=6)) == 6


def test_an_article_without_candidates_has_an_empty_list() -> None:
    assert ranked() == []


def test_latest_of_an_undated_article_has_recent_stories_only() -> None:
    undated = SOURCE._replace(published_at=UNDATED)
    old, fresh = story(1, 0.9, published_at=NOW - 50 * DAY), story(2, 0.8, published_at=NOW - DAY)
    assert rows(ranked(old, fresh, policy=POLICIES["latest"], source=undated)) == [2]


def test_a_weight_by_type_multiplies_the_score_and_the_walk_waits_for_it() -> None:
    codes = Codes({5: 2.0}, 2.0, frozenset(), frozenset())
    found = ranked(story(1, 0.5), story(2, 0.4), story(3, 0.3, type=5), codes=codes, limit=1)
    assert [(each.row, each.weight) for each in found] == [(3, 2.0)]
    assert found[0].score == pytest.approx(0.6)


def test_background_has_only_older_stories_of_other_events() -> None:
    found = ranked(
        story(1, 0.9),
        story(2, 0.8, published_at=SOURCE.published_at - DAY, event=0),
        story(3, 0.7, published_at=SOURCE.published_at - 900 * DAY),
        policy=POLICIES["background"],
    )
    assert rows(found) == [3]


def test_a_timeline_is_the_storyline_in_order_one_story_an_event() -> None:
    found = ranked(
        story(1, 0.9, published_at=NOW - 9 * DAY, storyline=0),
        story(2, 0.8, published_at=NOW - 30 * DAY, storyline=0),
        story(3, 0.7, published_at=NOW - 30 * DAY, storyline=0, event=2),
        story(4, 0.6, storyline=4),
        story(5, 0.01, published_at=NOW - 20 * DAY, storyline=0),
        policy=POLICIES["timeline"],
    )
    assert rows(found) == [2, 5, 1]


def test_a_timeline_that_is_too_long_keeps_its_most_related_stories() -> None:
    days = {1: 3, 2: 9, 3: 6}
    stories = [story(row, 0.9 - row / 10, published_at=NOW - ago * DAY, storyline=0) for row, ago in days.items()]
    assert rows(ranked(*stories, policy=POLICIES["timeline"], limit=2)) == [2, 1]


def test_sensitive_sections_keep_to_themselves_as_source_and_as_target() -> None:
    codes = Codes({}, 1.0, frozenset({7}), frozenset({8}))
    stories = (story(1, 0.9, section=7), story(2, 0.8, section=8), story(3, 0.7, section=1))
    by_section = {
        section: rows(ranked(*stories, codes=codes, source=SOURCE._replace(section=section))) for section in (1, 7, 8)
    }
    assert by_section == {1: [2, 3], 7: [1, 2, 3], 8: [2]}
