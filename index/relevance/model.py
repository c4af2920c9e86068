"""Turns pair features into the calibrated probability that an editor would link two articles.

A logistic model, stored as plain numbers. Learned by scripts/training/train_relevance.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

# Cosines of the embeddings (dense) and of the full articles' TF-IDF rows (lexical); of the other's headline in the
# text of the source the TF-IDF cosine, and the share of its squared weight that occurs there at all; log(1 + weeks
# between the two), NaN when one is undated. Only for newsrooms that give their links: log(1 + links to the other in
# the year before the source). What did not help: README, "Relatedness".
PAIR_FEATURES = ("dense", "lexical", "headline", "headline_share", "log_weeks", "log_links")
LEAST_LEXICAL = 0.01
LEAST_HEADLINE = 0.003
BRIEF_WORDS = 60  # an article of fewer words, such as a headline and standfirst, gives little to match words on
DENSE_CONTRAST = 2  # the column of `model_inputs` that pairs with a brief article are judged by


class Baseline(NamedTuple):
    """What is usual among a source's candidates: means of dense and log lexical cosine, and of log weeks apart.

    Of several sources: each (n, 1) float32.
    """

    dense: float | FloatArray
    log_lexical: float | FloatArray
    log_weeks: float | FloatArray


def baseline_of(features: FloatArray) -> Baseline:
    """The baseline of a source from the (k, 5 or 6) pair features of its nearest candidates; zeros for none."""
    return Baseline(*baselines_of(features[None], np.ones((1, len(features)), bool))[0].tolist())


def baselines_of(features: FloatArray, there: npt.NDArray[np.bool_]) -> FloatArray:
    """(n, 3) float32: the baseline of each of n sources, of the features (n, k, 5 or 6) of those that are `there`.

    Added one by one, so that what is not there changes no bit.
    """
    columns = (
        (features[..., 0], there),
        (_log(features[..., 1], LEAST_LEXICAL), there),
        (features[..., 4], there & ~np.isnan(features[..., 4])),
    )
    baselines = np.zeros((len(features), 3), np.float32)
    if features.shape[1]:
        for at, (values, counted) in enumerate(columns):
            sums = np.where(counted, values, 0).cumsum(axis=1, dtype=np.float64)[:, -1]
            baselines[:, at] = sums / np.maximum(counted.sum(axis=1), 1)
    return baselines


def model_inputs(features: FloatArray, baseline: Baseline) -> FloatArray:
    """(..., 5) pair features -> (..., 7) inputs of the model, in the order of `Relevance.weights`; with links 6 -> 8.

    Dense, log lexical; the first two above the baseline; log headline, headline share; log weeks
    above the baseline, 0 for undated. Lexical cosines of linked articles spread over two orders of magnitude, so the
    logarithm ranks better. Contrasts with the baseline carry over to archives where everything is more or less
    alike, and do not mark a source down for being old. What each group is worth: README, "Relatedness".
    """
    return np.stack(list(_inputs(features, baseline)), axis=-1).astype(np.float32)


def _inputs(features: FloatArray, baseline: Baseline) -> Iterator[FloatArray]:
    log_lexical = _log(features[..., 1], LEAST_LEXICAL)
    yield features[..., 0]
    yield log_lexical
    yield features[..., 0] - baseline.dense
    yield log_lexical - baseline.log_lexical
    yield _log(features[..., 2], LEAST_HEADLINE)
    yield features[..., 3]
    yield np.nan_to_num(features[..., 4] - baseline.log_weeks)
    yield from np.moveaxis(features[..., 5:], -1, 0)


class UnusableRelevance(Exception):
    """A file that holds no relevance weights, or weights that cannot be used here; the message says why."""


class Relevance(msgspec.Struct, frozen=True, omit_defaults=True):
    """Two logistic models: of all inputs, and of the dense contrast alone, for pairs with a brief article.

    On a brief article words are silent rather than unlike, so there the stronger of the two counts.
    `link_weight`: of the links to the other; None in a model learned without, which takes no such feature.
    """

    weights: tuple[float, float, float, float, float, float, float]
    bias: float
    dense_weight: float
    dense_bias: float
    origin: str
    link_weight: float | None = None

    def probability(self, features: FloatArray, baseline: Baseline, brief: npt.NDArray[np.bool_]) -> FloatArray:
        """(..., 5 or 6) pair features, (...) whether either article is brief -> (...) probabilities in [0, 1].

        Each pair's is the same to the bit in any company, as no product of matrices would give it.
        """
        weights = self.weights if self.link_weight is None else (*self.weights, self.link_weight)
        inputs = list(_inputs(features, baseline))
        logits = np.full(brief.shape, self.bias, np.float32)
        for values, weight in zip(inputs, weights, strict=True):
            logits += values * np.float32(weight)
        full = _logistic(logits)
        if not brief.any():
            return full
        dense = _logistic(inputs[DENSE_CONTRAST] * np.float32(self.dense_weight) + np.float32(self.dense_bias))
        return np.where(brief, np.maximum(full, dense), full)


def _log(cosines: FloatArray, least: float) -> FloatArray:
    return np.log(np.maximum(cosines, np.float32(least)))


def _logistic(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)


def default_relevance() -> Relevance:
    """The weights that ship, for newsrooms without links of their own."""
    from importlib.resources import files

    raw = (files("index.relevance") / "default_relevance.json").read_bytes()
    return msgspec.json.decode(raw, type=Relevance)


def read_relevance(path: Path) -> Relevance:
    """The weights that scripts/training/train_relevance.py wrote. Raises `UnusableRelevance`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Relevance)
    except (OSError, msgspec.DecodeError) as error:
        raise UnusableRelevance(f"{path.name} holds no relevance weights: {error}") from error
