"""Lists kept for a minute: the same bytes, never of another minute, never a reader's own, never of changed rows."""

from __future__ import annotations

import tracemalloc
from array import array
from typing import Any

import pytest

from service.recommend.list_cache import MOST_BYTES, RecentLists
from service.recommend.query import Query
from service.recommend.response import RelatedList


class Changing:
    """An overlay that has changed rows 7 and 8 after each sequence number."""

    def __init__(self, sequence: int, lineage: str = "one") -> None:
        self.sequence = sequence
        self.lineage = lineage

    def untouched(self, rows: array[int], since: int) -> bool:
        return since <= self.sequence and not {7, 8} & set(rows)


def made(body: bytes, etag: str | None = "e", rows: tuple[int, ...] | None = None) -> RelatedList:
    return RelatedList(body, etag, None if rows is None else array("I", rows))


def get(lists: RecentLists, body: bytes, sequence: int = 1, minute: int = 1, key: int = 0, **more: Any) -> bytes:
    overlay: Any = Changing(sequence)
    return lists.get(overlay, minute, (key,), lambda: made(body, **more)).body


def test_a_list_is_made_once_a_minute() -> None:
    lists = RecentLists()
    assert get(lists, b"first") == b"first"
    assert get(lists, b"second") == b"first"
    assert get(lists, b"third", minute=2) == b"third"


def test_a_change_drops_the_lists_of_the_rows_it_touches_only() -> None:
    lists = RecentLists()
    get(lists, b"first", rows=(1, 2), key=1)
    get(lists, b"first", rows=(2, 7), key=2)
    get(lists, b"first", rows=None, key=3)
    assert [get(lists, b"second", sequence=2, key=key) for key in (1, 2, 3)] == [b"first", b"second", b"second"]


def test_a_request_that_holds_an_older_state_does_not_get_a_newer_list() -> None:
    lists = RecentLists()
    get(lists, b"newer", sequence=5, rows=(1,))
    assert get(lists, b"older", sequence=4, rows=(1,)) == b"older"


def test_lists_of_two_archives_are_kept_side_by_side() -> None:
    lists = RecentLists()
    one, other = (Changing(1, lineage) for lineage in ("one", "other"))
    for overlay, body in ((one, b"one"), (other, b"other"), (one, b"second"), (other, b"second")):
        found = lists.get(overlay, 1, (0,), lambda body=body: made(body))  # type: ignore[arg-type, misc]
        assert found.body == (b"one" if overlay is one else b"other")


def test_lists_of_a_reader_and_degraded_ones_are_made_anew() -> None:
    lists = RecentLists()
    assert get(lists, b"first", etag=None) == b"first"
    assert get(lists, b"second") == b"second"


def test_no_more_bytes_than_so_many_are_kept_and_the_kept_ones_are_renewed() -> None:
    lists, big = RecentLists(), b"x" * (MOST_BYTES // 4)
    for number in range(5):
        get(lists, big, key=number)
    assert get(lists, b"second", key=2) == big
    assert get(lists, b"second", key=4) == b"second"  # there was no room for the big one; this one fits
    assert get(lists, b"third", key=4) == b"second"
    assert get(lists, b"second", key=0, sequence=2) == b"second"  # and leaves room
    assert get(lists, big, key=5, sequence=2) == big
    assert get(lists, b"third", key=5, sequence=2) == big


def test_a_list_that_grew_beyond_the_room_is_not_kept_and_frees_what_it_took() -> None:
    lists = RecentLists()
    get(lists, b"first", key=1)
    huge = b"x" * (MOST_BYTES + 1)
    assert get(lists, huge, key=1, sequence=2) == huge
    assert get(lists, b"third", key=1, sequence=2) == b"third"


def fill(lists: RecentLists, number: int, kind: str) -> None:
    """Ask for a list that is large in one way."""
    overlay: Any = Changing(1)
    body = b"%d" % number * (20_000 if kind == "bodies" else 1)
    rows = array("I", range(number, number + (20_000 if kind == "rows" else 1)))
    excluded = tuple(f"{number}/{each}" * 60 for each in range(100 if kind == "keys" else 1))
    lists.get(overlay, 1, (number, Query(exclude=excluded), "related"), lambda: RelatedList(body, "e", rows))


@pytest.mark.parametrize("kind", ["bodies", "rows", "keys"])
def test_memory_stays_within_the_bound_whatever_is_large(kind: str) -> None:
    lists = RecentLists()
    tracemalloc.start()
    try:
        for number in range(300):
            fill(lists, number, kind)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert MOST_BYTES / 2 < taken < MOST_BYTES * 1.1
