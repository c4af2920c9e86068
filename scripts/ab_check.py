"""Check a file of experiments before it is served, and tell where each experiment stands.

    python scripts/ab_check.py experiments.toml [--policies FILE] [--store DIR]

With --store, the channels that variants name must be among its own. Exit codes: 0 usable, perhaps with warnings;
2 usage or a file that cannot be used.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from index.publishing.store import Store
from service.experiments.definitions import BadExperiments, Experiment, read_experiments
from service.recommend.policy import BadPolicies, read_policies


def main(arguments: list[str] | None = None, clock: Callable[[], float] = time.time) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    if options.store is not None and not options.store.is_dir():
        print(f"error: there is no store {options.store}", file=sys.stderr)
        return 2
    channels = None if options.store is None else Store(options.store).channel_names()
    try:
        policies = read_policies(options.policies)
        experiments = read_experiments(options.file, policies, channels)
    except (BadPolicies, BadExperiments) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    today = datetime.fromtimestamp(clock(), UTC).date()
    for experiment in experiments.by_key.values():
        print("\n".join(_lines(experiment, today)))
    for problem in experiments.problems(policies, today):
        print(f"warning: {problem}", file=sys.stderr)
    return 0


def _lines(experiment: Experiment, today: date) -> list[str]:
    facts = f"block {experiment.block}, {experiment.share:.1%} of readers, {experiment.mode}"
    return [f"{experiment.key}: {_standing(experiment, today)}; {facts}", *_variants(experiment)]


def _standing(experiment: Experiment, today: date) -> str:
    match experiment.state(today):
        case "planned":
            return f"planned, begins in {(experiment.starts_on - today).days} days"
        case "running":
            return f"running, {(experiment.ends_on - today).days} days left"
        case "ended":
            return f"ended on {experiment.ends_on}"


def _variants(experiment: Experiment) -> list[str]:
    return [
        f"  {variant.key:<20} {variant.weight * experiment.share:6.1%}  policy {variant.policy}"
        + (f", channel {variant.channel}" if variant.channel else "")
        for variant in experiment.variants
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the file of experiments")
    parser.add_argument("--policies", type=Path, metavar="FILE", help="the newsroom's policies, if it has its own")
    parser.add_argument("--store", type=Path, metavar="DIR", help="the directory of snapshots")
    return parser


if __name__ == "__main__":
    sys.exit(main())
