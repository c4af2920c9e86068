"""Estimates whether two articles tell of one event (one happening, some days) or one storyline (the longer thread).

One logistic model of how likely two texts tell the same story, stored as plain numbers and learned by
scripts/training/train_events.py. An event needs a higher probability than a storyline, and nearness in time.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from index.article import UNDATED

DAY = 86_400
EVENT_DAYS = 2  # articles further apart are never one event: what comes later is the next chapter
LEAST_LEXICAL = 0.01
NEGLIGIBLE = 0.01  # pairs below are left out: they would fill the memory and hardly move a mean

Floats = npt.NDArray[np.floating]


class EventModel(msgspec.Struct, frozen=True):
    """Weights of the dense cosine above its background and of the logarithm of the lexical cosine; two cuts."""

    weights: tuple[float, float]
    bias: float
    event_cut: float
    storyline_cut: float
    origin: str

    def probability(self, dense: Floats, lexical: Floats) -> Floats:
        """(p,) dense above background, (p,) lexical cosines -> (p,) probabilities that two texts tell one story."""
        logits = event_inputs(dense, lexical) @ np.array(self.weights) + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))))


def above_background(cosines: Floats, vectors: Floats) -> Floats:
    """Cosines of any shape, stretched so that 0 is what two random rows of `vectors` (n, d, unit) have, and 1 is 1.

    What a cosine means depends on the model and on how narrow the archive is: two unrelated articles have .05
    with one and .7 with another.
    """
    return above(cosines, background_of(vectors))


def background_of(vectors: Floats) -> float:
    """The mean cosine over all pairs of rows (n, d, unit): the squared length of their mean."""
    return float(np.square(vectors.mean(axis=0, dtype=np.float64)).sum()) if len(vectors) else 0.0


def above(cosines: Floats, background: float) -> Floats:
    """Cosines of any shape, stretched so that 0 is the background and 1 is 1."""
    return np.asarray((cosines - background) / max(1 - background, 1e-6))


def event_inputs(dense: Floats, lexical: Floats) -> Floats:
    """(p, 2): dense cosine above its background; logarithm of the lexical one, which spreads over two orders."""
    return np.stack([dense, np.log(np.maximum(lexical, LEAST_LEXICAL))], axis=1).astype(np.float64)


def near_in_time(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64], days: float) -> npt.NDArray[np.bool_]:
    """(p,): whether two dates lie within `days`; where one is `UNDATED`, only the texts can tell."""
    known = (one != UNDATED) & (other != UNDATED)
    return np.asarray(~known | (np.abs(one - other) <= days * DAY))
