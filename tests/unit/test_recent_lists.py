"""Lists kept for a minute: the same bytes, never of another snapshot or minute, never a reader's own."""

from __future__ import annotations

from service.listing import RelatedList
from service.recent_lists import MOST, RecentLists


def made(body: bytes, etag: str | None = "e") -> RelatedList:
    return RelatedList(body, etag)


def test_a_list_is_made_once_a_minute_and_snapshot() -> None:
    lists = RecentLists()
    assert lists.get(("s1", 1), "a", lambda: made(b"first")).body == b"first"
    assert lists.get(("s1", 1), "a", lambda: made(b"second")).body == b"first"
    assert lists.get(("s1", 2), "a", lambda: made(b"third")).body == b"third"
    assert lists.get(("s2", 2), "a", lambda: made(b"fourth")).body == b"fourth"


def test_lists_of_a_reader_and_degraded_ones_are_made_anew() -> None:
    lists = RecentLists()
    assert lists.get("g", "a", lambda: made(b"first", None)).body == b"first"
    assert lists.get("g", "a", lambda: made(b"second")).body == b"second"


def test_no_more_than_so_many_are_kept() -> None:
    lists = RecentLists()
    for number in range(MOST + 1):
        lists.get("g", number, lambda: made(b"first"))
    assert lists.get("g", MOST - 1, lambda: made(b"second")).body == b"first"
    assert lists.get("g", MOST, lambda: made(b"second")).body == b"second"
