"""Plan an experiment: how many units (readers) it needs, how many days it takes, what it can tell by when.

    python scripts/ab_plan.py --baseline 0.04 --lift 0.05 --daily-units 20000 [--alpha --power --arms --coverage]

For a rate of clicks per list where most readers see one list. Readers who see several are alike in them, so plan with
a spread: --sd is that of one reader's clicks per list (an earlier report's standard error of the difference times
sqrt(readers an arm / 2)). The report decides by an interval that is valid at every look: that column is the one to
plan by; the other is for a single look at the end. Exit codes: 0 done, 2 usage.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence

from service.evaluation.experiments.comparisons import N_STAR
from service.evaluation.experiments.power import (
    AlwaysValid,
    FixedHorizon,
    Rule,
    days_for,
    detectable_difference,
    detectable_lift,
    units_for_mean,
    units_for_rates,
)

WEEKS = (1, 2, 3, 4, 6, 8)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.baseline * (1 + options.lift) >= 1:
        parser.error(
            f"--lift: {options.baseline:g} cannot rise by {options.lift:g}; it would reach 1, the limit of rates"
        )
    print("\n".join([*_needs(options), *_weeks(options)]))
    return 0


def _needs(options: argparse.Namespace) -> list[str]:
    risen = options.baseline * (1 + options.lift)
    told = f"{options.baseline:.2%} -> {risen:.2%} ({options.lift:+.1%}), {options.arms} arms"
    lines = [f"To tell {told}, alpha {options.alpha:g}, power {options.power:g}:"]
    for name, rule in _rules(options):
        units = _units(options, rule)
        days = days_for(units, options.arms, options.daily_units, options.coverage)
        lines.append(f"  {name:<13} {units:>12,} units an arm {days:>8,} days")
    return lines


def _weeks(options: argparse.Namespace) -> list[str]:
    """The least lift that can be told by the end of each week, if every day brings as many new readers."""
    lines = ["", "weeks  units an arm  least lift: " + "  ".join(f"{name:>13}" for name, _ in _rules(options))]
    for weeks in WEEKS:
        units = weeks * 7 * options.daily_units * options.coverage / options.arms
        lifts = "  ".join(f"{_least_lift(options, units, rule):>13}" for _, rule in _rules(options))
        lines.append(f"{weeks:>5}  {units:>12,.0f}              {lifts}")
    return lines


def _rules(options: argparse.Namespace) -> list[tuple[str, Rule]]:
    """Several arms share alpha, as the first step of Holm's correction does."""
    alpha = options.alpha / (options.arms - 1)
    return [("always valid", AlwaysValid(N_STAR, alpha)), ("one look", FixedHorizon(alpha))]


def _units(options: argparse.Namespace, rule: Rule) -> int:
    if options.sd is None:
        return units_for_rates(options.baseline, options.lift, options.power, rule)
    return units_for_mean(options.sd, options.baseline * options.lift, options.power, rule)


def _least_lift(options: argparse.Namespace, units: float, rule: Rule) -> str:
    if options.sd is None:
        lift = detectable_lift(options.baseline, units, options.power, rule)
    else:
        lift = detectable_difference(options.sd, units, options.power, rule) / options.baseline
    return f"{lift:.1%}" if options.baseline * (1 + lift) < 1 else "none"


def _number(allowed: str, is_allowed: Callable[[float], bool]) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and is_allowed(value)):
            raise argparse.ArgumentTypeError(f"{allowed}, not {text!r}")
        return value

    return read


def _arms(text: str) -> int:
    value = _number("a whole number from 2 to 10", lambda value: value in range(2, 11))(text)
    return int(value)


def _parser() -> argparse.ArgumentParser:
    share = _number("a number above 0 and below 1", lambda value: 0 < value < 1)
    above_zero = _number("a number above 0", lambda value: value > 0)
    part = _number("a number above 0, at most 1", lambda value: 0 < value <= 1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options: Sequence[tuple[str, Callable[[str], float], float | None, str]] = (
        ("--alpha", share, 0.05, "the chance of a false effect"),
        ("--power", share, 0.8, "the chance of finding the effect"),
        ("--arms", _arms, 2, "variants with the control"),
        ("--coverage", part, 1.0, "share of the units that take part"),
        ("--sd", above_zero, None, "one reader's standard deviation, where readers see several lists"),
    )
    parser.add_argument("--baseline", type=share, required=True, help="clicks per list of the control")
    parser.add_argument(
        "--lift", type=above_zero, required=True, help="the relative effect to tell: 0.05 is 5%% more"
    )
    parser.add_argument("--daily-units", type=above_zero, required=True, help="new readers a day")
    for name, kind, default, what in options:
        parser.add_argument(name, type=kind, default=default, help=f"{what} (default: {default})")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
