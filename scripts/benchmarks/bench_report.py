"""What an experiment's report costs: time and memory of scripts/ab_report.py over logs of 10^5, 10^6 and 10^7 events.

    python scripts/benchmarks/bench_report.py [--events 100000 ...] [--rounds 3] [--folder DIR]

An event is a line: a list that a reader got, a view or a click. The log is synthetic: 4 lists a reader in four weeks,
half of which are the test's, six stories a list of an archive of 20,000, seven of ten lists seen, a click on one of
14. The lines are made by the service's own records. The command is run as a process of its own; the log of 10^7
events takes some 5 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from service.experiments.assignment import assign
from service.experiments.definitions import Experiment, read_experiment
from service.experiments.event_schema import Click, Exposure, LoggedItem, View, line
from service.recommend.policy import read_policies

DAY = 86_400
DAYS = 14  # before the test, and of it
LISTS_A_READER = 4
STORIES = 6
ARTICLES = 20_000
SEEN, CLICKED = 0.7, 0.1  # of lists; of seen ones
KEY = "newest"
DEFINITION = """\
[newest]
description = "Newer stories first"
owner = "Data desk"
starts_on = 2026-11-01
ends_on = 2026-11-15
minimum_effect = 0.05
variants = [{key = "control", policy = "related", weight = 0.5}, {key = "fresh", policy = "latest", weight = 0.5}]
"""


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[10**5, 10**6, 10**7], metavar="N")
    parser.add_argument(
        "--rounds", type=int, default=3, help="runs of each, the median counts (default: %(default)s)"
    )
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the logs go for the time of the run")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, DuckDB {duckdb.__version__}, {os.cpu_count()} cores, "
          f"load average {os.getloadavg()[0]:.2f}")  # fmt: skip
    for events in options.events:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name)
            size = write_log(folder, events)
            runs = [report(folder) for _ in range(options.rounds)]
        seconds, busy, mebibytes = (statistics.median(each) for each in zip(*runs, strict=True))
        print(f"{events:>10,} events ({size / 2**20:6,.0f} MiB): {seconds:6.2f} s, {1e6 * seconds / events:6.2f} us "
              f"an event; {busy:6.2f} s of processor time, {mebibytes:6,.0f} MiB at most", flush=True)  # fmt: skip


def write_log(folder: Path, events: int) -> int:
    """A log of so many events and the definition beside it; returns the log's size in bytes."""
    definition = folder / "experiments.toml"
    definition.write_text(DEFINITION)
    experiment = read_experiment(definition, KEY, read_policies())
    log = folder / "log"
    log.mkdir()
    written, lines = 0, islice(log_lines(experiment, events), events)
    for number in range(10**6):
        content = b"".join(islice(lines, 100_000))
        if not content:
            return written
        (log / f"20261018T000000-1-{number:04x}.jsonl").write_bytes(content)
        written += len(content)
    return written


def log_lines(experiment: Experiment, events: int) -> Iterator[bytes]:
    """Lines in the order of time, as many as asked for and some more."""
    draw = np.random.default_rng(7)
    lists = int(events / (1 + SEEN + SEEN * CLICKED)) + 1_000
    readers = max(1, lists // LISTS_A_READER)
    begin = datetime(2026, 10, 18, tzinfo=UTC).timestamp()
    for number in range(lists):
        at = begin + 2 * DAYS * DAY * number / lists
        unit = f"reader-{int(draw.integers(readers))}"
        yield from _list(draw, experiment, number, unit, at, draw.integers(0, ARTICLES, STORIES + 1).tolist())


def _list(
    draw: np.random.Generator, experiment: Experiment, number: int, unit: str, at: float, articles: list[int]
) -> Iterator[bytes]:
    during = at >= datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    assigned = assign(experiment, unit) if during else None
    variant = assigned.variant if assigned else None
    article, *stories = (f"section{article % 20}/article-number-{article}" for article in articles)
    shared = {
        "list_id": f"{number:024x}",
        "article_id": article,
        "block": "default",
        "policy": variant.policy if variant else "related",
        "experiment": KEY if variant else None,
        "variant": variant.key if variant else None,
    }
    seen, clicked, *lots = draw.random(4).tolist()
    yield line(_exposure(at, unit, stories, lots, shared))
    shown = {"at": at + 5, "occurred_at": at + 5, "served_at": at, "quarantine": None, **shared}
    if seen < SEEN:
        yield line(View(**shown))
        if clicked < CLICKED:
            yield line(Click(**shown, clicked_id=stories[0], position=1))


def _exposure(at: float, unit: str, stories: list[str], lots: list[float], shared: dict[str, Any]) -> Exposure:
    """A served list whose figures are made of two random numbers."""
    first, second = lots
    return Exposure(
        at=at,
        unit=unit,
        override=False,
        channel="default",
        snapshot_id="20261018T000000Z-00000000",
        expires_at=at + DAY,
        fallback_used=first < 0.02,
        degraded=(),
        took_ms=round(0.2 + second, 3),
        same_section=round(first, 4),
        age_days=round(30 * second, 3),
        diversity=round(0.4 + first / 4, 4),
        duplicates=0,
        items=tuple(_item(story) for story in stories),
        propensities=None,
        **shared,
    )


def _item(identifier: str) -> LoggedItem:
    return LoggedItem(id=identifier, source="similar", score=0.512, team=None, section=identifier.split("/")[0])


def report(folder: Path) -> tuple[float, float, float]:
    """Seconds, seconds of processor time and peak resident MiB of one report, with its page and JSON."""
    command = [sys.executable, str(Path(__file__).parents[1] / "ab_report.py"), "--quiet"]
    command += ["--events", str(folder / "log"), "--experiments", str(folder / "experiments.toml")]
    command += ["--experiment", KEY, "--out", str(folder / "r.html"), "--json", str(folder / "r.json")]
    begin = time.monotonic()
    quiet = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=[quiet])
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"error: the report failed: {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
