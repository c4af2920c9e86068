"""What readers were shown, saw and clicked: by day, block, policy, article and story, outside any experiment.

    python scripts/everyday.py --events DIR [--from DATE] [--to DATE] [--most 20] [--json FILE]

Counted are readers' own lists (`unit`): of others the service knows nothing. Days are UTC, both ends included. Exit
codes: 0 done, 2 usage, 74 I/O failure.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec
from duckdb import IOException

from service.evaluation.experiments.daily_report import Everyday, Figures, everyday
from service.evaluation.experiments.events import open_events

COLUMNS = "{:>9} {:>9} {:>9} {:>9} {:>8}  {}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    if not options.events.is_dir():
        return _failed(f"{options.events} is no directory of events", 2)
    if options.first and options.last and options.first > options.last:
        return _failed(f"--from {options.first} is after --to {options.last}", 2)
    try:
        with open_events(options.events) as events:
            found = everyday(events, options.first, options.last, options.most)
        if options.json:
            options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    except (OSError, IOException) as error:
        return _failed(error, os.EX_IOERR)
    print(as_text(found))
    return 0


def as_text(found: Everyday) -> str:
    """Five tables for a terminal."""
    if not found.days:
        return "No reader had a list of their own in these days."
    parts = [
        _table("day", found.days),
        _table("block", found.blocks),
        _table("policy", found.policies),
        _table(_of("article under which the list stood", found.articles, found.articles_total), found.articles),
        _table(_of("story, as a teaser", found.stories, found.stories_total), found.stories),
    ]
    if found.bot_units:
        parts.append(f"Left out: {found.bot_lists:,} lists of {found.bot_units:,} programs.")
    return "\n\n".join(parts)


def _table(name: str, rows: Sequence[Figures]) -> str:
    heads = COLUMNS.format("lists", "views", "clicks", "readers", "clicks/v", name)
    return "\n".join([heads, *(_row(row) for row in rows)])


def _row(row: Figures) -> str:
    rate = row.clicks_per_view
    told = "–" if rate is None else f"{rate:.2%}"
    return COLUMNS.format(*(f"{each:,}" for each in (row.lists, row.views, row.clicks, row.readers)), told, row.value)


def _of(name: str, rows: Sequence[Figures], total: int) -> str:
    return name if len(rows) == total else f"{name} (the first {len(rows):,} of {total:,})"


def _failed(error: object, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--events", type=Path, required=True, metavar="DIR", help="the event log")
    add("--from", dest="first", type=date.fromisoformat, metavar="DATE", help="the first day (default: the log's)")
    add("--to", dest="last", type=date.fromisoformat, metavar="DATE", help="the last day (default: the log's)")
    add("--most", type=int, default=20, metavar="N", help="articles and stories to show (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures here, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
