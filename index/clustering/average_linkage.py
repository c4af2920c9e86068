"""Clusters scored pairs by sparse average linkage; used for duplicates, events and storylines."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt
from scipy import sparse

Rows = npt.NDArray[np.int64]
Weights = npt.NDArray[np.floating]


def average_linkage(n: int, left: Rows, right: Rows, weights: Weights, least: float) -> Rows:
    """(n,) int64: the highest row of each row's cluster; its own when it stands alone.

    `left`, `right`, `weights` (p,): distinct pairs with weights in [0, 1]; a pair not given weighs 0. The two
    clusters of the highest mean weight over all pairs between them merge while that is at least `least` (> 0):
    unlike single linkage, an article that resembles many does not glue them together.
    *Source*: UPGMA, Sokal and Michener 1958; equals scipy's `average` linkage cut at 1 - least.
    """
    merging = _Merging(n, least)
    for part in _components(n, left, right, weights >= least):
        merging.run(left[part].tolist(), right[part].tolist(), weights[part].tolist())
    return merging.labels()


def _components(n: int, left: Rows, right: Rows, strong: npt.NDArray[np.bool_]) -> list[Rows]:
    """Places of the pairs that can matter, by component: no merge crosses a component of the strong pairs."""
    graph = sparse.csr_matrix((strong[strong], (left[strong], right[strong])), shape=(n, n))
    _, component = sparse.csgraph.connected_components(graph, directed=False)
    inside = np.flatnonzero(component[left] == component[right])
    of_pair = component[left[inside]]
    order = np.argsort(of_pair, kind="stable")
    return np.split(inside[order], np.flatnonzero(np.diff(of_pair[order])) + 1)


class _Merging:
    """Clusters being merged, each named by its highest row; `between` sums the weights to other clusters."""

    def __init__(self, n: int, least: float) -> None:
        self.least = least
        self.parents = list(range(n))
        self.sizes = [1] * n
        self.between: dict[int, dict[int, float]] = {}
        self.heap: list[tuple[float, int, int]] = []

    def run(self, left: list[int], right: list[int], weights: list[float]) -> None:
        """Merge the best of these pairs, `left` the lower row, until none is good enough.

        A pair whose mean has changed since it was put on the heap is passed over.
        """
        between, sizes, heap = self.between, self.sizes, self.heap
        for low, high, weight in zip(left, right, weights, strict=True):
            between.setdefault(low, {})[high] = weight
            between.setdefault(high, {})[low] = weight
            if weight >= self.least:
                heap.append((-weight, low, high))
        heapq.heapify(heap)
        while heap:
            negative_mean, low, high = heapq.heappop(heap)
            total = between.get(low, {}).get(high)  # None once one of them was merged away
            if total is not None and total / (sizes[low] * sizes[high]) == -negative_mean:
                self._merge(low, high)

    def labels(self) -> Rows:
        for row in range(len(self.parents) - 1, -1, -1):  # a parent is a higher row, so it is resolved already
            self.parents[row] = self.parents[self.parents[row]]
        return np.array(self.parents, np.int64)

    def _merge(self, low: int, high: int) -> None:
        absorbed, kept = self.between.pop(low), self.between[high]
        self.parents[low] = high
        self.sizes[high] += self.sizes[low]
        del kept[low], absorbed[high]
        for other, weight in absorbed.items():
            kept[other] = self.between[other][high] = kept.get(other, 0.0) + weight
            del self.between[other][low]
        sizes, size = self.sizes, self.sizes[high]
        for other, total in kept.items():
            mean = total / (size * sizes[other])
            if mean >= self.least:
                heapq.heappush(self.heap, (-mean, *((other, high) if other < high else (high, other))))
