"""What numbers and log lines cost a lookup: the application with and without them, in one process, without a socket.

    python scripts/benchmarks/bench_metrics.py [--rows 20000] [--rounds 300]

Articles are drawn evenly, so that nearly every list is made anew. The three ways of answering take turns, question by
question in short rounds; medians of the rounds' ratios. Lines go to /dev/null, and are written by their own thread.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from werkzeug.test import EnvironBuilder

from index.publishing.store import Store
from scripts.benchmarks.bench_lookup import write_synthetic
from service.app import create_app
from service.config import Settings
from service.observability.access_log import RequestLog
from service.observability.middleware import Watching

LOOKUPS = 100  # of each kind in a round
WARM_UP = 10  # rounds
GOAL = 0.02

Application = Callable[..., Iterable[bytes]]  # WSGI


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("wb") as nowhere:
        store, name = Store(Path(folder)), f"synthetic-{options.rows}"
        store.begin(name).rmdir()
        write_synthetic(store.snapshots / name, options.rows)
        store.activate(name, "default")
        app = create_app(Settings(store=store.root, live="off"))
        watching = app.extensions["watching"]
        bare, measures = watching._application, watching._measures
        lines = RequestLog("info", False, "bench", nowhere.fileno())
        lines.hold()
        applications: dict[str, Application] = {
            "neither": bare,
            "numbers": Watching(bare, measures, RequestLog("error", False, "bench", nowhere.fileno())),
            "numbers and lines": Watching(bare, measures, lines),
        }
        _in_turns(applications, WARM_UP, options.rows)
        times = _in_turns(applications, options.rounds, options.rows)
        lines.flush()
    base = times["neither"]
    print(f"a lookup of {options.rows:,} articles: {statistics.median(base) * 1e6:.1f} us with neither")
    for name in ("numbers", "numbers and lines"):
        added = statistics.median(one / other - 1 for one, other in zip(times[name], base, strict=True))
        print(f"with {name}: {added:+.1%}")
    print(f"goal: numbers at most {GOAL:+.0%}")
    return 0


def _in_turns(applications: dict[str, Application], rounds: int, rows: int) -> dict[str, list[float]]:
    """Seconds a lookup of each application in each round; the order within a round is drawn."""
    times: dict[str, list[float]] = {name: [] for name in applications}
    for _ in range(rounds):
        for name, application in random.sample(list(applications.items()), len(applications)):
            times[name].append(_round(application, rows))
    return times


def _round(application: Application, rows: int) -> float:
    """Seconds a lookup."""
    asked = [_environ(random.randrange(rows)) for _ in range(LOOKUPS)]
    began = time.perf_counter()
    for environ in asked:
        for _ in application(environ, _start):
            pass
    return (time.perf_counter() - began) / LOOKUPS


def _environ(at: int) -> dict:
    return EnvironBuilder(f"/v1/articles/section{at % 20}/article-number-{at}/related").get_environ()


def _start(status: str, _headers: list[tuple[str, str]]) -> None:
    if status != "200 OK":
        raise RuntimeError(f"a lookup was answered {status}")


if __name__ == "__main__":
    sys.exit(main())
