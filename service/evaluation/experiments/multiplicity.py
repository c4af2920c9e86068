"""Pure: p-values of one test that are read together.

Holm on the primary metric over the variants: the chance of any false effect stays at alpha. Benjamini and Hochberg
on everything else: of the effects shown, a share of alpha may be false.
"""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import false_discovery_control

from service.evaluation.intervals import holm

__all__ = ["benjamini_hochberg", "holm"]


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """p adjusted for their number, in the given order; none gives none. *Source*: Benjamini and Hochberg, 1995."""
    return [float(value) for value in false_discovery_control(p)]
