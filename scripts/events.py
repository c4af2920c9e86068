"""What the event log holds; remove old events, or all of one reader. A running service takes no notice.

    python scripts/events.py show --events STORE/events
    python scripts/events.py prune --events STORE/events --keep-days 180
    python scripts/events.py erase --events STORE/events --unit READER

`erase` removes the reader's exposures and the views and clicks of those lists; of the lines that cannot be read,
those with the ID of the reader or of such a list, and all torn ones: they may hold half an ID. Lists that the reader
gets while it runs may stay: run it again. Exit codes: 0 done, 2 usage, 74 I/O failure, 75 another such
command is at work.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import msgspec

from index.storage.files import fsync_directory
from service.experiments.event_log import is_torn, lines, segments

KINDS = ("exposure", "view", "click", "refused")
PARTIAL = ".tmp"
UNREADABLE = "unreadable"


class Line(msgspec.Struct, frozen=True):
    """What matters here of a line."""

    kind: str
    unit: str | None = None
    list_id: str | None = None


_decode = msgspec.json.Decoder(Line).decode


def main(arguments: list[str] | None = None, clock: Callable[[], float] = time.time) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    if not options.events.is_dir():
        print(f"error: there is no directory {options.events}", file=sys.stderr)
        return 2
    try:
        options.run(options, clock())
    except BlockingIOError:
        print(f"error: another command is at work in {options.events}; try again later", file=sys.stderr)
        return os.EX_TEMPFAIL
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return os.EX_IOERR
    return 0


def _show(options: argparse.Namespace, _: float) -> None:
    found = segments(options.events)
    kinds: Counter[str] = Counter()
    for segment in found:
        kinds.update(UNREADABLE if (line := _read(each)) is None else line.kind for each in lines(segment))
    size = sum(each.stat().st_size for each in found)
    days = f", {found[0].name[:8]} to {found[-1].name[:8]}" if found else ""
    print(f"segments   {len(found):,}{days}\nbytes      {size:,}")
    for kind in (*KINDS, *sorted(set(kinds) - {*KINDS, UNREADABLE}), UNREADABLE):
        print(f"{kind:<10} {kinds[kind]:,}")
    print(f"torn       {sum(map(is_torn, found)):,}")


def _prune(options: argparse.Namespace, now: float) -> None:
    """A segment's events are of the day (UTC) in its name."""
    first_kept = (datetime.fromtimestamp(now, UTC) - timedelta(days=options.keep_days)).strftime("%Y%m%d")
    removed = size = 0
    with _alone(options.events):
        for segment in segments(options.events):
            if segment.name[:8] < first_kept:
                with _held(segment) as file:
                    size += os.fstat(file.fileno()).st_size
                    segment.unlink()
                removed += 1
    kept = len(segments(options.events))
    print(f"removed {removed:,} segments of before {first_kept} ({size:,} bytes), kept {kept:,}")


def _erase(options: argparse.Namespace, _: float) -> None:
    removed: Counter[str] = Counter()
    with _alone(options.events):
        list_ids = set(_list_ids(options.events, options.unit))
        for segment in segments(options.events):
            removed += _without(segment, list_ids, _spellings({options.unit, *list_ids}))
    counts = ", ".join(f"{kind} {removed[kind]:,}" for kind in ("exposure", "view", "click", UNREADABLE))
    print(f"removed lines: {counts}")
    print("Not touched: backups, reports, logs of other systems, overrides of experiments. That is your task.")


def _list_ids(directory: Path, unit: str) -> Iterator[str]:
    for segment in segments(directory):
        for each in lines(segment):
            line = _read(each)
            if line is not None and line.unit == unit and line.list_id is not None:
                yield line.list_id


def _spellings(texts: set[str]) -> set[bytes]:
    """How texts may stand in JSON: as the service writes them, and with all but ASCII escaped."""
    return {made[1:-1] for text in texts for made in (msgspec.json.encode(text), json.dumps(text).encode("ascii"))}


def _without(segment: Path, list_ids: set[str], spellings: set[bytes]) -> Counter[str]:
    """Rewrite the segment without the lines of these lists; returns how many went, by kind."""

    def doomed(each: bytes) -> str | None:
        line = _read(each)
        if line is None:
            torn = not each.endswith(b"\n")
            return UNREADABLE if torn or any(spelling in each for spelling in spellings) else None
        return line.kind if line.list_id in list_ids else None

    with _held(segment) as file:
        removed = Counter(kind for kind in map(doomed, file) if kind is not None)
        if removed:
            file.seek(0)
            _replace(segment, (each for each in file if doomed(each) is None))
    return removed


def _replace(segment: Path, content: Iterator[bytes]) -> None:
    partial = segment.with_name(segment.name + PARTIAL)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.writelines(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(segment)
    fsync_directory(segment.parent)


def _read(line: bytes) -> Line | None:
    """None for a line that is torn or none of the log's."""
    try:
        return _decode(line) if line.endswith(b"\n") else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


@contextmanager
def _held(segment: Path) -> Iterator[BinaryIO]:
    """The segment while its writer keeps off it; where it is replaced or removed, the writer begins another."""
    with segment.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keep other such commands out, and clear what one that was killed has left. Raises BlockingIOError."""
    folder = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for partial in directory.glob(f"*{PARTIAL}"):
            partial.unlink()
        yield
    finally:
        os.close(folder)


def _days(text: str) -> int:
    if (days := int(text)) < 1:
        raise ValueError(text)
    return days


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="how much there is of each kind")
    prune = commands.add_parser("prune", help="remove old events")
    prune.add_argument("--keep-days", type=_days, required=True, metavar="N", help="keep N days and today")
    erase = commands.add_parser("erase", help="remove the events of one reader")
    erase.add_argument("--unit", required=True, help="the reader's pseudonymous ID")
    for command, run in ((show, _show), (prune, _prune), (erase, _erase)):
        command.add_argument("--events", type=Path, required=True, metavar="DIR", help="the directory of events")
        command.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
