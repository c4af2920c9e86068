"""What readers' clicks say of pairs of articles, rid of what is due to positions: labels to learn relevance from.

Readers look at the first stories of a list more than at the last, so a click is worth more, the less its position is
looked at. Only lists count that were seen or clicked in, and none of bots' or out of its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

LEAST_CLICKS = 300  # about forty for each number of the model
LEAST_MOVED = 30  # clicks at a position, without which nothing is estimated of it: one in five off by chance
MOST_WEIGHT = 10.0  # what one click may be worth
STEPS = 1_000

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


class TooFewClicks(Exception):
    """There is too little to learn from."""

    def __init__(self, clicks: int) -> None:
        super().__init__(f"{clicks} clicks can be learned from, {LEAST_CLICKS} are the least")
        self.clicks = clicks


@dataclass(frozen=True)
class Placings:
    """How often stories were shown at positions, and clicked. A pair: a source article and a story under it.

    `pairs` (p, 2) their IDs; of each pair at each of its positions, (n,): `pair` (a row of `pairs`), `position` (from
    0), `shown` and `clicked` (numbers of lists).
    """

    pairs: list[tuple[str, str]]
    pair: Whole
    position: Whole
    shown: Whole
    clicked: Whole


@dataclass(frozen=True)
class Examination:
    """`looked_at` (m,): how often readers look at each position, the most looked-at being 1.

    The first `estimated` of them are estimated from the log, on `moved` clicks; the rest is assumed.
    """

    looked_at: Array
    estimated: int
    moved: int


class Label(NamedTuple):
    """Of a pair: `share` (0-1) of readers who looked at it and clicked, from `shown` lists and `clicks`."""

    share: float
    shown: int
    clicks: int


_PLACINGS = """
    WITH busy AS (FROM bots(NULL, NULL, $bot_exposures, $bot_clicks)),
    seen AS (SELECT list_id FROM views UNION SELECT list_id FROM clicks),
    placed AS (
        SELECT list_id, article_id, unnest(story_ids) AS story, generate_subscripts(story_ids, 1) - 1 AS place
        FROM exposures SEMI JOIN seen USING (list_id) ANTI JOIN busy USING (unit)
    )
    SELECT article_id, story, place, count(*), count(clicked.list_id)
    FROM placed LEFT JOIN (SELECT list_id, clicked_id AS story FROM clicks) AS clicked USING (list_id, story)
    GROUP BY ALL ORDER BY ALL
"""


def read_placings(directory: Path) -> Placings:
    """What the event log in `directory` tells."""
    # duckdb is of the extra `experiments`: who learns from links needs none
    from service.evaluation.experiments.events import open_events
    from service.evaluation.experiments.events_experiment import BOT_CLICKS, BOT_EXPOSURES

    with open_events(directory) as events:
        rows = events.rows(_PLACINGS, bot_clicks=BOT_CLICKS, bot_exposures=BOT_EXPOSURES)
    pairs = list(dict.fromkeys((source, story) for source, story, *_ in rows))
    known = {pair: at for at, pair in enumerate(pairs)}
    numbers = np.array([(known[row[0], row[1]], *row[2:]) for row in rows], np.int64).reshape(-1, 4)
    return Placings(pairs, *numbers.T)


def examination_of(placings: Placings) -> Examination:
    """How often positions are looked at, from stories that stood at several of them under one article.

    The same story is as good at each, so what differs is how often it is looked at: a click is taken for a look times
    an attraction, and both are fitted in turn. Stories move as policies, readers' variants and the archive change;
    exploring policies move them on purpose. Positions with too few such clicks, and all beyond, follow the discount
    of nDCG, 1 / log2(1 + position); so do groups of positions that share no story, one against the other.
    *Source*: position-based model, Richardson, Dominowska and Ragno, 2007; Agarwal et al., 2019.
    """
    positions = int(placings.position.max(initial=-1)) + 1
    assumed = 1 / np.log2(2 + np.arange(positions))
    moved = np.bincount(placings.pair)[placings.pair] > 1 if positions else np.zeros(0, bool)
    clicks = np.bincount(placings.position[moved], placings.clicked[moved], positions)
    enough = np.append(clicks >= LEAST_MOVED, False)
    estimated = int(np.argmin(enough))
    if estimated < 2:
        return Examination(assumed, 0, int(clicks.sum()))
    kept = moved & (placings.position < estimated)
    fitted = _fitted(placings, kept, assumed[:estimated])
    looked_at = np.concatenate([fitted, assumed[estimated:] * fitted[-1] / assumed[estimated - 1]])
    return Examination(looked_at / looked_at.max(), estimated, int(clicks[:estimated].sum()))


def _fitted(placings: Placings, kept: npt.NDArray[np.bool_], start: Array) -> Array:
    """(m,) how often positions are looked at, by the rows `kept`, from `start` on."""
    position, shown, clicked = (column[kept] for column in (placings.position, placings.shown, placings.clicked))
    _, pair = np.unique(placings.pair[kept], return_inverse=True)
    clicks_of_pair, clicks_at = np.bincount(pair, clicked), np.bincount(position, clicked)
    looked_at = start
    for _ in range(STEPS):
        attraction = clicks_of_pair / np.bincount(pair, shown * looked_at[position])
        before, looked_at = looked_at, clicks_at / np.bincount(position, shown * attraction[pair])
        if np.abs(looked_at - before).max() < 1e-6:
            break
    return looked_at


def require_enough(by_pair: Iterable[Mapping[Any, Label]]) -> None:
    """Raises `TooFewClicks` where the labels of all sources have too few clicks."""
    clicks = sum(label.clicks for stories in by_pair for label in stories.values())
    if clicks < LEAST_CLICKS:
        raise TooFewClicks(clicks)


def labels(placings: Placings, looked_at: Array) -> dict[str, dict[str, Label]]:
    """By source article and story: clicks, each worth 1 / how often its position is looked at, in lists shown."""
    worth = np.minimum(1 / looked_at, MOST_WEIGHT)[placings.position]
    shown, clicks = (np.bincount(placings.pair, weights) for weights in (placings.shown, placings.clicked))
    share = np.minimum(np.bincount(placings.pair, placings.clicked * worth) / shown, 1)
    labelled: dict[str, dict[str, Label]] = {}
    for (source, story), *numbers in zip(
        placings.pairs, share.tolist(), shown.tolist(), clicks.tolist(), strict=True
    ):
        labelled.setdefault(source, {})[story] = Label(numbers[0], int(numbers[1]), int(numbers[2]))
    return labelled
