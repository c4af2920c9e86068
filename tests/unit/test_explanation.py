"""The sentence that an editor reads."""

from __future__ import annotations

import pytest

from service.explanation import _reason
from service.ranking import Ranked

STORY = Ranked(3, 0, 0.2, 1.0, 1.0, 0.34, 0.5, 0.25, "other_event")


@pytest.mark.parametrize(
    ("story", "same_storyline", "near", "words", "told"),
    [
        (STORY, False, False, ["Brackholm"], "34% likely to be linked by an editor; both speak of Brackholm."),
        (
            STORY,
            True,
            False,
            ["Brackholm", "ferry", "river", "council", "pier"],
            "34% likely to be linked by an editor; the same storyline; "
            "both speak of Brackholm, ferry, river and council.",
        ),
        (
            STORY._replace(relation="same_event", relevance=0.004),
            True,
            True,
            [],
            "Less than 1% likely to be linked by an editor; the same event; alike in meaning rather than in words; "
            "published within days of each other.",
        ),
        (
            STORY._replace(recency=0.714, weight=1.6),
            False,
            False,
            ["ferry"],
            "34% likely to be linked by an editor; both speak of ferry. Its age lowers the score to 71%. "
            "Being of type explainer, it counts 1.6 times.",
        ),
    ],
)
def test_the_reason_says_what_the_score_is_made_of(
    story: Ranked, same_storyline: bool, near: bool, words: list[str], told: str
) -> None:
    assert _reason(story, same_storyline, near, words, "explainer") == told
