"""Owns how this engine ranks candidates in an evaluation: the one place that knows the relevance model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from index.neighbours import DEPTH as SEARCH_DEPTH
from index.neighbours import PairScorer
from index.relatedness import Relevance, baseline_of, default_relevance, model_inputs
from service.evaluation.corpus import Corpus, FloatArray, Rows, Rule, candidates
from service.evaluation.truth import Truth

FOLDS = 5


class Scored(NamedTuple):
    """Candidates of a source, best first: rows (k,), probability that an editor links them (k,)."""

    rows: Rows
    probability: FloatArray


def rank_ours(corpus: Corpus, truth: Truth, rule: Rule) -> dict[str, dict[int, Scored]]:
    """For each system, for each source row of `truth`, the candidates that the vectors find, best first.

    `ours-default`: the weights that ship. `ours`: weights learned from the links of the other sources, five
    folds, so that no list was ranked by weights that saw it; absent when there are too few links to learn.
    """
    found = {row: _found(corpus, row, rule) for row in truth}
    systems = {"ours-default": _scored(corpus, found, list(truth), default_relevance())}
    learned = _cross_validated(corpus, found, truth)
    return systems if learned is None else {"ours": learned, **systems}


def _found(corpus: Corpus, row: int, rule: Rule) -> Rows:
    """What the candidate search of a rebuild gives: the nearest candidates by hybrid cosine."""
    rows = candidates(corpus, row, rule)
    similar = (corpus.vectors @ corpus.vectors[row])[rows]
    return rows[np.argsort(-similar, kind="stable")[:SEARCH_DEPTH]]


def _scored(
    corpus: Corpus, found: Mapping[int, Rows], sources: Sequence[int], relevance: Relevance
) -> dict[int, Scored]:
    scorer = _scorer(corpus, relevance)
    return {row: _by_probability(found[row], scorer.score(row, found[row])[0][:, 0]) for row in sources}


def _by_probability(rows: Rows, probability: FloatArray) -> Scored:
    order = np.lexsort((-rows, -probability))  # ties: the newer row first
    return Scored(rows[order], probability[order])


def _cross_validated(corpus: Corpus, found: Mapping[int, Rows], truth: Truth) -> dict[int, Scored] | None:
    sources = np.array(list(truth))
    if len(sources) < FOLDS:
        return None
    ranked: dict[int, Scored] = {}
    for train, test in GroupKFold(FOLDS).split(sources, groups=sources):
        relevance = _learned(corpus, found, truth, sources[train].tolist())
        if relevance is None:
            return None
        ranked |= _scored(corpus, found, sources[test].tolist(), relevance)
    return {row: ranked[row] for row in truth}


def _learned(corpus: Corpus, found: Mapping[int, Rows], truth: Truth, sources: Sequence[int]) -> Relevance | None:
    """Weights from the links of `sources`; None when all of their candidates are linked, or none."""
    scorer = _scorer(corpus, default_relevance())
    features = [scorer.pair_features(row, found[row]) for row in sources]
    inputs = np.concatenate([model_inputs(each, baseline_of(each)) for each in features])
    linked = np.concatenate([np.isin(found[row], list(truth[row])) for row in sources])
    if linked.all() or not linked.any():
        return None
    full, dense = _logistic(inputs, linked), _logistic(inputs[:, 3:4], linked)
    weights = tuple(full.coef_[0].tolist())
    return Relevance(
        weights, float(full.intercept_[0]), float(dense.coef_[0, 0]), float(dense.intercept_[0]), "these links"
    )


def _scorer(corpus: Corpus, relevance: Relevance) -> PairScorer:
    brief = np.load(corpus.snapshot.directory / "brief.npy", allow_pickle=False)
    return PairScorer(corpus.vectors, corpus.dense.shape[1], corpus.tfidf, brief, relevance)


def _logistic(inputs: FloatArray, linked: npt.NDArray[np.bool_]) -> Any:
    return LogisticRegression(C=100.0, max_iter=2_000).fit(inputs, linked)
