"""Builds the candidate table: each row's most related rows, overall and in the recent window."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from index.candidates.retrieval import Found
from index.candidates.top_k import NONE, pair_keys, rows_of
from index.relevance.model import Baseline, baselines_of
from index.relevance.pair_features import OVERALL, RECENT, PairScorer
from index.snapshot.attributes import NO_ROW
from index.storage.arrays import new_array, parts

FloatArray = npt.NDArray[np.float32]
Half = npt.NDArray[np.float16]
Rows = npt.NDArray[np.int64]

BLOCK = 1_024  # rows of the table made at once
SCORED = 128  # rows whose pairs are rated at once: what is computed of them stays in a processor's cache


class Pairs(msgspec.Struct, frozen=True):
    """Scored candidates of rows, best first: rows (n, k) with -1 as padding, features (n, k, 3).

    Features as in the candidate table: relevance, dense and lexical cosine, of float16 values. `baselines` (n, 3)
    float32: the `Baseline` of each row. The arrays may be memory-mapped, of int32 and float16.
    """

    rows: Rows
    features: FloatArray | Half
    baselines: FloatArray


def relevances(
    scorer: PairScorer, rows: Rows, found: Found, depth: int, baselines: FloatArray | None = None
) -> tuple[Half, FloatArray]:
    """(b, depth) relevance of the first of what was found for `rows` (b,), 0 where there is none; (b, 3) baselines.

    `baselines` (b, 3): those of an earlier, wider search; without them this one gives them.
    """
    relevance = np.empty((len(rows), min(depth, found.keys.shape[1])), np.float16)
    of_rows = np.empty((len(rows), 3), np.float32) if baselines is None else baselines
    for part in parts(len(rows), SCORED):
        others = rows_of(found.keys[part, :depth])
        there = others >= 0
        texts = np.moveaxis(found.features[part, :depth].astype(np.float32), -1, 0)
        moments = np.moveaxis(scorer.moment_features(rows[part, None], others), -1, 0)
        features = np.moveaxis(np.concatenate([texts, moments]), 0, -1)  # a feature's values lie side by side
        if baselines is None:
            of_rows[part] = baselines_of(features, there)
        brief = scorer.brief_rows(rows[part])[:, None] | scorer.brief_rows(others)
        rated = scorer.relevance(features, Baseline(*of_rows[part].T[:, :, None]), brief)
        relevance[part] = np.where(there, rated, 0)
    return relevance, of_rows


def best_first(found: Found, relevance: Half) -> tuple[Rows, Half]:
    """Rows (b, k) and features (b, k, 3), as in `Pairs`, of what was found, by its `relevance` (b, k).

    Of equals the newer row first.
    """
    depth = relevance.shape[1]
    others = rows_of(found.keys[:, :depth])
    keys = np.where(others < 0, NONE, pair_keys(relevance.astype(np.float32), others))
    order = np.argsort(keys, axis=1)[:, ::-1] + np.arange(len(others))[:, None] * depth
    features = np.empty((*others.shape, 3), np.float16)
    features[..., 0] = relevance.reshape(-1)[order]
    cosines = np.ascontiguousarray(found.features[:, :depth]).view(np.uint32)[:, :, 0]  # both, moved as one number
    features[..., 1:] = cosines.reshape(-1)[order][..., None].view(np.float16)
    return others.reshape(-1)[order], features


def candidate_table(
    overall: Pairs, recent: Pairs, canonical: npt.NDArray[np.uint32], folder: Path
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float16]]:
    """Rows (n, 100) uint32 and features (n, 100, 3): up to 50 overall and 50 more of the recent window.

    Without duplicates of the row itself; sorted by relevance, padded with `NO_ROW`. They are the files
    `neighbours.*.npy` of `folder`.
    """
    n = len(canonical)
    table = np.asarray(new_array(folder / "neighbours.rows.npy", (n, OVERALL + RECENT), "<u4"))
    features = np.asarray(new_array(folder / "neighbours.features.npy", (n, OVERALL + RECENT, 3), "<f2"))
    for block in parts(n, BLOCK):
        table[block], features[block] = _block_of_table(overall, recent, canonical, block.start, block.stop)
    return table, features


def _block_of_table(
    overall: Pairs, recent: Pairs, canonical: npt.NDArray[np.uint32], start: int, stop: int
) -> tuple[npt.NDArray[np.uint32], FloatArray]:
    own = canonical[start:stop, None]
    first, first_features = _without_copies(overall, canonical, own, start, stop, OVERALL)
    more, more_features = _without_copies(recent, canonical, own, start, stop, RECENT, first)
    rows, features = np.hstack([first, more]), np.hstack([first_features, more_features])
    relevance = np.where(rows >= 0, features[:, :, 0], np.float32(-1))
    order = np.lexsort((-rows, -relevance), axis=1)
    rows = np.take_along_axis(rows, order, axis=1)
    features = np.take_along_axis(features, order[:, :, None], axis=1)
    features[rows < 0] = 0
    return np.where(rows < 0, NO_ROW, rows).astype(np.uint32), features


def _without_copies(
    pairs: Pairs,
    canonical: npt.NDArray[np.uint32],
    own: npt.NDArray[np.uint32],
    start: int,
    stop: int,
    most: int,
    known: Rows | None = None,
) -> tuple[Rows, FloatArray]:
    """The `most` best pairs of each row that are no copies of it, nor among its `known`; -1 where there are fewer."""
    others = np.asarray(pairs.rows[start:stop], np.int64)
    keep = (others >= 0) & (canonical[others] != own)
    if known is not None:
        keep &= ~(others[:, :, None] == known[:, None, :]).any(axis=2)
    keep &= np.cumsum(keep, axis=1) <= most
    order = np.argsort(~keep, axis=1, kind="stable")[:, :most]
    rows = np.where(np.take_along_axis(keep, order, axis=1), np.take_along_axis(others, order, axis=1), -1)
    features = np.take_along_axis(np.asarray(pairs.features[start:stop], np.float32), order[:, :, None], axis=1)
    if rows.shape[1] < most:  # fewer rows in the archive
        lacking = ((0, 0), (0, most - rows.shape[1]))
        rows, features = np.pad(rows, lacking, constant_values=-1), np.pad(features, (*lacking, (0, 0)))
    return rows, features
