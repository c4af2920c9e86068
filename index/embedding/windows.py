"""Embeds texts of any length with a model of a bounded window: cuts, batches, averages.

The model is a function from token IDs to vectors, so every backend shares this code and its guarantees.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

TEXTS_AT_ONCE = 1_024  # bounds the memory that token lists take
BATCH_TOKENS = 1_024  # measured flat between 512 and 2,048 (scripts/benchmarks/bench_embedding.py)
BATCH_ROWS = 64


class Window(msgspec.Struct, frozen=True):
    """Tokens of one text, special tokens included; `text` is the text's position."""

    text: int
    ids: Sequence[int]


class Batch(msgspec.Struct, frozen=True):
    """`ids` and `mask`, both (b, longest) int64, padded on the right; `owners` (b,) positions of texts."""

    ids: IntArray
    mask: IntArray
    owners: IntArray


def embed_long(
    texts: Sequence[str],
    dimension: int,
    tokenizer: Tokenizer,
    run: Callable[[Batch], FloatArray],
    prepare_worker: Callable[[], None],
    progress: Callable[[int], None] | None = None,
) -> FloatArray:
    """(n, dimension) unit rows of texts of any length.

    `tokenizer` truncates to the model's window and pads nothing; `run` gives the (b, dimension)
    vectors of a batch and is called by one worker thread a core, after `prepare_worker`.
    """
    vectors = np.empty((len(texts), dimension), dtype=np.float32)
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        chunk = texts[start : start + TEXTS_AT_ONCE]
        windows = token_windows(tokenizer, chunk)
        parts = _in_parallel(windows, run, prepare_worker)
        vectors[start : start + len(chunk)] = mean_of_windows(
            windows, len(chunk), dimension, parts, _from(progress, start)
        )
    return vectors


def token_windows(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Window]:
    """Every text as one or more windows of the length to which `tokenizer` truncates; all tokens kept."""
    windows: list[Window] = []
    for number, encoding in enumerate(tokenizer.encode_batch(list(texts))):
        windows.extend(Window(number, part.ids) for part in (encoding, *encoding.overflowing))
    return windows


def batches(windows: Sequence[Window], most_tokens: int, most_rows: int) -> Iterator[Batch]:
    """Windows of similar length together, longest first, at most `most_tokens` with padding a batch."""
    order = sorted(windows, key=lambda window: -len(window.ids))
    start = 0
    while start < len(order):
        longest = len(order[start].ids)
        rows = max(1, min(most_rows, most_tokens // longest))
        yield _batch(order[start : start + rows])
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


def _in_parallel(
    windows: Sequence[Window], run: Callable[[Batch], FloatArray], prepare_worker: Callable[[], None]
) -> Iterator[tuple[Batch, FloatArray]]:
    """One worker a core, each on a batch of its own: halves the time of all cores on one batch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    tokens = sum(len(window.ids) for window in windows)
    todo = list(batches(windows, min(BATCH_TOKENS, tokens // cores + 1), BATCH_ROWS))
    pool = ThreadPoolExecutor(min(cores, max(len(todo), 1)), "embed", prepare_worker)
    try:
        yield from zip(todo, pool.map(run, todo), strict=True)
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the batches at work, not for all


def _from(progress: Callable[[int], None] | None, start: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(start + done)


def _batch(windows: Sequence[Window]) -> Batch:
    ids = np.zeros((len(windows), len(windows[0].ids)), dtype=np.int64)  # what pads is masked
    mask = np.zeros_like(ids)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = 1
    return Batch(ids, mask, np.array([window.text for window in windows], dtype=np.int64))
