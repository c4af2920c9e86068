"""Owns which links count as truth under a candidate rule."""

from __future__ import annotations

from index.relevance.links_file import Truth
from service.evaluation.relevance.corpus import Corpus, Rule, allowed


def judged(corpus: Corpus, truth: Truth, rule: Rule) -> Truth:
    """The truth among each source's candidates, sources in order of row; those without any are left out."""
    kept: Truth = {}
    for row in sorted(truth):
        mask = allowed(corpus, row, rule)
        wanted = {other: gain for other, gain in truth[row].items() if mask[other]}
        if wanted:
            kept[row] = wanted
    return kept
