"""The sentence that an editor reads."""

from __future__ import annotations

import pytest

from index.snapshot.attributes import Facts
from service.recommend.explanation import _reason, _telling
from service.recommend.ranking import Story

STORY = Story(-0.34, 0, 3, 0.34, 1.0, 1.0, 1.0, Facts(*[0] * 10))


@pytest.mark.parametrize(
    ("story", "cluster", "near", "words", "told"),
    [
        (STORY, None, False, ["Brackholm"], "34% likely to be linked by an editor; both speak of Brackholm."),
        (
            STORY,
            "storyline",
            False,
            ["Brackholm", "ferry", "river", "council", "pier"],
            "34% likely to be linked by an editor; the same storyline; "
            "both speak of Brackholm, ferry, river and council.",
        ),
        (
            STORY._replace(relevance=0.004),
            "event",
            True,
            [],
            "Less than 1% likely to be linked by an editor; the same event; alike in meaning rather than in words; "
            "published within days of each other.",
        ),
        (
            STORY._replace(recency=0.714, weight=1.6),
            None,
            False,
            ["ferry"],
            "34% likely to be linked by an editor; both speak of ferry. Its age takes 29% off the score. "
            "Being of type explainer, it counts 1.6 times.",
        ),
    ],
)
def test_the_reason_says_what_the_score_is_made_of(
    story: Story, cluster: str | None, near: bool, words: list[str], told: str
) -> None:
    assert _reason(story, cluster, near, words, "explainer") == told


def test_stop_words_explain_nothing_but_a_name_that_is_spelt_like_one_does() -> None:
    shared = ["ferry", "while", "is", "shut", "Stan", "UN", "un", "und", "został", "war"]
    assert _telling(shared) == (["Stan", "UN"], ["ferry", "shut", "war"])
