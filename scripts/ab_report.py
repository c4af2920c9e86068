"""Tell what an experiment found: a page, the same figures as JSON, and the verdict on the terminal.

    python scripts/ab_report.py --events DIR --experiments FILE --experiment KEY [--out PAGE.html] [--json F.json]

The definition is the one that the log was made by: keep an ended experiment in its file until it has been read.

Exit codes: 0 done, 1 the data must not be used (the report says why, and shows no effects), 2 usage,
74 I/O failure.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import date
from pathlib import Path

import msgspec
from duckdb import IOException

from service.config import BadSetting, Settings
from service.evaluation.experiments.analysis import analysed
from service.evaluation.experiments.events import open_events
from service.evaluation.experiments.report import as_html, as_text
from service.evaluation.experiments.result import Report
from service.experiments.definitions import BadExperiments, Experiment, read_experiment
from service.recommend.policy import BadPolicies, read_policies

MEBIBYTE = 1 << 20


class Unusable(Exception):
    """An option that cannot be used; the message says why."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    begin = time.monotonic()

    def progress(stage: str) -> None:
        if not options.quiet:
            print(f"{time.monotonic() - begin:7.1f} s  {stage}", file=sys.stderr)

    try:
        experiment = _experiment(options)
        segments = list(options.events.glob("*.jsonl"))
        mebibytes = sum(segment.stat().st_size for segment in segments) / MEBIBYTE
        progress(f"reading {len(segments):,} segments, {mebibytes:,.0f} MiB")
        with open_events(options.events, named_stories=False) as events:
            report = analysed(
                experiment,
                events,
                denominator=options.denominator,
                generated=int(time.time()),
                until=options.until,
                progress=progress,
            )
        _write(report, options)
        progress("done")
    except (Unusable, BadExperiments, BadPolicies, BadSetting) as error:
        return _failed(error, 2)
    except (OSError, IOException) as error:
        return _failed(error, os.EX_IOERR)
    print(as_text(report))
    return 1 if report.faults else 0


def _experiment(options: argparse.Namespace) -> Experiment:
    if not options.events.is_dir():
        raise Unusable(f"{options.events} is no directory of events")
    policies = read_policies(Settings.from_environment().policies)
    return read_experiment(options.experiments, options.experiment, policies)


def _write(report: Report, options: argparse.Namespace) -> None:
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    if options.out:
        options.out.write_text(as_html(report), "utf-8")


def _failed(error: Exception, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--events", type=Path, required=True, metavar="DIR", help="the event log")
    add("--experiments", type=Path, required=True, metavar="FILE", help="the experiments.toml that it was made by")
    add("--experiment", required=True, metavar="KEY")
    add("--out", type=Path, metavar="FILE", help="write a page to read, print and send here")
    add("--json", type=Path, metavar="FILE", help="write every figure here")
    add(
        "--denominator",
        choices=("exposures", "views"),
        default="exposures",
        help="lists served, or seen (%(default)s)",
    )
    add("--until", type=date.fromisoformat, metavar="DATE", help="leave out lists of this day (UTC) and later")
    add("--quiet", action="store_true", help="no progress")
    return parser


if __name__ == "__main__":
    sys.exit(main())
