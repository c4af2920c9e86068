"""Owns the data-quality table: what became of every line of the log, and what of an experiment counts nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.evaluation.experiments.events import NAMED, Lines, MalformedLine
from service.evaluation.experiments.events_experiment import ExperimentEvents
from service.evaluation.experiments.result import Count

LISTS = {
    "no_unit": ("lists without a reader’s ID", ""),
    "outside_dates": ("lists outside the test’s days", ""),
    "unknown_variant": ("lists of variants that the definition does not name", ""),
}
READERS = {
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


def log_counts(lines: Lines, malformed: Sequence[MalformedLine]) -> tuple[Count, ...]:
    """What became of every line of the log, the whole installation’s. `malformed`: the first such lines, named."""
    notes = {
        "torn": ", ".join(lines.torn[:NAMED]),
        "malformed": ", ".join(f"{line.file}:{line.number}" for line in malformed),
    }
    counts = [
        Count(what=f"{KINDS.get(kind, kind)} {STATUSES[status]}", n=n, of="lines", note=notes.get(status, ""))
        for (kind, status), n in lines.counts.items()
        if status != "refused"
    ]
    refused = [Count(what=f"refused: {reason}", n=n, of="events") for reason, n in lines.refused.items()]
    return (*counts, *refused)


def left_out(data: ExperimentEvents) -> tuple[Count, ...]:
    """What of the experiment counts in no effect, by reason."""
    lists = dict(data.events.rows("SELECT reason, count(*) FROM lists WHERE reason <> 'used' GROUP BY reason"))
    units = dict(data.events.rows("SELECT reason, count(*) FROM excluded_units GROUP BY reason"))
    names = {"unknown_variant": ", ".join(unknown_variants(data))}
    return (
        *(
            Count(what=what, n=lists.get(reason, 0), of="lists", note=names.get(reason, note))
            for reason, (what, note) in LISTS.items()
        ),
        *(
            Count(what=what, n=units.get(reason, 0), of=f"readers, {lists.get(reason, 0):,} lists", note=note)
            for reason, (what, note) in READERS.items()
        ),
        _orphans(data.orphans()),
    )


def unknown_variants(data: ExperimentEvents) -> list[str]:
    """The first ten that the definition does not name."""
    rows = data.events.rows("SELECT DISTINCT variant FROM lists WHERE reason = 'unknown_variant' ORDER BY 1 LIMIT 10")
    return [str(variant) for (variant,) in rows]


def _orphans(by_arm: Mapping[str, Sequence[int]]) -> Count:
    orphaned = {arm: orphans for arm, (orphans, _) in by_arm.items() if orphans}
    return Count(
        what="views and clicks of lists that the log does not have",
        n=sum(orphaned.values()),
        of="events",
        note=", ".join(f"“{arm}” {orphans:,}" for arm, orphans in orphaned.items()),
    )
