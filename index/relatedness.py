"""Owns pair features and the calibrated probability that an editor would link two articles.

A logistic model, stored as plain numbers. Learned by scripts/train_relevance.py.
"""

from __future__ import annotations

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

    Of several sources, one a pair: each (k,) float32.
    """

    dense: float | FloatArray
    log_lexical: float | FloatArray
    log_weeks: float | FloatArray


def baseline_of(features: FloatArray) -> Baseline:
    """The baseline of a source from the (k, 5 or 6) pair features of its nearest candidates; zeros for none."""
    return Baseline(*baselines_of(features, np.zeros(len(features), np.int64), 1)[0].tolist())


def baselines_of(features: FloatArray, sources: npt.NDArray[np.int64], n: int) -> FloatArray:
    """(n, 3) float32: the baseline of each of n sources, of the features (p, 5 or 6) of pairs of `sources` (p,)."""
    dated = ~np.isnan(features[:, 4])
    columns = (
        (features[:, 0], sources),
        (_log(features[:, 1], LEAST_LEXICAL), sources),
        (features[dated, 4], sources[dated]),
    )
    sums = np.stack([np.bincount(owners, values, n) for values, owners in columns], axis=1)
    counts = np.stack([np.bincount(owners, minlength=n) for _, owners in columns], axis=1)
    return np.asarray(sums / np.maximum(counts, 1), np.float32)


def model_inputs(features: FloatArray, baseline: Baseline) -> FloatArray:
    """(k, 5) pair features -> (k, 7) inputs of the model, in the order of `Relevance.weights`; with links 6 -> 8.

    Dense, log lexical; the first two above the baseline; log headline, headline share; log weeks
    above the baseline, 0 for undated. Lexical cosines of linked articles spread over two orders of magnitude, so the
    logarithm ranks better. Contrasts with the baseline carry over to archives where everything is more or less
    alike, and do not mark a source down for being old. What each group is worth: README, "Relatedness".
    """
    log_lexical = _log(features[:, 1], LEAST_LEXICAL)
    columns = (
        features[:, 0],
        log_lexical,
        features[:, 0] - baseline.dense,
        log_lexical - baseline.log_lexical,
        _log(features[:, 2], LEAST_HEADLINE),
        features[:, 3],
        np.nan_to_num(features[:, 4] - baseline.log_weeks),
        *features[:, 5:].T,
    )
    return np.stack(columns, axis=1).astype(np.float32)


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
        """(k, 5 or 6) pair features, (k,) whether either article is brief -> (k,) probabilities in [0, 1]."""
        inputs = model_inputs(features, baseline)
        weights = self.weights if self.link_weight is None else (*self.weights, self.link_weight)
        full = _logistic(inputs @ np.array(weights, np.float32) + np.float32(self.bias))
        dense = _logistic(inputs[:, DENSE_CONTRAST] * np.float32(self.dense_weight) + np.float32(self.dense_bias))
        return np.where(brief, np.maximum(full, dense), full)


def _log(cosines: FloatArray, least: float) -> FloatArray:
    return np.log(np.maximum(cosines, np.float32(least)))


def _logistic(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)


def default_relevance() -> Relevance:
    """The weights that ship, for newsrooms without links of their own."""
    from importlib.resources import files

    raw = (files("index") / "default_relevance.json").read_bytes()
    return msgspec.json.decode(raw, type=Relevance)


def read_relevance(path: Path) -> Relevance:
    """The weights that scripts/train_relevance.py wrote. Raises `UnusableRelevance`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Relevance)
    except (OSError, msgspec.DecodeError) as error:
        raise UnusableRelevance(f"{path.name} holds no relevance weights: {error}") from error
