"""Owns pair features and the calibrated probability that an editor would link two articles.

A logistic model, stored as plain numbers. Learned by scripts/train_relevance.py.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

PAIR_FEATURES = ("dense", "lexical", "lsa")


class Relevance(msgspec.Struct, frozen=True):
    """Weights of `PAIR_FEATURES` (cosines, -1 to 1) and the bias of a logistic model."""

    weights: tuple[float, float, float]
    bias: float
    origin: str

    def probability(self, features: FloatArray) -> FloatArray:
        """(..., 3) pair features -> (...) calibrated probabilities in [0, 1]."""
        logits = features @ np.array(self.weights, np.float32) + np.float32(self.bias)
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)


def default_relevance() -> Relevance:
    """The weights that ship, for newsrooms without links of their own."""
    from importlib.resources import files

    raw = (files("index") / "default_relevance.json").read_bytes()
    return msgspec.json.decode(raw, type=Relevance)
