"""A small snapshot in which every row is a candidate of every other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from index.article import article_from_record
from index.snapshot import Contents, Snapshot, write_snapshot


def small_snapshot(folder: Path, rows: int, seed: int = 1) -> Snapshot:
    """Articles "s0", "s1", ...; random relevance, no two candidates of a row alike in it."""
    random = np.random.default_rng(seed)
    table = np.array([[other for other in range(rows) if other != row] for row in range(rows)], np.uint32)
    features = np.zeros((rows, rows - 1, 3), np.float32)
    for row in range(rows):
        relevance = np.sort(random.choice(np.arange(1, 1_000), rows - 1, replace=False))[::-1] / 1_000
        features[row, :, 0] = relevance
        table[row] = random.permutation(table[row])
    own = np.arange(rows, dtype=np.uint32)
    contents = Contents(
        articles=[article_from_record({"id": f"s{row}", "headline": f"S{row}"}) for row in range(rows)],
        vectors=np.eye(rows, max(rows, 8), dtype=np.float32),
        neighbour_rows=table,
        neighbour_features=features,
        terms=np.zeros((rows, 1), np.uint32),
        term_texts=["word"],
        canonical=own,
        event=own,
        storyline=own,
        models={},
        counts={},
    )
    directory = folder / "small"
    directory.mkdir()
    write_snapshot(directory, contents, "small", 0, "test")
    return Snapshot.open(directory)
