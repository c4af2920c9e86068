"""Learns a relevance model from editors' links or readers' clicks. Imports scikit-learn; no server does.

The unit is the source article: its pairs are learned from together and judged by weights that never saw it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from index.article import Article
from index.relevance.model import DENSE_CONTRAST, Relevance, baseline_of, model_inputs
from index.relevance.pair_features import PairScorer, Rows

FOLDS = 5
_WORD = re.compile(r"\w+")

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class SourcePairs(NamedTuple):
    """One source article with its nearest candidates: `features` (k, 5 or 6), the others (k,).

    `linked`: whether editors linked the two, or the share of readers who did as if (0-1). `quoted`: the source's body
    has the candidate's whole headline, as the words of a link often are. `weights`: how much each pair counts, 0 for
    one of which nothing is known; None for all alike.
    """

    features: FloatArray
    brief: Mask
    linked: Mask | FloatArray
    quoted: Mask
    weights: FloatArray | None = None

    def counted(self) -> tuple[FloatArray, FloatArray]:
        """(k,) how much each pair counts as linked, and how much as not."""
        weights = np.ones(len(self.linked), np.float32) if self.weights is None else self.weights
        weights = np.where(self.quoted, 0, weights)
        return weights * self.linked, weights * (1 - self.linked.astype(np.float32))


def labelled_pairs(
    scorer: PairScorer, articles: Sequence[Article], row: int, candidates: Rows, linked: Collection[int]
) -> SourcePairs:
    """The pairs of a source row; `linked` are the rows that its editors linked, candidates or not."""
    probe = scorer.probe(row)
    body = _words(articles[row].body)
    return SourcePairs(
        scorer.pair_features(probe, candidates),
        scorer.brief_pairs(probe, candidates),
        np.isin(candidates, list(linked)),
        np.array([_words(articles[other].headline) in body for other in candidates.tolist()], bool),
    )


def fitted(pairs: Sequence[SourcePairs], origin: str) -> Relevance | None:
    """The model of all these pairs but the quoted ones, weights to four decimals; None when all are linked, or none.

    With a weight for links if the pairs have that feature. A quoted headline is there because of the link: learning
    from it overrates headlines (digitalgov without such links .543, so .546; 18F .674, so .683: see README).
    """
    inputs = np.concatenate([model_inputs(pair.features, baseline_of(pair.features)) for pair in pairs])
    linked, not_linked = (np.concatenate(parts) for parts in zip(*(pair.counted() for pair in pairs), strict=True))
    if not linked.any() or not not_linked.any():
        return None
    weights, bias = _logistic(inputs, linked, not_linked)
    (dense_weight,), dense_bias = _logistic(inputs[:, [DENSE_CONTRAST]], linked, not_linked)
    return Relevance(tuple(weights[:7]), bias, dense_weight, dense_bias, origin, *weights[7:])  # type: ignore[arg-type]


def cross_validated(pairs: Sequence[SourcePairs], folds: int = FOLDS) -> list[FloatArray] | None:
    """For each source, the (k,) probabilities by weights learned from the other folds' sources.

    None when there are fewer sources than folds, or a fold's links teach nothing.
    """
    if len(pairs) < folds:
        return None
    predictions: list[FloatArray] = [np.zeros(0, np.float32)] * len(pairs)
    sources = np.arange(len(pairs))
    for train, test in GroupKFold(folds).split(sources, groups=sources):
        relevance = fitted([pairs[at] for at in train], "")
        if relevance is None:
            return None
        for at in test:
            predictions[at] = predicted(relevance, pairs[at])
    return predictions


def predicted(relevance: Relevance, pairs: SourcePairs) -> FloatArray:
    """(k,) probabilities of one source's pairs."""
    return relevance.probability(pairs.features, baseline_of(pairs.features), pairs.brief)


def _logistic(inputs: FloatArray, linked: FloatArray, not_linked: FloatArray) -> tuple[list[float], float]:
    """Weights and bias, to four decimals. Inputs of like spread need no scaling; C is wide: pairs are many."""
    rows = np.concatenate([inputs[linked > 0], inputs[not_linked > 0]])
    weights = np.concatenate([linked[linked > 0], not_linked[not_linked > 0]])
    model = LogisticRegression(C=100.0, max_iter=2_000)
    model.fit(rows, np.arange(len(rows)) < (linked > 0).sum(), sample_weight=weights)
    return [round(float(weight), 4) for weight in model.coef_[0]], round(float(model.intercept_[0]), 4)


def _words(text: str) -> str:
    """Its words in lower case, each between spaces."""
    return f" {' '.join(_WORD.findall(text.lower()))} "
