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
BRIEF_WORDS = 60  # an article of fewer words, such as a headline and standfirst, gives little to match words on


class Baseline(msgspec.Struct, frozen=True):
    """What is usual among a source's candidates: means of the dense and of the logarithmic lexical cosine."""

    dense: float
    log_lexical: float


def baseline_of(features: FloatArray) -> Baseline:
    """The baseline of a source from the (k, 3) pair features of its nearest candidates; zeros for none."""
    if not len(features):
        return Baseline(0.0, 0.0)
    return Baseline(float(features[:, 0].mean()), float(_log_lexical(features).mean()))


def model_inputs(features: FloatArray, baseline: Baseline) -> FloatArray:
    """(k, 3) cosines -> (k, 5) inputs: dense, log lexical, LSA, and the first two above the baseline.

    Lexical cosines of linked articles spread over two orders of magnitude: taken linearly the model ranked
    digitalgov worse (nDCG@10 .466) than the lexical cosine alone (.473), by the logarithm better (.477).
    The contrasts with the baseline (.479) carry over to corpora where everything is more or less alike.
    """
    log_lexical = _log_lexical(features)
    contrasts = (features[:, 0] - baseline.dense, log_lexical - baseline.log_lexical)
    return np.stack([features[:, 0], log_lexical, features[:, 2], *contrasts], axis=1).astype(np.float32)


class Relevance(msgspec.Struct, frozen=True):
    """Two logistic models: of all inputs, and of the dense contrast alone, for pairs with a brief article.

    On a brief article words are silent rather than unlike, so there the stronger of the two counts.
    """

    weights: tuple[float, float, float, float, float]
    bias: float
    dense_weight: float
    dense_bias: float
    origin: str

    def probability(self, features: FloatArray, baseline: Baseline, brief: npt.NDArray[np.bool_]) -> FloatArray:
        """(k, 3) pair features, (k,) whether either article is brief -> (k,) probabilities in [0, 1]."""
        inputs = model_inputs(features, baseline)
        full = _logistic(inputs @ np.array(self.weights, np.float32) + np.float32(self.bias))
        dense = _logistic(inputs[:, 3] * np.float32(self.dense_weight) + np.float32(self.dense_bias))
        return np.where(brief, np.maximum(full, dense), full)


def _log_lexical(features: FloatArray) -> FloatArray:
    return np.log(np.maximum(features[:, 1], np.float32(LEAST_LEXICAL)))


def _logistic(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)


def default_relevance() -> Relevance:
    """The weights that ship, for newsrooms without links of their own."""
    from importlib.resources import files

    raw = (files("index") / "default_relevance.json").read_bytes()
    return msgspec.json.decode(raw, type=Relevance)
