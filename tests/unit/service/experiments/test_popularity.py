"""Counting clicks: as brute force does, whatever happens to the segments, and nothing of readers in the file."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.experiments.popularity import STEP_LINES, Popularity, keep_counting
from service.recommend.popular import FILE, MOST, MostClicked, Popular, write_most_clicked

NOW = 1_764_000_000.0 + 1_800  # half past
DAY = 86_400.0


def exposure(list_id: str, unit: str, at: float = NOW - 60) -> dict[str, Any]:
    return {"kind": "exposure", "at": at, "list_id": list_id, "unit": unit, "items": [{"id": "a"}]}


def click(list_id: str, story: str, at: float = NOW - 30, quarantine: str | None = None) -> dict[str, Any]:
    return {"kind": "click", "at": at, "list_id": list_id, "quarantine": quarantine, "clicked_id": story}


def write(segment: Path, records: Iterable[dict[str, Any]]) -> Path:
    with segment.open("ab") as file:
        for record in records:
            file.write(msgspec.json.encode(record) + b"\n")
    return segment


def counted(popularity: Popularity, now: float = NOW) -> dict[str, int]:
    while not popularity.catch_up(now):
        pass
    return dict(popularity.most_clicked(now).stories)


def by_brute_force(records: Iterable[dict[str, Any]], now: float) -> dict[str, int]:
    units = {each["list_id"]: each["unit"] for each in records if each["kind"] == "exposure"}
    readers: dict[str, set[str]] = {}
    for each in records:
        if (
            each["kind"] == "click"
            and each["quarantine"] is None
            and 0 <= now // 3_600 - each["at"] // 3_600 < 7 * 24
        ):
            who = units.get(each["list_id"], f"list {each['list_id']}")
            readers.setdefault(each["clicked_id"], set()).add(who)
    return {story: len(who) for story, who in readers.items()}


def random_log(lists: int, seed: int) -> list[dict[str, Any]]:
    """Lists of nine days, a tenth of them never written down, clicked once or again, at once or days later."""
    draw = random.Random(seed)
    records = []
    for _ in range(lists):
        list_id, at = f"{draw.getrandbits(96):024x}", NOW - draw.random() * 9 * DAY
        if draw.random() < 0.9:
            records.append(exposure(list_id, f"u{draw.randrange(lists // 5)}", at))
        records.append({"kind": "view", "at": at + 1, "list_id": list_id, "quarantine": None})
        for _ in range(draw.choice([0, 0, 1, 1, 2, 5])):
            quarantine = draw.choice([None, None, None, "late"])
            later = at + draw.choice([5.0, 3_600.0, DAY])
            records.append(click(list_id, f"s{draw.randrange(12)}", later, quarantine))
    records.append({"kind": "refused", "at": NOW, "reason": "malformed", "count": 3})
    return sorted(records, key=lambda each: each["at"])


@pytest.mark.parametrize("writers", [1, 4])
def test_counts_are_those_of_brute_force_however_the_log_is_split(tmp_path: Path, writers: int) -> None:
    records, draw = random_log(600, seed=writers), random.Random(7)
    for each in records:
        write(tmp_path / f"20251124T000000-{draw.randrange(writers)}-abcd.jsonl", [each])
    assert counted(Popularity(tmp_path)) == by_brute_force(records, NOW)


def test_following_the_log_gives_the_same_counts_as_reading_it_at_once(tmp_path: Path) -> None:
    records = random_log(600, seed=3)
    popularity, segment = Popularity(tmp_path), tmp_path / "20251124T000000-1-abcd.jsonl"
    for begin in range(0, len(records), 100):
        write(segment, records[begin : begin + 100])
        assert counted(popularity) == by_brute_force(records[: begin + 100], NOW)
    for hours in (1, 24, 24 * 6, 24 * 8):
        later = NOW + hours * 3_600
        assert counted(popularity, later) == by_brute_force(records, later)


def test_each_byte_is_read_once(tmp_path: Path) -> None:
    segment = write(tmp_path / "20251124T000000-1-abcd.jsonl", [exposure("1", "u"), click("1", "a")])
    popularity = Popularity(tmp_path)
    assert counted(popularity) == {"a": 1}
    damaged = b"x" * segment.stat().st_size
    with segment.open("r+b") as file:  # what was read may become unreadable
        file.write(damaged)
    write(segment, [click("1", "b")])
    assert counted(popularity) == {"a": 1, "b": 1}


def test_one_reader_decides_nothing(tmp_path: Path) -> None:
    lists = [f"{n:024x}" for n in range(300)]
    greedy = [
        each for one in lists[:298] for each in (exposure(one, "bot"), click(one, "pushed"), click(one, "pushed"))
    ]
    honest = [
        each for one, who in zip(lists[298:], "vw", strict=True) for each in (exposure(one, who), click(one, "a"))
    ]
    write(tmp_path / "20251124T000000-1-abcd.jsonl", [*greedy, *honest])
    popularity = Popularity(tmp_path)
    assert counted(popularity) == {"a": 2, "pushed": 1}
    assert popularity.most_clicked(NOW).stories == (("a", 2), ("pushed", 1))


def test_a_long_log_is_read_in_steps(tmp_path: Path) -> None:
    write(tmp_path / "20251124T000000-1-abcd.jsonl", [click(f"{n}", "a") for n in range(2 * STEP_LINES + 1)])
    popularity = Popularity(tmp_path)
    assert [popularity.catch_up(NOW) for _ in range(3)] == [False, False, True]
    assert counted(popularity) == {"a": 2 * STEP_LINES + 1}


def test_torn_and_malformed_lines_count_nowhere_until_they_are_whole(tmp_path: Path) -> None:
    segment = write(tmp_path / "20251124T000000-1-abcd.jsonl", [click("1", "a")])
    whole = msgspec.json.encode(click("2", "a")) + b"\n"
    with segment.open("ab") as file:
        file.write(b'{"kind":"click"}\nnothing\n\xff\n[]\n' + b"\0" * 300_000 + b"\n" + whole[:20])
    popularity = Popularity(tmp_path)
    assert counted(popularity) == {"a": 1}
    with segment.open("ab") as file:
        file.write(whole[20:])
    assert counted(popularity) == {"a": 2}


def test_a_reader_who_was_erased_counts_no_more(tmp_path: Path) -> None:
    kept, gone = [exposure("1", "u"), click("1", "a")], [exposure("2", "v"), click("2", "a")]
    segment = write(tmp_path / "20251124T000000-1-abcd.jsonl", [*gone, *kept])
    write(tmp_path / "20251124T000000-2-abcd.jsonl", [exposure("3", "w"), click("3", "b")])
    popularity = Popularity(tmp_path)
    assert counted(popularity) == {"a": 2, "b": 1}
    write(tmp_path / "rewritten.tmp", kept).replace(segment)
    assert counted(popularity) == {"a": 1, "b": 1}


def test_a_segment_that_was_cut_or_removed_is_counted_no_more(tmp_path: Path) -> None:
    first = write(tmp_path / "20251124T000000-1-abcd.jsonl", [click("1", "a")])
    second = write(tmp_path / "20251124T000000-2-abcd.jsonl", [click("2", "b")])
    popularity = Popularity(tmp_path)
    assert counted(popularity) == {"a": 1, "b": 1}
    first.write_bytes(b"")
    assert counted(popularity) == {"b": 1}
    second.unlink()
    assert counted(popularity) == {}


def test_a_segment_of_old_is_not_opened(tmp_path: Path) -> None:
    segment = write(tmp_path / "20251024T000000-1-abcd.jsonl", [click("1", "a")])
    os.utime(segment, (NOW, NOW - 8 * DAY))
    popularity = Popularity(tmp_path)
    assert counted(popularity) == {}
    segment.unlink()
    assert counted(popularity) == {}


def test_there_is_nothing_to_count_without_a_directory(tmp_path: Path) -> None:
    assert counted(Popularity(tmp_path / "none")) == {}


def test_the_thousand_most_clicked_are_named_of_equals_by_id(tmp_path: Path) -> None:
    stories = [f"s{n:04}" for n in range(MOST + 5)]
    twice = [click("x", stories[-1])]
    write(tmp_path / "20251124T000000-1-abcd.jsonl", [*(click(each, each) for each in reversed(stories)), *twice])
    popularity = Popularity(tmp_path)
    assert len(counted(popularity)) == MOST
    found = popularity.most_clicked(NOW).stories
    assert found[:2] == (("s1004", 2), ("s0000", 1))
    assert found[-1] == ("s0998", 1)


class Stopping(threading.Event):
    """Stops after a number of rounds, without waiting; `between` happens after each."""

    def __init__(self, rounds: int, between: Callable[[int], None]) -> None:
        super().__init__()
        self._rounds, self._between, self._round = rounds, between, 0

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - as threading.Event has it
        self._between(self._round)
        self._round += 1
        if self._round == self._rounds:
            self.set()
        return self.is_set()


def test_the_file_follows_the_clicks_and_holds_nothing_of_readers(tmp_path: Path) -> None:
    segment, seen = tmp_path / "20251124T000000-1-abcd.jsonl", []

    def between(number: int) -> None:
        path = tmp_path / FILE
        seen.append((path.read_bytes(), path.stat().st_ino) if path.exists() else None)
        if number == 0:
            write(segment, [exposure("list-1", "reader-1"), click("list-1", "a")])
        elif number == 2:
            write(segment, [exposure("list-2", "reader-2"), click("list-2", "a")])

    keep_counting(tmp_path, Stopping(4, between), clock=lambda: NOW)
    assert seen[0] is None  # nothing was clicked
    assert seen[1] == seen[2]  # nothing new: not written again
    assert [each and each[0] for each in seen[2:]] == [
        b'{"at":1764001800.0,"stories":[["a",1]]}', b'{"at":1764001800.0,"stories":[["a",2]]}'
    ]  # fmt: skip
    assert sorted(each.name for each in tmp_path.iterdir()) == [segment.name, FILE]


def test_a_log_that_cannot_be_read_is_said_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    segment = tmp_path / "20251124T000000-1-abcd.jsonl"
    segment.symlink_to(tmp_path / "nowhere")

    def between(number: int) -> None:
        if number == 0:
            segment.unlink()
            write(segment, [click("1", "a")])

    keep_counting(tmp_path, Stopping(2, between), clock=lambda: NOW)
    assert "clicks cannot be counted" in caplog.text
    assert msgspec.json.decode((tmp_path / FILE).read_bytes(), type=MostClicked).stories == (("a", 1),)


def test_a_worker_reads_the_file_when_it_changes_once_a_second_at_most(tmp_path: Path) -> None:
    now, path, clock = int(NOW), tmp_path / FILE, [0.0]
    popular = Popular(path, lambda: clock[0])
    assert popular.ids(now) == ()
    write_most_clicked(path, MostClicked(NOW, (("b", 2), ("a", 1))))
    assert popular.ids(now) == ()
    clock[0] = 1.0
    assert popular.ids(now) == ("b", "a")
    path.write_bytes(b"{")
    clock[0] = 2.0
    assert popular.ids(now) == ("b", "a")
    path.unlink()
    clock[0] = 3.0
    assert popular.ids(now) == ()


def test_counts_that_nobody_has_kept_up_for_a_week_are_not_the_week_s(tmp_path: Path) -> None:
    write_most_clicked(tmp_path / FILE, MostClicked(NOW, (("a", 1),)))
    popular = Popular(tmp_path / FILE)
    assert popular.ids(int(NOW + 7 * DAY) - 1) == ("a",)
    assert popular.ids(int(NOW + 7 * DAY)) == ()
