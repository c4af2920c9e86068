"""Owns whether an experiment's data may be used: who fell to which variant, what the log holds, what was left out.

Where they may not be used, a report shows no effects: a plausible figure of damaged data is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.evaluation.ab.events import Lines
from service.evaluation.ab.events_experiment import Counts, ExperimentEvents
from service.evaluation.ab.result import Arm, Count, SampleRatio
from service.evaluation.ab.sample_ratio import THRESHOLD, sample_ratio_mismatch
from service.experiments.assignment import assign
from service.experiments.definitions import INTERLEAVED, Experiment

TOLERATED = 0.01  # share of readers, lists or lines: what is left out above this is no longer a trifle
MISTIMED = 0.1  # share of views and clicks that may come late or from wrong clocks: tabs stay open for days
CHECKED_UNITS = 20_000  # whose variant is computed again

LEFT_OUT = {
    "no_unit": ("lists without a reader’s ID", ""),
    "outside_dates": ("lists outside the test’s days", ""),
    "unknown_variant": ("lists of variants that the definition does not name", ""),
    "override": ("readers whom the definition puts into a variant", ""),
    "two_arms": ("readers who were in two variants", ""),
    "bot": ("readers who are programs", "more than 100 clicks or 1,000 lists a day"),
}
STATUSES = {
    "accepted": "that count",
    "late": "that came after the token’s end",
    "future": "from a clock that is ahead",
    "early": "from before their list",
    "logged_twice": "written down twice",
    "replay": "sent again",
    "incomplete": "that lack something",
    "malformed": "that can’t be read",
    "unknown_kind": "of an unknown kind",
    "torn": "torn at a segment’s end",
}
KINDS = {"exposure": "lists", "view": "views", "click": "clicks", "": "lines"}


def arms_of(experiment: Experiment, counts: Mapping[str, Counts]) -> tuple[Arm, ...]:
    """The variants in their order; of an interleaved test, both with what their common lists got."""
    common = counts.get(INTERLEAVED, Counts(0, 0, 0, 0))
    units = sum(each.units for each in counts.values())
    return tuple(
        Arm(
            key=variant.key,
            policy=variant.policy,
            channel=variant.channel,
            weight=variant.weight,
            expected=float(units if experiment.mode == "interleave" else units * variant.weight),
            **vars(counts.get(variant.key, common)),
        )
        for variant in experiment.variants
    )


def sample_ratio(experiment: Experiment, arms: Sequence[Arm]) -> SampleRatio | None:
    """None for an interleaved test, in which all readers are in both."""
    if experiment.mode == "interleave":
        return None
    p = sample_ratio_mismatch([arm.units for arm in arms], [arm.weight for arm in arms])
    return SampleRatio(p_value=p, threshold=THRESHOLD, mismatch=p < THRESHOLD)


def faults(found: ExperimentEvents, lines: Lines, arms: Sequence[Arm], ratio: SampleRatio | None) -> tuple[str, ...]:
    """Why the data must not be used, a sentence each; none if they may."""
    said = [
        "No list of this experiment counts." if not _units(arms) else "",
        _mismatch(arms, ratio),
        *(f"Variant “{arm.key}” has no lists." for arm in arms if _units(arms) and not arm.units),
        *_left_out_faults(found, arms),
        _assignment_fault(found),
        *_line_faults(lines),
    ]
    return tuple(each for each in said if each)


def log_counts(lines: Lines) -> tuple[Count, ...]:
    """What became of every line of the log, the whole installation’s."""
    counts = [
        Count(what=f"{KINDS.get(kind, kind)} {STATUSES.get(status, status)}", n=n, of="lines")
        for (kind, status), n in lines.counts.items()
        if status != "refused"
    ]
    refused = [Count(what=f"refused: {each}", n=n, of="events") for each, n in lines.refused.items()]
    return (*counts, *refused)


def left_out(found: ExperimentEvents) -> tuple[Count, ...]:
    """What of the experiment counts in no effect, by reason."""
    lists = dict(found.events.rows("SELECT reason, count(*) FROM lists WHERE reason <> 'used' GROUP BY reason"))
    units = dict(found.events.rows("SELECT reason, count(*) FROM excluded_units GROUP BY reason"))
    return tuple(
        Count(
            what=what,
            n=units.get(reason, 0) if reason in ("override", "two_arms", "bot") else lists.get(reason, 0),
            of=f"readers, {lists.get(reason, 0):,} lists" if reason in ("override", "two_arms", "bot") else "lists",
            note=", ".join(_unknown_variants(found)) if reason == "unknown_variant" else note,
        )
        for reason, (what, note) in LEFT_OUT.items()
    )


def _units(arms: Sequence[Arm]) -> int:
    return sum(arm.units for arm in arms)


def _mismatch(arms: Sequence[Arm], ratio: SampleRatio | None) -> str:
    if ratio is None or not ratio.mismatch:
        return ""
    told = ", ".join(f"“{arm.key}” has {arm.units:,} readers instead of {arm.expected:,.0f}" for arm in arms)
    return f"Readers did not fall to the variants as planned: {told}."


def _left_out_faults(found: ExperimentEvents, arms: Sequence[Arm]) -> list[str]:
    """Of what is left out, that which nobody planned."""
    ((unknown, lists),) = found.events.rows(
        "SELECT count(*) FILTER (reason = 'unknown_variant'), count(*) FILTER (reason <> 'outside_dates') FROM lists"
    )
    ((two_arms,),) = found.events.rows("SELECT count(*) FROM excluded_units WHERE reason = 'two_arms'")
    said = []
    if unknown > TOLERATED * lists:
        names = ", ".join(_unknown_variants(found))
        said.append(f"{unknown:,} of {lists:,} lists are of variants that the definition does not name: {names}.")
    if two_arms > TOLERATED * (two_arms + _units(arms)):
        said.append(f"{two_arms:,} readers were in two variants: labels, weights or salt were changed in the test.")
    return said


def _unknown_variants(found: ExperimentEvents) -> list[str]:
    rows = found.events.rows(
        "SELECT DISTINCT variant FROM lists WHERE reason = 'unknown_variant' ORDER BY 1 LIMIT 10"
    )
    return [str(variant) for (variant,) in rows]


def _assignment_fault(found: ExperimentEvents) -> str:
    """The variant of a unit is arithmetic: done again, it shows labels that were mixed up."""
    if found.experiment.mode == "interleave":
        return ""
    rows = found.events.rows(f"SELECT unit, arm FROM units ORDER BY hash(unit), unit LIMIT {CHECKED_UNITS}")  # noqa: S608
    again = ((assign(found.experiment, unit), arm) for unit, arm in rows)
    wrong = sum(assigned is not None and assigned.variant.key != arm for assigned, arm in again)
    if wrong <= TOLERATED * len(rows):
        return ""
    return f"{wrong:,} of {len(rows):,} readers got another variant than their ID leads to: labels were mixed up."


def _line_faults(lines: Lines) -> list[str]:
    def number(statuses: Sequence[str], kinds: Sequence[str]) -> int:
        return sum(n for (kind, status), n in lines.counts.items() if status in statuses and kind in kinds)

    unreadable = number(("malformed", "unknown_kind", "incomplete"), tuple(KINDS))
    mistimed = number(("late", "future", "early"), ("view", "click"))
    reports = mistimed + number(("accepted",), ("view", "click"))
    said = []
    if unreadable > TOLERATED * lines.total:
        said.append(f"{unreadable:,} of {lines.total:,} lines of the log can’t be read.")
    if mistimed > MISTIMED * reports:
        said.append(f"{mistimed:,} of {reports:,} views and clicks came late or from wrong clocks.")
    return said
