"""A simulated event log of one experiment: readers of known habits, variants of known quality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from service.experiments.assignment import assign
from service.experiments.definitions import Experiment, Variant
from service.experiments.event_schema import Click, Exposure, LoggedItem, Refused, View, line

DAY = 86_400
STORIES = 5  # of a list
Record = Exposure | View | Click | Refused

TEST = Experiment(
    key="fresher",
    description="Newer stories first",
    owner="Data desk",
    starts_on=date(2026, 11, 20),
    ends_on=date(2026, 11, 27),
    salt="fresher",
    minimum_effect=0.05,
    variants=(
        Variant(key="control", policy="related", weight=0.5),
        Variant(key="fresh", policy="latest", weight=0.5),
    ),
)


class Quality(NamedTuple):
    """What a variant's lists are like. `lift`: of the readers' chance to click."""

    lift: float = 0.0
    slower_ms: float = 0.0
    catalogue: int = 400
    same_section: float = 0.35


class Habits(NamedTuple):
    """Lists are a reader's in the days of the test, and a share of as many before it; chances differ by reader."""

    lists: float = 4.0
    before: float = 0.5
    clicks: float = 0.2


READERS = Habits()


def simulated(
    experiment: Experiment,
    readers: int,
    seed: int,
    qualities: Mapping[str, Quality] | None = None,
    habits: Habits = READERS,
) -> list[Record]:
    """Every list of so many readers, each followed by its view and click; `qualities` by variant."""
    draw = np.random.default_rng(seed)
    chances = draw.beta(2, 2 / habits.clicks - 2, readers)
    lists = 1 + draw.poisson(habits.lists - 1, readers)
    before = draw.binomial(lists, habits.before)
    start = datetime.combine(experiment.starts_on, datetime.min.time(), UTC).timestamp()
    seconds = (experiment.ends_on - experiment.starts_on) / timedelta(seconds=1)
    records: list[Record] = []
    for n in range(readers):
        unit = f"u{seed}-{n}"
        assigned = assign(experiment, unit)
        arm = assigned.variant if assigned else None
        quality = (qualities or {}).get(arm.key if arm else "", Quality())
        for at in start - 13 * DAY * draw.random(before[n]):
            records += _list(draw, unit, float(at), chances[n], Quality(), None, None)
        for at in start + seconds * draw.random(lists[n]) if arm else ():
            records += _list(draw, unit, float(at), chances[n], quality, experiment.key, arm)
    return records


def written(records: Iterable[Record], directory: Path) -> Path:
    """The records as a log of one segment."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "20261120T000000-1-0000.jsonl").write_bytes(b"".join(map(line, records)))
    return directory


def definition(experiment: Experiment) -> str:
    """The experiment as a file to read."""
    variants = "".join(
        f'[[{experiment.key}.variants]]\nkey = "{each.key}"\npolicy = "{each.policy}"\nweight = {each.weight}\n'
        for each in experiment.variants
    )
    return (
        f'[{experiment.key}]\ndescription = "{experiment.description}"\nowner = "{experiment.owner}"\n'
        f"starts_on = {experiment.starts_on}\nends_on = {experiment.ends_on}\n"
        f"minimum_effect = {experiment.minimum_effect}\n{variants}"
    )


def _list(
    draw: np.random.Generator,
    unit: str,
    at: float,
    chance: float,
    quality: Quality,
    experiment: str | None,
    arm: Variant | None,
) -> list[Record]:
    list_id = draw.bytes(12).hex()
    stories = draw.integers(0, quality.catalogue, STORIES).tolist()
    told: dict[str, Any] = {
        "list_id": list_id,
        "article_id": f"news/{stories[0]}",
        "block": "default",
        "policy": arm.policy if arm else "related",
        "experiment": experiment,
        "variant": arm.key if arm else None,
    }
    records: list[Record] = [_exposure(draw, unit, at, quality, stories, told)]
    shown = {"at": at + 2, "occurred_at": at + 2, "served_at": at, "quarantine": None, **told}
    seen = draw.random() < 0.8
    if seen:
        records.append(View(**shown))
    if seen and draw.random() < chance * (1 + quality.lift) / 0.8:
        records.append(Click(**shown, clicked_id=str(stories[0]), position=1))
    return records


def _exposure(
    draw: np.random.Generator, unit: str, at: float, quality: Quality, stories: Sequence[int], told: dict[str, Any]
) -> Exposure:
    same = draw.random(STORIES) < quality.same_section
    items = [
        LoggedItem(id=str(story), source="similar", score=0.5, team=None, section="news" if its else "sport")
        for story, its in zip(stories, same, strict=True)
    ]
    return Exposure(
        at=at,
        unit=unit,
        override=False,
        channel="default",
        snapshot_id="20261119T210000Z-8b1c2d3e",
        expires_at=at + DAY,
        fallback_used=bool(draw.random() < 0.02),
        degraded=(),
        took_ms=float(draw.lognormal(0.5, 0.5)) + quality.slower_ms,
        same_section=float(same.mean()),
        age_days=float(draw.gamma(2, 10)),
        diversity=float(draw.normal(0.6, 0.1)),
        duplicates=int(draw.random() < 0.001),
        items=tuple(items),
        propensities=None,
        **told,
    )
