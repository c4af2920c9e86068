"""Pure: whether a predicted probability means what it says."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

BINS = 10


class Bin(msgspec.Struct, frozen=True):
    """Pairs of about one prediction: mean predicted, observed share of linked pairs (both 0-1), how many."""

    predicted: float
    observed: float
    n: int


class Calibration(msgspec.Struct, frozen=True):
    """Reliability table, lowest predictions first, and expected calibration error (0-1)."""

    bins: tuple[Bin, ...]
    error: float


def reliability(predicted: npt.NDArray[np.floating], linked: npt.NDArray[np.bool_], bins: int = BINS) -> Calibration:
    """Equal-count bins of (p,) predictions; error: mean gap of predicted and observed, weighted by count.

    Fewer bins for fewer pairs; no pair, no bin, error 0. *Source*: Naeini, Cooper and Hauskrecht, 2015.
    """
    order = np.argsort(predicted, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    table = tuple(Bin(float(predicted[part].mean()), float(linked[part].mean()), len(part)) for part in parts)
    gaps = sum(abs(bin_.predicted - bin_.observed) * bin_.n for bin_ in table)
    return Calibration(table, gaps / max(len(order), 1))
