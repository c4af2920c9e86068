"""The event log: all of a batch or none, one segment a process, and commands that replace segments meanwhile."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from constants import NOW

from service.experiments import event_log
from service.experiments.event_log import EventLog, EventLogUnavailable, Fsync, is_torn, lines, segments


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store" / "events"


def a_log(folder: Path, clock: Clock, fsync: Fsync = "never", max_bytes: int = 1 << 20) -> EventLog:
    return EventLog(folder, fsync, max_bytes, clock)


def all_lines(folder: Path) -> list[bytes]:
    return [line for segment in segments(folder) for line in lines(segment)]


def numbered(*numbers: int) -> list[bytes]:
    return [b'{"n":%d}\n' % n for n in numbers]


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Writes beyond that size fail, the first of them after writing what fits: as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_appended_is_read_in_order(folder: Path, clock: Clock) -> None:
    log = a_log(folder, clock)
    log.append(numbered(1, 2))
    log.append(numbered(3))
    assert all_lines(folder) == numbered(1, 2, 3)


def test_a_segment_is_named_by_time_and_process_and_is_its_owners_alone(folder: Path, clock: Clock) -> None:
    a_log(folder, clock).append(numbered(1))
    (segment,) = segments(folder)
    assert segment.name.startswith(f"20261124T090000-{os.getpid()}-")
    assert len(segment.name) == len(f"20261124T090000-{os.getpid()}-abcd.jsonl")
    assert stat.S_IMODE(segment.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_nothing_is_made_until_something_is_appended(folder: Path, clock: Clock) -> None:
    log = a_log(folder, clock)
    log.append([])
    assert not folder.exists()
    assert segments(folder) == []


def test_a_full_segment_is_followed_by_another_and_no_batch_is_divided(folder: Path, clock: Clock) -> None:
    log = a_log(folder, clock, max_bytes=20)
    for first in (1, 3, 5):
        log.append(numbered(first, first + 1))  # 16 bytes
        clock.now += 1
    log.append([b"x" * 99 + b"\n"])
    assert [[*lines(each)] for each in segments(folder)] == [
        numbered(1, 2),
        numbered(3, 4),
        numbered(5, 6),
        [b"x" * 99 + b"\n"],
    ]


def test_a_segment_holds_one_day(folder: Path, clock: Clock) -> None:
    log = a_log(folder, clock)
    clock.now = NOW + 15 * 3_600 - 1
    log.append(numbered(1))
    clock.now += 1  # midnight
    log.append(numbered(2))
    assert [each.name[:15] for each in segments(folder)] == ["20261124T235959", "20261125T000000"]
    assert [[*lines(each)] for each in segments(folder)] == [numbered(1), numbered(2)]


def test_threads_share_a_log_without_mixing_lines(folder: Path, clock: Clock) -> None:
    log = a_log(folder, clock, max_bytes=4_000)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: log.append(numbered(2 * n, 2 * n + 1)), range(1_000)))
    assert sorted(all_lines(folder)) == sorted(numbered(*range(2_000)))
    assert not any(is_torn(each) for each in segments(folder))


def test_a_forked_process_begins_a_segment_of_its_own(folder: Path, clock: Clock) -> None:
    log = a_log(folder, clock)
    log.append(numbered(1))
    child = os.fork()
    if child == 0:
        log.append(numbered(2))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log.append(numbered(3))
    by_process = {int(each.name.split("-")[1]): [*lines(each)] for each in segments(folder)}
    assert by_process == {os.getpid(): numbered(1, 3), child: numbered(2)}


def test_another_segment_follows_one_that_was_replaced_or_removed(folder: Path, clock: Clock) -> None:
    log = a_log(folder, clock)
    log.append(numbered(1))
    (first,) = segments(folder)
    rewritten = folder / "rewritten"
    rewritten.write_bytes(b"".join(numbered(10)))
    rewritten.replace(first)
    log.append(numbered(2))
    assert first.read_bytes() == b"".join(numbered(10))
    (second,) = set(segments(folder)) - {first}
    second.unlink()
    log.append(numbered(3))
    assert sorted(all_lines(folder)) == numbered(10, 3)


def test_a_directory_that_was_removed_is_made_again(folder: Path, clock: Clock) -> None:
    log = a_log(folder, clock)
    log.append(numbered(1))
    segments(folder)[0].unlink()
    folder.rmdir()
    log.append(numbered(2))
    assert all_lines(folder) == numbered(2)


def test_a_writer_does_not_wait_for_a_command_that_holds_its_segment(folder: Path, clock: Clock) -> None:
    log = a_log(folder, clock)
    log.append(numbered(1))
    (first,) = segments(folder)
    with first.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        log.append(numbered(2))
    assert [*lines(first)] == numbered(1)
    assert sorted(all_lines(folder)) == numbered(1, 2)


def test_of_a_batch_that_does_not_fit_on_the_disk_nothing_stays(folder: Path, clock: Clock) -> None:
    log = a_log(folder, clock)
    log.append(numbered(1))
    with no_file_above(100):
        for _ in range(3):
            with pytest.raises(EventLogUnavailable, match=f"^{folder}: (only 92 of 208 bytes could be written)"):
                log.append([*numbered(2), b"x" * 199 + b"\n"])
        log.append(numbered(3))
    log.append(numbered(4))
    assert [segment.read_bytes() for segment in segments(folder)] == [b"".join(numbered(1, 3, 4))]


def test_a_torn_line_that_cannot_be_taken_back_stays_the_last_of_its_segment(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = a_log(folder, clock)
    log.append(numbered(1))
    (first,) = segments(folder)
    with no_file_above(100), monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", failing)
        with pytest.raises(EventLogUnavailable):
            log.append([b"x" * 199 + b"\n"])
    log.append(numbered(2))
    assert is_torn(first)
    assert sorted(all_lines(folder)) == numbered(1, 2)


def failing(*_: Any) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_batch_that_was_not_synced_is_not_in_the_log(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = a_log(folder, clock, "always")
    log.append(numbered(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(EventLogUnavailable, match="Input/output error"):
            log.append(numbered(2))
    log.append(numbered(3))
    assert all_lines(folder) == numbered(1, 3)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "events").write_text("a file")
    with pytest.raises(EventLogUnavailable, match=f"^{tmp_path / 'events'}: "):
        a_log(tmp_path / "events", clock).append(numbered(1))


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the files that were synced, in order; directories are left out."""
    sizes: list[int] = []

    def fsync(file: int) -> None:
        if stat.S_ISREG(os.fstat(file).st_mode):
            sizes.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    return sizes


def test_always_syncs_before_an_append_returns(folder: Path, clock: Clock, synced: list[int]) -> None:
    log = a_log(folder, clock, "always")
    log.append(numbered(1))
    log.append(numbered(2, 3))
    assert synced == [8, 24]


def test_never_syncs_nothing(folder: Path, clock: Clock, synced: list[int]) -> None:
    log = a_log(folder, clock, "never", max_bytes=10)
    log.append(numbered(1))
    log.append(numbered(2))
    assert synced == []


def test_second_syncs_a_second_later_whatever_was_appended_meanwhile(
    folder: Path, clock: Clock, synced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    due: list[tuple[float, Callable[[], None]]] = []

    class Timer:
        def __init__(self, seconds: float, action: Callable[[], None]) -> None:
            self.call = seconds, action

        def start(self) -> None:
            due.append(self.call)

    monkeypatch.setattr(threading, "Timer", Timer)
    log = a_log(folder, clock, "second")
    log.append(numbered(1))
    log.append(numbered(2))
    assert ([seconds for seconds, _ in due], synced) == ([1.0], [])
    due[0][1]()
    assert synced == [16]
    log.append(numbered(3))
    due[1][1]()
    assert synced == [16, 24]


def test_a_full_segment_is_synced_before_it_is_left(
    folder: Path, clock: Clock, synced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "SYNC_SECONDS", 3_600)
    log = a_log(folder, clock, "second", max_bytes=10)
    log.append(numbered(1))
    log.append(numbered(2))
    assert synced == [8]


def test_a_sync_that_fails_later_is_told(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = a_log(folder, clock, "always")
    log.append(numbered(1))
    monkeypatch.setattr(os, "fsync", failing)
    log._writers[os.getpid()]._sync()
    assert caplog.messages == [
        "the last events may not outlive a loss of power: [Errno 5] Input/output error",
    ]


def test_a_torn_last_line_is_left_out_and_told(folder: Path) -> None:
    folder.mkdir(parents=True)
    whole, torn, empty = (folder / f"20261124T09000{n}-1-abcd.jsonl" for n in range(3))
    whole.write_bytes(b"".join(numbered(1)))
    torn.write_bytes(b"".join(numbered(2)) + b'{"n":')
    empty.touch()
    assert segments(folder) == [whole, torn, empty]
    assert [is_torn(each) for each in segments(folder)] == [False, True, False]
    assert all_lines(folder) == numbered(1, 2)
