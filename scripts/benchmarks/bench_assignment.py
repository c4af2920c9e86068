"""Time the assignment of readers to variants: IDs of 36 characters (a UUID) and of 60, three variants, all new.

python scripts/benchmarks/bench_assignment.py [--readers 100000]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from datetime import date

from msgspec.structs import replace

from service.experiments.assignment import assign
from service.experiments.definitions import Experiment, Namespace, Variant

EXPERIMENT = Experiment(
    key="fresher-latest",
    description="Is newer better?",
    owner="The newsroom",
    starts_on=date(2026, 11, 20),
    ends_on=date(2026, 12, 20),
    salt="fresher-latest",
    namespace=Namespace(name="front", start=0.0, end=0.999),
    minimum_effect=0.02,
    variants=(
        Variant(key="control", policy="related", weight=0.4),
        Variant(key="fresh", policy="latest", weight=0.3),
        Variant(key="deep", policy="background", weight=0.3),
    ),
)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=100_000, metavar="N")
    readers = parser.parse_args().readers
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, {readers:,} readers")
    for name, experiment in (("a namespace", EXPERIMENT), ("all readers", replace(EXPERIMENT, namespace=None))):
        for length in (36, 60):
            low, median, high = _times(experiment, readers, length)
            print(
                f"a test in {name}, IDs of {length} characters: {median:.1f} us "
                f"(median; fastest {low:.1f}, 99 of 100 within {high:.1f})"
            )


def _times(experiment: Experiment, readers: int, length: int) -> tuple[float, float, float]:
    """Fastest, median and 99th percentile of an assignment, in microseconds."""
    took = []
    for number in range(readers):
        unit = f"{number:0{length}d}"
        begin = time.perf_counter()
        assign(experiment, unit)
        took.append(1e6 * (time.perf_counter() - begin))
    return min(took), statistics.median(took), statistics.quantiles(took, n=100)[98]


if __name__ == "__main__":
    main()
