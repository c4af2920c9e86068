"""How old a story is said to be, at the seconds where the words change."""

from __future__ import annotations

import pytest

from index.article import UNDATED
from service.recommend.response import age_label

MINUTE, HOUR, DAY = 60, 3_600, 86_400
WEEK, MONTH, YEAR = 7 * DAY, int(30.44 * DAY), int(365.25 * DAY)
NOW = 1_763_640_000


@pytest.mark.parametrize(
    ("seconds", "label"),
    [
        (-5 * DAY, "just now"),
        (2 * MINUTE - 1, "just now"),
        (2 * MINUTE, "2 minutes ago"),
        (HOUR - 1, "59 minutes ago"),
        (HOUR, "1 hour ago"),
        (2 * HOUR, "2 hours ago"),
        (DAY - 1, "23 hours ago"),
        (DAY, "1 day old"),
        (2 * DAY, "2 days old"),
        (WEEK - 1, "6 days old"),
        (WEEK, "1 week old"),
        (MONTH - 1, "4 weeks old"),
        (MONTH, "1 month old"),
        (2 * MONTH - 1, "1 month old"),
        (2 * MONTH, "2 months old"),
        (YEAR - 1, "11 months old"),
        (YEAR, "1 year old"),
        (2 * YEAR - 1, "1 year old"),
        (173 * YEAR, "173 years old"),
    ],
)
def test_an_age_is_told_in_the_largest_unit_that_it_fills(seconds: int, label: str) -> None:
    assert age_label(NOW - seconds, NOW) == label


def test_an_undated_story_has_no_age() -> None:
    assert age_label(UNDATED, NOW) == ""
