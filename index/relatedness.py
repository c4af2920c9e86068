"""Owns pair features and the calibrated probability that an editor would link two articles.

A logistic model, stored as plain numbers. Learned by scripts/train_relevance.py.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

PAIR_FEATURES = ("dense", "lexical", "lsa")
LEAST_LEXICAL = 0.01


def model_inputs(features: FloatArray) -> FloatArray:
    """(..., 3) cosines -> (..., 3) inputs of the model: the lexical cosine by its logarithm, not below log .01.

    Lexical cosines of linked articles spread over two orders of magnitude; taken linearly the model ranked
    digitalgov worse (nDCG@10 .466) than the lexical cosine alone (.473), by the logarithm better (.477).
    """
    inputs = np.array(features, np.float32)
    inputs[..., 1] = np.log(np.maximum(inputs[..., 1], LEAST_LEXICAL))
    return inputs


class Relevance(msgspec.Struct, frozen=True):
    """Weights of the model inputs and the bias of a logistic model; `origin` says where they come from."""

    weights: tuple[float, float, float]
    bias: float
    origin: str

    def probability(self, features: FloatArray) -> FloatArray:
        """(..., 3) pair features -> (...) calibrated probabilities in [0, 1]."""
        logits = model_inputs(features) @ np.array(self.weights, np.float32) + np.float32(self.bias)
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)


def default_relevance() -> Relevance:
    """The weights that ship, for newsrooms without links of their own."""
    from importlib.resources import files

    raw = (files("index") / "default_relevance.json").read_bytes()
    return msgspec.json.decode(raw, type=Relevance)
