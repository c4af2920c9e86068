"""Pure: how often readers look at each position, from stories that stood at theirs by chance."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from service.evaluation.ab.clustered import Array, Mean, clustered_error, with_error


class Position(msgspec.Struct, frozen=True):
    """`examined`: how often readers look here, relative to the first position that is known (which has 1)."""

    position: int
    shown: int
    examined: Mean


def examination(positions: npt.NDArray[np.integer], clicked: Array, units: npt.NDArray[Any]) -> tuple[Position, ...]:
    """Each position that occurs, in order, from (n,) stories shown, whether clicked (0 or 1), and to whom.

    The rows must be stories whose position was left to chance: those that an exploring policy exchanged, in lists of
    one length, or shuffled ones. Then equally good stories stand everywhere, and what differs is how often readers
    look. A click is taken for a look times an attraction. No row, no position. Raises ValueError if nothing at the
    first position was clicked. *Source*: Joachims, Swaminathan and Schnabel, 2017; Wang et al., 2018.
    """
    places = np.unique(positions)
    if not len(places):
        return ()
    first = positions == places[0]
    if not clicked[first].any():
        raise ValueError(f"nothing at position {places[0]} was clicked: no rate to compare with")
    return tuple(_position(int(place), positions == place, first, clicked, units) for place in places)


def _position(
    place: int, here: npt.NDArray[np.bool_], first: npt.NDArray[np.bool_], clicked: Array, units: npt.NDArray[Any]
) -> Position:
    """The ratio of two click rates, its error by the delta method."""
    rate, base = clicked[here].mean(), clicked[first].mean()
    ratio = rate / base
    of_rate = here * (clicked - rate) / here.mean()
    of_base = first * (clicked - base) / first.mean()
    error = clustered_error((of_rate - ratio * of_base) / base, units)
    return Position(place, int(here.sum()), with_error(float(ratio), error))
