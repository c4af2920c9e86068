"""Groups an archive: near-duplicates within events within storylines.

Each level clusters the newest articles of the clusters below it, so the levels nest. The models are those of
`index.clustering.near_duplicates` and `index.clustering.events`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import UNDATED, Article
from index.clustering.average_linkage import average_linkage
from index.clustering.events import EVENT_DAYS, NEGLIGIBLE, EventModel, above, near_in_time
from index.clustering.near_duplicates import CopyModel, copy_probabilities
from index.storage.arrays import parts

COPY_CUT = 0.5  # of calibrated probabilities: rather a copy than not
# A season later a changed text is rather this year's edition of an annual one: digital.gov has calls and reports
# of two years with probabilities of .7 to .9. What is published again unchanged has .99.
LATER_DAYS, LATER_LEAST = 90, 0.95
BLOCK = 4_096  # rows whose candidates are looked at together

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]


class StoryModel(NamedTuple):
    """The learned numbers of all three levels."""

    copies: CopyModel
    events: EventModel


class Stories(NamedTuple):
    """Three columns (n,) uint32: the newest row of each row's duplicate cluster, event and storyline."""

    canonical: npt.NDArray[np.uint32]
    event: npt.NDArray[np.uint32]
    storyline: npt.NDArray[np.uint32]


class _Pairs(NamedTuple):
    """Distinct candidate pairs, the lower row left: rows (p,), dense and lexical cosine (p,)."""

    left: Rows
    right: Rows
    dense: Floats
    lexical: Floats

    def where(self, chosen: npt.NDArray[Any]) -> _Pairs:
        return _Pairs(*(column[chosen] for column in self))

    def among(self, labels: Rows) -> _Pairs:
        """Those between rows that stand for their cluster."""
        return self.where((labels[self.left] == self.left) & (labels[self.right] == self.right))


def find_stories(
    articles: Sequence[Article],
    rows: Rows,
    dense: Floats,
    lexical: Floats,
    model: StoryModel,
    background: float = 0.0,
    published: Rows | None = None,
) -> Stories:
    """The clusters of `articles` (by date, so that a higher row is newer); an article alone has its own row.

    `rows` (n, k): candidates of each row, -1 as padding; `dense`, `lexical` (n, k): their cosines; `background`: what
    the dense cosine of unrelated articles is (`index.clustering.events.background_of`). `published` (n,): their
    dates, read from the articles where not given. The arrays may be memory-mapped.
    """
    pairs = _distinct(rows, dense, lexical, model, background)
    if published is None:
        dates = (UNDATED if article.published_at is None else article.published_at for article in articles)
        published = np.fromiter(dates, np.int64, len(articles))
    canonical = _copies(articles, published, pairs, model.copies)
    event = _events(published, pairs.among(canonical), model.events)[canonical]
    storyline = _storylines(len(articles), pairs.among(event), model.events)[event]
    return Stories(*(labels.astype(np.uint32) for labels in (canonical, event, storyline)))


def default_stories() -> StoryModel:
    """The numbers that ship."""
    copies, events = (
        (files("index.clustering") / f"default_{name}.json").read_bytes() for name in ("duplicates", "events")
    )
    return StoryModel(msgspec.json.decode(copies, type=CopyModel), msgspec.json.decode(events, type=EventModel))


def _distinct(rows: Rows, dense: Floats, lexical: Floats, model: StoryModel, background: float) -> _Pairs:
    """Each pair that can matter once, though either row may list the other; dense cosines above the background."""
    blocks = [(start, slice(start, start + BLOCK)) for start in range(0, max(len(rows), 1), BLOCK)]
    parts = [
        _that_matter(start, rows[block], dense[block], lexical[block], model, background) for start, block in blocks
    ]
    pairs = _Pairs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    _, first = np.unique(pairs.left * len(rows) + pairs.right, return_index=True)
    return pairs.where(first)


def _that_matter(
    start: int, rows: Rows, dense: Floats, lexical: Floats, model: StoryModel, background: float
) -> _Pairs:
    """Of a block of rows that begins with `start`, without what is neither a suspect copy nor likely one story."""
    dense = above(np.asarray(dense, np.float32), background)
    lexical = np.asarray(lexical, np.float32)
    probable = model.events.probability(dense.ravel(), lexical.ravel()).reshape(rows.shape)
    row, place = np.nonzero((rows >= 0) & ((lexical >= model.copies.suspect) | (probable >= NEGLIGIBLE)))
    own, other = row + start, np.asarray(rows[row, place], np.int64)
    return _Pairs(np.minimum(own, other), np.maximum(own, other), dense[row, place], lexical[row, place])


def _copies(articles: Sequence[Article], published: Rows, pairs: _Pairs, model: CopyModel) -> Rows:
    suspects = pairs.where(pairs.lexical >= model.suspect)
    places = np.arange(len(suspects.left))
    blocks = (suspects.where(places[part]) for part in parts(len(places)))  # a text's shingles take some 4 kB
    probabilities = [_copy_probabilities(articles, block, model) for block in blocks]
    probable = np.concatenate([np.zeros(0), *probabilities])
    soon = near_in_time(published[suspects.left], published[suspects.right], LATER_DAYS)
    probable[~soon & (probable < LATER_LEAST)] = 0
    return average_linkage(len(articles), suspects.left, suspects.right, probable, COPY_CUT)


def _copy_probabilities(articles: Sequence[Article], pairs: _Pairs, model: CopyModel) -> npt.NDArray[np.float64]:
    both = list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    return copy_probabilities(articles, both, pairs.lexical, model)


def _events(published: Rows, pairs: _Pairs, model: EventModel) -> Rows:
    near = pairs.where(near_in_time(published[pairs.left], published[pairs.right], EVENT_DAYS))
    return _linked(len(published), near, model, model.event_cut)


def _storylines(n: int, pairs: _Pairs, model: EventModel) -> Rows:
    return _linked(n, pairs, model, model.storyline_cut)


def _linked(n: int, pairs: _Pairs, model: EventModel, cut: float) -> Rows:
    probable = model.probability(pairs.dense, pairs.lexical)
    kept = probable >= NEGLIGIBLE
    return average_linkage(n, pairs.left[kept], pairs.right[kept], probable[kept], cut)
