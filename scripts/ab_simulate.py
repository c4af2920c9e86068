"""Fill an event log with readers whose behaviour is known, through the real service: days of them in seconds.

    python scripts/ab_simulate.py --store DIR --experiments FILE --experiment KEY --events DIR [--lift 0.15]

The service runs behind its real web server on this machine, in a time that the simulation tells it. Readers open
articles (GET /v1/related with their unit), and their pages report what they saw and clicked (POST /v1/events). They
differ in how often they come and click (scripts/simulation/readers.py). In each variant but the control they click
more often by the planted lift; with 0, and one policy in all variants, the test is A/A. Days before the experiment
begins are history as any other. With it comes some of the trouble of real life: pages that report twice or days
late, clocks that are an hour off, changed tokens, a bot that clicks all that it sees. The lift is planted on lists
that are seen: a variant with more empty lists than the control loses of it.

What was planted, sent and answered is written to truth.json in --events, and printed. An earlier simulation's log
there goes. One seed gives the same readers, visits and chances; which lists they get is the service's. Settings
without an option here are those of the environment (RELATED_...; service/config.py); the live store is left out.

Exit codes: 0 done, 1 the service failed, 2 usage.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from tqdm import tqdm

from index.publishing.store import Store, UnknownSnapshot
from index.snapshot.manifest import DamagedSnapshot
from index.snapshot.reader import Snapshot
from scripts.simulation.readers import DAY, Reading, appeals, readers, readings
from scripts.simulation.simulated_service import simulated_service
from scripts.simulation.simulation import Plan, Simulation, Trouble
from service.config import BadSetting, Settings
from service.experiments.definitions import BadExperiments, read_experiment
from service.experiments.event_log import segments
from service.recommend.policy import BadPolicies, read_policies

TRUTH = "truth.json"
HELP = {
    "replays": "share of reports that are sent twice",
    "late": "share of reports that come two days late",
    "changed": "share of reports with a changed token",
    "wrong_clocks": "share of readers whose clocks are an hour ahead or behind",
    "bots": "how many bots there are",
}


class Unusable(Exception):
    """An option that cannot be used; the message says why."""


def simulate(plan: Plan, store: Path, experiments: Path, events: Path, channel: str = "default") -> dict[str, Any]:
    """Run it; the truth, which then also stands in `events`.

    Raises `Unusable` where nothing can be simulated, RuntimeError where the service fails.
    """
    published_at = _stories(store, channel, plan.begin_seconds)
    newest_first = sorted(published_at, key=lambda each: -published_at[each])
    draw = np.random.default_rng((plan.seed, 1))
    people = readers(plan.readers, plan.habits, draw, plan.trouble.wrong_clocks)
    visits = readings(people, newest_first, plan.begin_seconds, plan.days, plan.habits, draw)
    appeal = appeals(published_at, plan.begin_seconds, plan.habits, draw)
    _begin_anew(events)
    settings = {"store": store, "experiments": experiments, "events": events, "live": "off", "channel": channel}
    with simulated_service(settings, events / "service.log") as service:
        simulation = Simulation(plan, service, appeal)
        _read_all(simulation, plan, visits, newest_first)
        simulation.finish()
    truth = simulation.truth.told(plan)
    (events / TRUTH).write_bytes(msgspec.json.format(msgspec.json.encode(truth)) + b"\n")
    return truth


def _read_all(simulation: Simulation, plan: Plan, visits: Iterable[Reading], newest_first: list[str]) -> None:
    """Let readers read in the order of time, and each day's bots crawl before that day's readers."""
    day = plan.begin_seconds
    for reading in tqdm(visits, "reading", unit=" lists", disable=None):
        while day <= reading.at:
            for bot in range(plan.trouble.bots):
                simulation.crawl(f"bot-{bot}", newest_first, day)
            day += DAY
        simulation.read(reading)


def planned(options: argparse.Namespace, settings: Settings, today: date) -> Plan:
    """The plan that the options describe. Raises `Unusable`, `BadExperiments`, `BadPolicies`."""
    experiment = read_experiment(options.experiments, options.experiment, read_policies(settings.policies))
    begin = options.begin or today - timedelta(days=options.days)
    if begin >= experiment.ends_on or begin + timedelta(days=options.days) <= experiment.starts_on:
        raise Unusable(
            f"[{experiment.key}] runs from {experiment.starts_on} until {experiment.ends_on}: none of the "
            f"{options.days} days from {begin} on; see --begin"
        )
    trouble = Trouble(**{field.name: getattr(options, field.name) for field in fields(Trouble)})
    return Plan(experiment, begin, options.readers, options.days, options.lift, options.seed, trouble=trouble)


def _begin_anew(events: Path) -> None:
    """An empty log; another simulation's goes, but nobody's real events."""
    events.mkdir(parents=True, exist_ok=True)
    if segments(events) and not (events / TRUTH).exists():
        raise Unusable(f"{events} holds events that are no simulation's")
    (events / TRUTH).touch()  # from here on they are
    for segment in segments(events):
        segment.unlink()


def _stories(store: Path, channel: str, now: int) -> dict[str, int]:
    """The stories that are out, and when they were published."""
    found = Store(store)
    active = found.active_id(channel)
    if active is None:
        raise Unusable(f"no snapshot of channel {channel} in {store}; make one: scripts/rebuild_index.py")
    snapshot = Snapshot.open(found.directory(active))
    out = {snapshot.id_of(row): snapshot.fact(row).published_at for row in snapshot.visible_rows(now).tolist()}
    if not out:
        raise Unusable(f"no story in {store} is published by the day on which the simulation begins")
    return out


def main(arguments: list[str] | None = None, clock: Callable[[], float] = time.time) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    begin = time.monotonic()
    try:
        settings = Settings.from_environment()
        plan = planned(options, settings, datetime.fromtimestamp(clock(), UTC).date())
        truth = simulate(plan, options.store, options.experiments, options.events, settings.channel)
    except (Unusable, BadSetting, BadPolicies, BadExperiments, UnknownSnapshot, DamagedSnapshot) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(msgspec.json.format(msgspec.json.encode(truth)).decode())
    took = f"{time.monotonic() - begin:.1f} s"
    print(f"{truth['lists']:,} lists, {truth['accepted']:,} events accepted in {took}: {options.events}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, metavar="DIR", help="a store with a snapshot")
    parser.add_argument("--experiments", type=Path, required=True, metavar="FILE", help="an experiments.toml")
    parser.add_argument("--experiment", required=True, metavar="KEY", help="the one whose block is simulated")
    parser.add_argument("--events", type=Path, required=True, metavar="DIR", help="where the event log goes")
    parser.add_argument("--readers", type=int, default=Plan.readers, metavar="N", help="default: %(default)s")
    parser.add_argument("--days", type=int, default=Plan.days, metavar="N", help="default: %(default)s")
    parser.add_argument("--lift", type=float, default=Plan.lift, help="planted, relative (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=Plan.seed, help="default: %(default)s")
    parser.add_argument(
        "--begin", type=date.fromisoformat, metavar="DATE", help="default: so that yesterday is the last day"
    )
    for field in fields(Trouble):
        kind, name = type(field.default), field.name.replace("_", "-")
        parser.add_argument(f"--{name}", type=kind, default=field.default, help=f"{HELP[field.name]} (%(default)s)")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service is ended
    sys.exit(main())
