"""Owns how this engine ranks candidates in an evaluation: the one place that knows the relevance model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from index.lexical.scoring_data import load_scorer
from index.relevance.links_file import Truth
from index.relevance.model import default_relevance
from index.relevance.pair_features import DEPTH as SEARCH_DEPTH
from index.relevance.training import cross_validated, labelled_pairs, predicted
from service.evaluation.relevance.corpus import Corpus, FloatArray, Rows, Rule, best, candidates


class Scored(NamedTuple):
    """Candidates of a source, best first: rows (k,), probability that an editor links them (k,)."""

    rows: Rows
    probability: FloatArray


def rank_ours(corpus: Corpus, truth: Truth, rule: Rule) -> dict[str, dict[int, Scored]]:
    """For each system, for each source row of `truth`, the candidates that the vectors find, best first.

    `ours-default`: the weights that ship. `ours`: weights learned from the links of the other sources, five
    folds, so that no list was ranked by weights that saw it; absent when there are too few links to learn.
    """
    relevance = default_relevance()
    scorer = load_scorer(corpus.snapshot, relevance, corpus.tfidf)
    candidates = {row: _nearest(corpus, row, rule) for row in truth}
    pairs = [labelled_pairs(scorer, corpus.articles, row, candidates[row], truth[row]) for row in truth]
    probabilities = {"ours": cross_validated(pairs), "ours-default": [predicted(relevance, pair) for pair in pairs]}
    return {
        name: {
            row: _by_probability(candidates[row], probabilities)
            for row, probabilities in zip(truth, scored, strict=True)
        }
        for name, scored in probabilities.items()
        if scored is not None
    }


def _nearest(corpus: Corpus, row: int, rule: Rule) -> Rows:
    """What the candidate search of a rebuild gives: the nearest candidates by hybrid cosine."""
    rows = candidates(corpus, row, rule)
    return best(rows, (corpus.vectors @ corpus.vectors[row])[rows], SEARCH_DEPTH)


def _by_probability(rows: Rows, probability: FloatArray) -> Scored:
    order = np.lexsort((-rows, -probability))  # ties: the newer row first
    return Scored(rows[order], probability[order])
