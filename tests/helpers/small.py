"""Small snapshots, and one in which every row is a candidate of every other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from index.article import Article, article_from_record
from index.snapshot.reader import Snapshot
from index.snapshot.writer import Contents, write_snapshot


def contents_of(articles: Sequence[Article], vectors: np.ndarray, rows: np.ndarray, **more: Any) -> Contents:
    """What a snapshot of articles holds, with candidates `rows` (n, k); each article alone, unless `more` says so."""
    own = np.arange(len(articles), dtype=np.uint32)
    facts: dict[str, Any] = {
        "neighbour_features": np.zeros((*rows.shape, 3), np.float32),
        "terms": np.zeros((len(articles), 1), np.uint32),
        "term_texts": ["word"],
        "canonical": own,
        "event": own,
        "storyline": own,
        "models": {},
        "counts": {},
    }
    return Contents(articles=articles, vectors=vectors, neighbour_rows=rows, **(facts | more))


def small_snapshot(folder: Path, rows: int, seed: int = 1) -> Snapshot:
    """Articles "s0", "s1", ...; random relevance, no two candidates of a row alike in it."""
    random = np.random.default_rng(seed)
    table = np.array([[other for other in range(rows) if other != row] for row in range(rows)], np.uint32)
    features = np.zeros((rows, rows - 1, 3), np.float32)
    for row in range(rows):
        relevance = np.sort(random.choice(np.arange(1, 1_000), rows - 1, replace=False))[::-1] / 1_000
        features[row, :, 0] = relevance
        table[row] = random.permutation(table[row])
    articles = [article_from_record({"id": f"s{row}", "headline": f"S{row}"}) for row in range(rows)]
    vectors = np.eye(rows, max(rows, 8), dtype=np.float32)
    contents = contents_of(articles, vectors, table, neighbour_features=features)
    directory = folder / "small"
    directory.mkdir()
    write_snapshot(directory, contents, "small", 0, "test")
    return Snapshot.open(directory)
