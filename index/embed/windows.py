"""Owns how texts of any length pass through a model with a bounded window: cut, batch, average.

The model is a function from token IDs to vectors, so every backend shares this and its guarantees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


class Window(msgspec.Struct, frozen=True):
    """Tokens of one text, special tokens included; `text` is the text's position."""

    text: int
    ids: Sequence[int]


class Batch(msgspec.Struct, frozen=True):
    """`ids` and `mask`, both (b, longest) int64, padded on the right; `owners` (b,) positions of texts."""

    ids: IntArray
    mask: IntArray
    owners: IntArray


def batches(windows: Sequence[Window], pad_id: int, most_tokens: int, most_rows: int) -> Iterator[Batch]:
    """Windows of similar length together, longest first, at most `most_tokens` with padding a batch."""
    order = sorted(windows, key=lambda window: -len(window.ids))
    start = 0
    while start < len(order):
        longest = len(order[start].ids)
        rows = max(1, min(most_rows, most_tokens // longest))
        yield _batch(order[start : start + rows], pad_id)
        start += rows


def mean_of_windows(
    windows: Sequence[Window],
    n: int,
    d: int,
    parts: Iterator[tuple[Batch, FloatArray]],
    progress: Callable[[int], None] | None = None,
) -> FloatArray:
    """(n, d) unit rows: each text's mean of its windows' vectors, weighted by their tokens.

    Every text must own at least one window.
    """
    sums = np.zeros((n, d), dtype=np.float64)
    waiting = np.bincount([window.text for window in windows], minlength=n)
    for batch, vectors in parts:
        np.add.at(sums, batch.owners, vectors * batch.mask.sum(axis=1, keepdims=True))
        np.subtract.at(waiting, batch.owners, 1)
        if progress is not None:
            progress(int(np.count_nonzero(waiting == 0)))
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return (sums / np.where(norms > 0, norms, 1)).astype(np.float32)


def _batch(windows: Sequence[Window], pad_id: int) -> Batch:
    ids = np.full((len(windows), len(windows[0].ids)), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = 1
    return Batch(ids, mask, np.array([window.text for window in windows], dtype=np.int64))
